package security

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"

	"redline/internal/secret"
)

// maxAWSFile bounds each of the AWS files, in bytes.
const maxAWSFile = 1 << 20

// AWSCredentials are what a login to Amazon MSK is signed with.
type AWSCredentials struct {
	AccessKey string
	SecretKey secret.Text
	// SessionToken belongs to temporary credentials; none for a user's own.
	SessionToken secret.Text
}

// AWSSource gives the credentials to sign with now.
type AWSSource func(context.Context) (AWSCredentials, error)

// AWSFromEnvironment takes credentials from where the AWS tools take them, again
// at each call: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN;
// else the profile AWS_PROFILE (default "default") of AWS_SHARED_CREDENTIALS_FILE
// (default ~/.aws/credentials) and AWS_CONFIG_FILE (default ~/.aws/config). What
// needs a network or another program (roles, web identity, single sign-on,
// containers, credential_process) is an error that names it. getenv is os.Getenv
// or a stand-in. The region is that in the broker's host name, else AWS_REGION or
// AWS_DEFAULT_REGION of the process.
//
// The signatures are franz-go's and are tested against the published algorithm
// (Signature Version 4). None of it was tried on AWS.
func AWSFromEnvironment(getenv func(string) string) AWSSource {
	return func(context.Context) (AWSCredentials, error) {
		if key := getenv("AWS_ACCESS_KEY_ID"); key != "" {
			c := AWSCredentials{key, secret.New(getenv("AWS_SECRET_ACCESS_KEY")), secret.New(getenv("AWS_SESSION_TOKEN"))}
			if c.SecretKey.IsZero() {
				return AWSCredentials{}, errors.New("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")
			}
			return c, nil
		}
		return fromProfile(getenv)
	}
}

func fromProfile(getenv func(string) string) (AWSCredentials, error) {
	name := cmp.Or(getenv("AWS_PROFILE"), "default")
	settings, err := awsProfile(getenv, name)
	if err != nil {
		return AWSCredentials{}, err
	}
	c := AWSCredentials{settings["aws_access_key_id"], secret.New(settings["aws_secret_access_key"]), secret.New(settings["aws_session_token"])}
	switch {
	case c.AccessKey != "" && !c.SecretKey.IsZero():
		return c, nil
	case c.AccessKey != "":
		return AWSCredentials{}, fmt.Errorf("the AWS profile %s has aws_access_key_id and no aws_secret_access_key", name)
	}
	for _, key := range []string{"credential_process", "role_arn", "sso_session", "sso_start_url", "web_identity_token_file", "login_session"} {
		if settings[key] != "" {
			return AWSCredentials{}, fmt.Errorf("the AWS profile %s is not supported: it has %s; %s", name, key, exportHint)
		}
	}
	for _, key := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if getenv(key) != "" {
			return AWSCredentials{}, fmt.Errorf("credentials by %s are not supported; %s", key, exportHint)
		}
	}
	return AWSCredentials{}, fmt.Errorf("neither AWS_ACCESS_KEY_ID nor keys of the AWS profile %s in %s are there", name, credentialsPath(getenv))
}

const exportHint = `run eval "$(aws configure export-credentials --format env)" first`

// awsProfile is the profile of both files, where the credentials file wins.
func awsProfile(getenv func(string) string, name string) (map[string]string, error) {
	section := "profile " + name
	if name == "default" {
		section = name
	}
	settings, err := awsSection(cmp.Or(getenv("AWS_CONFIG_FILE"), filepath.Join(getenv("HOME"), ".aws", "config")), section)
	if err != nil {
		return nil, err
	}
	stronger, err := awsSection(credentialsPath(getenv), name)
	maps.Copy(settings, stronger)
	return settings, err
}

func credentialsPath(getenv func(string) string) string {
	return cmp.Or(getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(getenv("HOME"), ".aws", "credentials"))
}

func awsSection(path, section string) (map[string]string, error) {
	content, err := readFile(path, maxAWSFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the AWS file cannot be read: %w", err)
	}
	return iniSection(string(content), section), nil
}

// iniSection reads one section of an AWS file: [SECTION], key = value, comments
// that begin with # or ;. Indented lines belong to other settings, and a section
// that comes twice is read as one.
func iniSection(content, section string) map[string]string {
	settings := map[string]string{}
	inside := false
	for line := range strings.Lines(content) {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(line, "["); ok {
			head, _, _ = strings.Cut(head, "]")
			inside = strings.Join(strings.Fields(head), " ") == section
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if ok && inside && !indented && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			settings[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return settings
}
