package security

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"redline/internal/secret"
)

// sigV4 signs a GET of / on host with a query, by the published algorithm:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
func sigV4(secretKey, host, region, date, service string, query map[string]string) string {
	encode := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		pairs = append(pairs, encode(key)+"="+encode(query[key]))
	}
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	request := strings.Join([]string{"GET", "/", strings.Join(pairs, "&"), "host:" + host, "", "host", hash("")}, "\n")
	scope := strings.Join([]string{date[:8], region, service, "aws4_request"}, "/")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, hash(request)}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{date[:8], region, service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func TestTheReferenceSignsAsAWSDocuments(t *testing.T) {
	// The worked example of a presigned GET in the reference of Amazon S3 has its
	// payload unsigned, unlike ours, so the key derivation's own example is taken:
	// "Deriving the signing key" (key, 20150830, us-east-1, iam).
	key := []byte("AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	for _, part := range []string{"20150830", "us-east-1", "iam", "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if got := hex.EncodeToString(key); got != "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9" {
		t.Errorf("got %s", got)
	}
}

func TestALoginToMSKIsSignedAsPublished(t *testing.T) {
	const userKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for _, test := range []struct{ host, region, session string }{
		{"b-1.redline.abc123.c2.kafka.eu-central-1.amazonaws.com", "eu-central-1", ""},
		{"b-1-public.redline.abc123.c2.kafka.us-gov-west-1.amazonaws.com", "us-gov-west-1", "a/b+c=="},
		{"boot-x.c1.kafka-serverless.ap-southeast-2.amazonaws.com", "ap-southeast-2", ""},
		{"b-2.redline.abc123.c2.kafka.cn-north-1.amazonaws.com.cn", "cn-north-1", "tok en"},
		{"localhost", "sa-east-1", ""},
	} {
		t.Run(test.host, func(t *testing.T) {
			t.Setenv("AWS_REGION", "sa-east-1")
			sent := login(t, test.host, AWSCredentials{"AKIDEXAMPLE", secret.New(userKey), secret.New(test.session)})
			date := "20000101T000000Z" // when a synctest bubble begins
			query := map[string]string{
				"Action":              "kafka-cluster:Connect",
				"X-Amz-Algorithm":     "AWS4-HMAC-SHA256",
				"X-Amz-Credential":    "AKIDEXAMPLE/20000101/" + test.region + "/kafka-cluster/aws4_request",
				"X-Amz-Date":          date,
				"X-Amz-Expires":       "900",
				"X-Amz-SignedHeaders": "host",
			}
			if test.session != "" {
				query["X-Amz-Security-Token"] = test.session
			}
			want := map[string]string{"version": "2020_10_22", "host": test.host, "user-agent": "redline"}
			for key, value := range query {
				want[strings.ToLower(key)] = value
			}
			want["x-amz-signature"] = sigV4(userKey, test.host, test.region, date, "kafka-cluster", query)
			if !maps.Equal(sent, want) {
				t.Errorf("sent %v\nwant %v", sent, want)
			}
		})
	}
}

// login is what is sent to a broker on host on 2000-01-01, 00:00 UTC.
func login(t *testing.T, host string, c AWSCredentials) map[string]string {
	t.Helper()
	var sent map[string]string
	environment := map[string]string{"AWS_ACCESS_KEY_ID": c.AccessKey, "AWS_SECRET_ACCESS_KEY": c.SecretKey.Reveal(), "AWS_SESSION_TOKEN": c.SessionToken.Reveal()}
	s := &SASL{Mechanism: AWSMSKIAM, AWS: AWSFromEnvironment(func(key string) string { return environment[key] })}
	synctest.Test(t, func(t *testing.T) {
		session, first, err := s.FranzMechanism().Authenticate(t.Context(), host+":9098")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(first, &sent); err != nil {
			t.Fatal(err)
		}
		if done, next, err := session.Challenge([]byte(`{"version":"2020_10_22"}`)); !done || next != nil || err != nil {
			t.Errorf("after the answer: %v, %q, %v", done, next, err)
		}
	})
	return sent
}

func TestALoginToMSKNeedsARegion(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	s := &SASL{Mechanism: AWSMSKIAM, AWS: AWSFromEnvironment(func(string) string { return canary })}
	_, _, err := s.FranzMechanism().Authenticate(t.Context(), "kafka.example:9098")
	wants(t, err, "no credentials for AWS_MSK_IAM", `the region in "kafka.example"`)
}

const credentialsFile = `# comment = x
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key=default-secret

[ work ]
AWS_Access_Key_Id = WORK
aws_secret_access_key = work-secret
  aws_session_token = nested, not ours
aws_session_token = work-session
; aws_access_key_id = COMMENT
[half]
aws_access_key_id = HALF
[process]
credential_process = ` + canary + `
`

const configFile = `[default]
region = eu-west-1
aws_access_key_id = CONFIG
[profile sso]
sso_session = x
[profile config]
aws_access_key_id = CONFIG
aws_secret_access_key = config-secret
[work]
aws_access_key_id = NOT-A-PROFILE
`

// awsHome is an environment whose home has both AWS files.
func awsHome(t *testing.T, set map[string]string) func(string) string {
	t.Helper()
	home := t.TempDir()
	folder := filepath.Join(home, ".aws")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"credentials": credentialsFile, "config": configFile} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(key string) string {
		if key == "HOME" {
			return home
		}
		return set[key]
	}
}

func TestAWSCredentialsComeFromWhereTheAWSToolsTakeThem(t *testing.T) {
	elsewhere := file(t, []byte("[default]\naws_access_key_id=ELSEWHERE\naws_secret_access_key=elsewhere-secret\n"))
	for _, test := range []struct {
		set  map[string]string
		want string
	}{
		{map[string]string{"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_SESSION_TOKEN": "env-session", "AWS_PROFILE": "work"}, "ENV env-secret env-session"},
		{nil, "DEFAULT default-secret "},
		{map[string]string{"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none")}, "DEFAULT default-secret "},
		{map[string]string{"AWS_PROFILE": "work", "AWS_WEB_IDENTITY_TOKEN_FILE": "/unused"}, "WORK work-secret work-session"},
		{map[string]string{"AWS_PROFILE": "config"}, "CONFIG config-secret "},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": elsewhere}, "ELSEWHERE elsewhere-secret "},
	} {
		c, err := AWSFromEnvironment(awsHome(t, test.set))(t.Context())
		if got := c.AccessKey + " " + c.SecretKey.Reveal() + " " + c.SessionToken.Reveal(); err != nil || got != test.want {
			t.Errorf("%v: got %q, %v, want %q", test.set, got, err, test.want)
		}
	}
}

func TestMissingAWSCredentialsSayWhatIsMissing(t *testing.T) {
	for want, set := range map[string]map[string]string{
		"AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not":                    {"AWS_ACCESS_KEY_ID": "x"},
		"the AWS profile half has aws_access_key_id and no aws_secret_access_key":      {"AWS_PROFILE": "half"},
		"the AWS profile process is not supported: it has credential_process":          {"AWS_PROFILE": "process"},
		"the AWS profile sso is not supported: it has sso_session":                     {"AWS_PROFILE": "sso"},
		"neither AWS_ACCESS_KEY_ID nor keys of the AWS profile none in":                {"AWS_PROFILE": "none"},
		"credentials by AWS_WEB_IDENTITY_TOKEN_FILE are not supported":                 {"AWS_PROFILE": "none", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"},
		"credentials by AWS_CONTAINER_CREDENTIALS_RELATIVE_URI are not supported; run": {"AWS_PROFILE": "none", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
		"the AWS file cannot be read":                                                  {"AWS_SHARED_CREDENTIALS_FILE": t.TempDir()},
	} {
		_, err := AWSFromEnvironment(awsHome(t, set))(t.Context())
		wants(t, err, want)
	}
}

func FuzzAWSFiles(f *testing.F) {
	f.Add(credentialsFile, "work")
	f.Add(configFile, "profile sso")
	f.Fuzz(func(t *testing.T, content, section string) {
		for key, value := range iniSection(content, section) {
			if strings.ContainsAny(key+value, "\n") || strings.TrimSpace(value) != value {
				t.Errorf("%q = %q", key, value)
			}
		}
	})
}
