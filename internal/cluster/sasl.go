package cluster

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/security"
)

// tokenWithin bounds asking a token's source what the token says.
const tokenWithin = time.Second

// who is whom we authenticate as, and how.
func who(s *security.SASL) string {
	switch s.Mechanism {
	case security.OAuthBearer:
		return "the token (OAUTHBEARER)"
	case security.AWSMSKIAM:
		return "the AWS credentials (AWS_MSK_IAM)"
	}
	return fmt.Sprintf("user %s (%s)", printable(s.User), s.Mechanism)
}

// principal is the user in words, and as Kafka's ACLs call them by default.
func (a Attempt) principal() (user, principal string) {
	s := a.Security.SASL
	var name string
	switch {
	case s != nil && s.Mechanism == security.OAuthBearer:
		name = a.token().Principal
	case s != nil:
		name = s.User
	default:
		name = subject(a.Security.TLS)
	}
	switch {
	case name != "":
		return "user " + printable(name), printable("User:" + name)
	case s == nil && a.Security.TLS == nil:
		return "this user (nobody, since there is no authentication)", "User:ANONYMOUS"
	}
	return "this user", "User:NAME"
}

// subject is the distinguished name in the client's certificate; "" without one.
func subject(t *security.TLS) string {
	if c := clientCertificate(t); c != nil {
		return c.Subject.String()
	}
	return ""
}

func clientCertificate(t *security.TLS) *x509.Certificate {
	if t == nil || t.Certificate == nil || len(t.Certificate.Certificate) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(t.Certificate.Certificate[0])
	if err != nil {
		return nil
	}
	return c
}

// token is the one that would be sent now; the zero value if it cannot be had.
func (a Attempt) token() security.Token {
	if a.Security.SASL == nil || a.Security.SASL.Token == nil {
		return security.Token{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), tokenWithin)
	defer cancel()
	token, err := a.Security.SASL.Token(ctx)
	if err != nil {
		return security.Token{}
	}
	return token
}

// authenticationProblem names a failure of authentication.
func (a Attempt) authenticationProblem(kind Kind, err error) error {
	s := a.Security.SASL
	switch {
	case kind == KindCredentials:
		return notAllowed(kind, err, "%s. %s", lastError(err), credentialsHelp(s))
	case kind == KindSASLExpected:
		return notAllowed(kind, err, "%s wants authentication (SASL), and no user is given. Add --sasl-mechanism and --sasl-user, or the sasl.* lines in the file of -F.", a.Address)
	case kind == KindSASLUnexpected:
		return notAllowed(kind, err, "%s takes no authentication (SASL) on this port. Leave out --sasl-mechanism and sasl.*, or give the port of a SASL listener with -b.", a.Address)
	case kind == KindMechanism && s != nil:
		return notAllowed(kind, err, "%s does not offer %s. Choose another with --sasl-mechanism.", a.Address, s.Mechanism)
	case kind == KindMechanism:
		return notAllowed(kind, err, "%s does not offer this SASL mechanism. Choose another with --sasl-mechanism.", a.Address)
	case s == nil:
		return notAllowed(kind, err, "%s refuses the user or the password (SASL_AUTHENTICATION_FAILED). Check both.", a.Address)
	case s.Mechanism == security.OAuthBearer:
		return a.tokenProblem(err)
	case s.Mechanism == security.AWSMSKIAM:
		return notAllowed(kind, err, "%s refuses %s. Check AWS_PROFILE and the AWS_* variables, the clock of this machine, and that the IAM policy allows kafka-cluster:Connect.", a.Address, who(s))
	}
	return notAllowed(kind, err, "%s refuses %s: there is no such user with this mechanism, or the password is wrong. Check --sasl-user, the password, and --sasl-mechanism.", a.Address, who(s))
}

// tokenProblem says of a refused token whether it was over.
func (a Attempt) tokenProblem(err error) error {
	t := a.token()
	of := ""
	if t.Principal != "" {
		of = " of " + printable(t.Principal)
	}
	if !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return notAllowed(KindTokenExpired, err, "%s refuses the token%s (OAUTHBEARER): it expired on %s. Put a new one where --oauth-token-file or --oauth-token-command gets it.", a.Address, of, moment(t.Expires))
	}
	return notAllowed(KindAuthentication, err, "%s refuses the token%s (OAUTHBEARER): it may be over, or made out by or for somebody else. Check what --oauth-token-file or --oauth-token-command gives.", a.Address, of)
}

// lastError is the text of the credentials that could not be had.
func lastError(err error) string {
	var missing *security.CredentialsError
	if errors.As(err, &missing) {
		return strings.TrimRight(missing.Error(), ".")
	}
	return err.Error()
}

func credentialsHelp(s *security.SASL) string {
	if s != nil && s.Mechanism == security.AWSMSKIAM {
		return "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
	}
	return "Check --oauth-token-file, --oauth-token-command, or sasl.* in the file of -F."
}

// moment is a time for a sentence.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// maxHandshakeAnswer bounds the answer to a SaslHandshake: some names.
const maxHandshakeAnswer = 1 << 16

// offered asks a listener which SASL mechanisms it takes. It asks for one that
// nobody has: a listener that authenticates then lists its own, and one that
// does not says ILLEGAL_SASL_STATE (sasl is false).
func offered(ctx context.Context, c Config, address string) (mechanisms []string, sasl bool, err error) {
	conn, err := c.Security.Dial(ctx, address, c.DialTimeout)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	request := kmsg.NewPtrSASLHandshakeRequest()
	request.Version, request.Mechanism = 1, "?"
	asked := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.ClientID)).AppendRequest(nil, request, probeCorrelation)
	head, err := exchange(ctx, conn, c.answerWait(), asked, 8)
	if err != nil {
		return nil, false, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < 4 || length > maxHandshakeAnswer {
		return nil, false, fmt.Errorf("an answer of %d bytes", length)
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, false, err
	}
	answer := kmsg.NewPtrSASLHandshakeResponse()
	answer.Version = 1
	if err := answer.ReadFrom(body); err != nil {
		return nil, false, err
	}
	return answer.SupportedMechanisms, answer.ErrorCode == kerr.UnsupportedSaslMechanism.Code, nil
}

// askOffered turns a failure that may be about the mechanism into one that names
// those offered; nil if it is about something else.
func askOffered(ctx context.Context, c Config, address string, err error) error {
	kind := c.attempt(address).recognise(err)
	if kind != KindMechanism && kind != KindSASLExpected && (kind != KindClosed || c.Security.SASL != nil) {
		return nil
	}
	mechanisms, sasl, askErr := offered(ctx, c, address)
	if askErr != nil || !sasl {
		return nil //nolint:nilerr // then the first error says what there is to say
	}
	if c.Security.SASL == nil {
		return notAllowed(KindSASLExpected, err, "%s wants authentication (SASL), and no user is given; it offers %s. Add --sasl-mechanism and --sasl-user, or the sasl.* lines in the file of -F.", address, listed(mechanisms))
	}
	return notAllowed(KindMechanism, err, "%s does not offer %s; it offers %s. Choose one with --sasl-mechanism.", address, c.Security.SASL.Mechanism, listed(mechanisms))
}
