package sarama

import (
	"context"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/sasl"

	"redline/internal/client"
	"redline/internal/security"
)

// credentialsWithin bounds getting what to authenticate with.
const credentialsWithin = 10 * time.Second

// authenticate sets as whom connections are made. TLS is not among it: connections
// come encrypted from Dial.
func authenticate(config *sarama.Config, s *security.SASL) error {
	if s == nil {
		return nil
	}
	set := &config.Net.SASL
	set.Enable, set.Mechanism = true, sarama.SASLMechanism(s.Mechanism)
	set.User, set.Password = s.User, s.Password.Reveal()
	switch s.Mechanism {
	case security.Plain:
	case security.ScramSHA256, security.ScramSHA512:
		set.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scram{mechanism: s.FranzMechanism()} }
	case security.OAuthBearer:
		set.TokenProvider = tokens{s}
	default:
		return client.Unsupported("sarama", "authenticate with "+string(s.Mechanism), "take the client franz")
	}
	return nil
}

// tokens gives sarama a token for each authentication, which it makes for every
// connection and again before the session of one ends.
type tokens struct{ sasl *security.SASL }

func (t tokens) Token() (*sarama.AccessToken, error) {
	ctx, cancel := context.WithTimeout(context.Background(), credentialsWithin)
	defer cancel()
	token, err := t.sasl.FetchToken(ctx)
	if err != nil {
		return nil, err
	}
	return &sarama.AccessToken{Token: token.Value.Reveal(), Extensions: token.Extensions}, nil
}

// scram is one exchange of SCRAM, which sarama leaves to its users.
type scram struct {
	mechanism sasl.Mechanism
	session   sasl.Session
	first     []byte
	done      bool
}

// Begin knows user and password already.
func (s *scram) Begin(string, string, string) error {
	ctx, cancel := context.WithTimeout(context.Background(), credentialsWithin)
	defer cancel()
	var err error
	s.session, s.first, err = s.mechanism.Authenticate(ctx, "")
	return err
}

func (s *scram) Step(challenge string) (string, error) {
	if s.first != nil {
		first := string(s.first)
		s.first = nil
		return first, nil
	}
	done, answer, err := s.session.Challenge([]byte(challenge))
	s.done = done
	return string(answer), err
}

func (s *scram) Done() bool { return s.done }
