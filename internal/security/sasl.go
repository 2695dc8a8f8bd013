package security

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"redline/internal/secret"
)

// Mechanism is the name of a SASL mechanism, as Kafka spells it.
type Mechanism string

// The mechanisms there are. GSSAPI (Kerberos) is not among them.
const (
	Plain       Mechanism = "PLAIN"
	ScramSHA256 Mechanism = "SCRAM-SHA-256"
	ScramSHA512 Mechanism = "SCRAM-SHA-512"
	OAuthBearer Mechanism = "OAUTHBEARER"
	AWSMSKIAM   Mechanism = "AWS_MSK_IAM"
)

// mechanisms has the spellings of all tools, without case, - and _.
var mechanisms = map[string]Mechanism{
	"plain": Plain, "plaintext": Plain,
	"scramsha256": ScramSHA256, "sha256": ScramSHA256,
	"scramsha512": ScramSHA512, "sha512": ScramSHA512,
	"oauthbearer": OAuthBearer, "oauth": OAuthBearer,
	"awsmskiam": AWSMSKIAM, "mskiam": AWSMSKIAM, "awsiam": AWSMSKIAM,
}

// ParseMechanism reads a mechanism's name. Case, - and _ do not matter, and
// sha256, sha512, plaintext, oauth and awsiam are understood too.
func ParseMechanism(s string) (Mechanism, error) {
	name := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(s)))
	if m, ok := mechanisms[name]; ok {
		return m, nil
	}
	known := fmt.Sprintf("%s, %s, %s, %s or %s", Plain, ScramSHA256, ScramSHA512, OAuthBearer, AWSMSKIAM)
	if name == "gssapi" || name == "kerberos" {
		return "", fmt.Errorf("the SASL mechanism GSSAPI (Kerberos) is not supported: use %s", known)
	}
	return "", fmt.Errorf("%q is no SASL mechanism: use %s", s, known)
}

// SASL says as whom a connection is made.
type SASL struct {
	// Mechanism is one of the constants.
	Mechanism Mechanism
	// User and Password are for PLAIN and SCRAM.
	User     string
	Password secret.Text
	// Token is for OAUTHBEARER; it is called at every authentication.
	Token TokenSource
	// AWS is for AWS_MSK_IAM; it is called at every authentication.
	AWS AWSSource
}

// CredentialsError says that there was nothing to authenticate with: a token or a
// key could not be had on this side. The broker was not asked.
type CredentialsError struct {
	Mechanism Mechanism
	// Err is why. It is not unwrapped: client libraries would take a timeout in it
	// for one of the broker's, and try again for ever.
	Err error
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("no credentials for %s: %v", e.Mechanism, e.Err)
}

// FetchToken is the token to authenticate with now, for libraries that are handed
// tokens. An error is a CredentialsError, or that of ctx once it has ended.
func (s *SASL) FetchToken(ctx context.Context) (Token, error) {
	token, err := s.token(ctx)
	return token, s.explain(ctx, err)
}

func (s *SASL) token(ctx context.Context) (Token, error) {
	if s.Token == nil {
		return Token{}, errors.New("no source of tokens is given")
	}
	token, err := s.Token(ctx)
	if err != nil {
		return Token{}, err
	}
	if err := token.check(); err != nil {
		return Token{}, err
	}
	return token, nil
}

func (s *SASL) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &CredentialsError{s.Mechanism, err}
}

// FranzMechanism is the mechanism for franz-go; nil if Mechanism is none of the
// constants. Its Authenticate fails with a CredentialsError.
func (s *SASL) FranzMechanism() sasl.Mechanism {
	var m sasl.Mechanism
	switch s.Mechanism {
	case Plain:
		m = plain.Plain(func(context.Context) (plain.Auth, error) {
			return plain.Auth{User: s.User, Pass: s.Password.Reveal()}, nil
		})
	case ScramSHA256:
		m = scram.Sha256(s.scram)
	case ScramSHA512:
		m = scram.Sha512(s.scram)
	case OAuthBearer:
		m = oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := s.token(ctx)
			return oauth.Auth{Token: token.Value.Reveal(), Extensions: token.Extensions}, err
		})
	case AWSMSKIAM:
		m = aws.ManagedStreamingIAM(s.aws)
	default:
		return nil
	}
	return mechanism{m, s}
}

func (s *SASL) scram(context.Context) (scram.Auth, error) {
	return scram.Auth{User: s.User, Pass: s.Password.Reveal()}, nil
}

func (s *SASL) aws(ctx context.Context) (aws.Auth, error) {
	if s.AWS == nil {
		return aws.Auth{}, errors.New("no source of AWS credentials is given")
	}
	c, err := s.AWS(ctx)
	return aws.Auth{
		AccessKey:    c.AccessKey,
		SecretKey:    c.SecretKey.Reveal(),
		SessionToken: c.SessionToken.Reveal(),
		UserAgent:    "redline", // franz-go's own tells the name of this machine
	}, err
}

// mechanism tells what fails on this side from what the broker refuses.
type mechanism struct {
	sasl.Mechanism
	s *SASL
}

func (m mechanism) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := m.Mechanism.Authenticate(ctx, host)
	return session, first, m.s.explain(ctx, err)
}
