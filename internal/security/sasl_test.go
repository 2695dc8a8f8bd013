package security

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/secret"
	"redline/internal/security/securitytest"
)

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func connect(t *testing.T, k *kfake.Cluster, s Security) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(s.FranzOptions(time.Second), kgo.SeedBrokers(k.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func ping(t *testing.T, cl *kgo.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return cl.Ping(ctx)
}

func TestPasswordsOpenAClusterAndWrongOnesDoNot(t *testing.T) {
	for _, m := range []Mechanism{Plain, ScramSHA256, ScramSHA512} {
		t.Run(string(m), func(t *testing.T) {
			k := fake(t, kfake.EnableSASL(), kfake.Superuser(string(m), "alice", canary))
			right := Security{SASL: &SASL{Mechanism: m, User: "alice", Password: password}}
			if err := ping(t, connect(t, k, right)); err != nil {
				t.Error(err)
			}
			wrong := Security{SASL: &SASL{Mechanism: m, User: "alice", Password: secret.New("wrong")}}
			if err := ping(t, connect(t, k, wrong)); err == nil {
				t.Error("a wrong password was taken")
			}
			var none *CredentialsError
			if err := ping(t, connect(t, k, Security{SASL: &SASL{Mechanism: m, User: "alice"}})); !errors.As(err, &none) {
				t.Errorf("no password: %v", err)
			}
		})
	}
}

func TestTLSAndSASLGoTogether(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	server := issue(t, ours, "kafka.example")
	k := fake(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "alice", canary), kfake.TLS(tlsConfig(server)))
	s := Security{
		TLS:  &TLS{Roots: ours.Roots(), ServerName: "kafka.example"},
		SASL: &SASL{Mechanism: ScramSHA512, User: "alice", Password: password},
	}
	if err := ping(t, connect(t, k, s)); err != nil {
		t.Error(err)
	}
	s.TLS.ServerName = ""
	wants(t, ping(t, connect(t, k, s)), "the TLS handshake with "+k.ListenAddrs()[0]+" failed: ", "127.0.0.1 because")
}

// bearer has k answer OAUTHBEARER itself, with a session that has ended as soon
// as it begins, so that every request authenticates first.
func bearer(k *kfake.Cluster) (first func() []string) {
	var mu sync.Mutex
	var received []string
	k.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		return r.ResponseKind(), nil, true
	})
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		received = append(received, string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes))
		response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.SessionLifetimeMillis = 1000
		return response, nil, true
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(received)
	}
}

func TestATokenIsReadAgainAtEveryReauthentication(t *testing.T) {
	k := fake(t)
	received := bearer(k)
	calls := 0
	cl := connect(t, k, Security{SASL: &SASL{Mechanism: OAuthBearer, Token: func(context.Context) (Token, error) {
		calls++
		return Token{Value: secret.New(fmt.Sprintf("token%d", calls)), Extensions: map[string]string{"traceId": "7"}}, nil
	}}})
	for range 3 {
		if err := ping(t, cl); err != nil {
			t.Fatal(err)
		}
	}
	got := received()
	if len(got) < 3 {
		t.Fatalf("authenticated %d times", len(got))
	}
	for i, message := range got {
		if want := fmt.Sprintf("n,,\x01auth=Bearer token%d\x01traceId=7\x01\x01", i+1); message != want {
			t.Errorf("got %q, want %q", message, want)
		}
	}
}

func TestATokenThatCannotBeHadIsAnErrorOfOurs(t *testing.T) {
	k := fake(t)
	bearer(k)
	for name, test := range map[string]struct {
		source TokenSource
		want   string
	}{
		"none":        {nil, "no source of tokens is given"},
		"failing":     {func(context.Context) (Token, error) { return Token{}, errors.New("the vault is shut") }, "the vault is shut"},
		"a timeout":   {func(context.Context) (Token, error) { return Token{}, context.DeadlineExceeded }, "deadline exceeded"},
		"empty":       {func(context.Context) (Token, error) { return Token{}, nil }, "the token is empty"},
		"not a token": {func(context.Context) (Token, error) { return Token{Value: secret.New(canary + "\x01")}, nil }, "a character that no token has"},
		"no extension": {func(context.Context) (Token, error) {
			return Token{Value: password, Extensions: map[string]string{"auth": canary}}, nil
		}, `extension "auth"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &SASL{Mechanism: OAuthBearer, Token: test.source}
			var none *CredentialsError
			err := ping(t, connect(t, k, Security{SASL: s}))
			wants(t, err, "no credentials for OAUTHBEARER: ", test.want)
			if !errors.As(err, &none) {
				t.Errorf("%v is no CredentialsError", err)
			}
			if _, err = s.FetchToken(t.Context()); !errors.As(err, &none) {
				t.Errorf("%v is no CredentialsError", err)
			}
		})
	}
}

func TestWhatEndsWithItsContextSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &SASL{Mechanism: OAuthBearer, Token: TokenCommand("exec sleep 60")}
	if _, err := s.FetchToken(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.FranzMechanism().Authenticate(ctx, "localhost:9092"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNothingThatPrintsShowsASecret(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := issue(t, ours, "alice")
	key := fmt.Sprint(client.PrivateKey)
	s := Security{
		TLS: &TLS{Certificate: client},
		SASL: &SASL{
			Mechanism: Plain, User: "alice", Password: password, Token: TokenCommand("echo " + canary),
			AWS: AWSFromEnvironment(func(string) string { return canary }),
		},
	}
	pem, err := s.TLS.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(s.TLS)
	if err != nil || strings.Contains(string(encoded), "PrivateKey") {
		t.Errorf("%v in JSON: %s", err, encoded)
	}
	values := []any{
		s, &s, *s.TLS, s.TLS, *s.SASL, s.SASL, s.SASL.FranzMechanism(), pem, Token{Value: password}, AWSCredentials{"key", password, password},
		OIDC{ClientSecret: password}, CredentialsError{Plain, errors.New("x")}, UnsecuredClaims{},
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			printed := fmt.Sprintf(verb, v)
			if strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) || strings.Contains(printed, key) || strings.Contains(printed, pem.Reveal()) {
				t.Errorf("%s of %T shows a secret: %s", verb, v, printed)
			}
		}
	}
}
