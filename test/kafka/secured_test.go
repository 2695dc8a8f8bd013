package kafka_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/security"
)

// settings are those of a user's properties file.
func settings(t *testing.T, b *broker.Broker, user string) security.Security {
	t.Helper()
	c, err := connection.FromFile(filepath.Join(filepath.Dir(b.State().ClientProperties), user+".properties"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Security
}

// connect makes a franz-go client of a secured broker.
func connect(t *testing.T, b *broker.Broker, s security.Security) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(s.FranzOptions(5*time.Second),
		kgo.SeedBrokers(b.Addrs()...), kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func bounded(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// passesRecords creates a topic, writes to it and reads it.
func passesRecords(t *testing.T, client *kgo.Client, topic string) {
	t.Helper()
	ctx := bounded(t, 30*time.Second)
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, -1, nil, topic); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("seen")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 {
		t.Fatalf("read %d records: %v", fetches.NumRecords(), err)
	}
}

// promise is what has to hold of a secured Kafka.
type promise struct {
	name  string
	holds func(*testing.T, *broker.Broker, broker.Secure)
}

var (
	letsIn    = promise{"who shows its credentials is let in", letsInWhoMay}
	spelling  = promise{"every spelling reaches it", everySpellingReaches}
	refusing  = promise{"what it refuses is said in a sentence", refusalsAreSaid}
	renewing  = promise{"a run outlives its token", aRunOutlivesItsToken}
	outOfDate = promise{"an expired certificate is named", anExpiredCertificateIsNamed}
)

// Each mechanism has a Kafka of its own, for all that has to hold of it.
func TestASecuredKafka(t *testing.T) {
	beside(t)
	for _, m := range []struct {
		name     string
		secure   broker.Secure
		promises []promise
	}{
		{"TLS and OAUTHBEARER", broker.Secure{TLS: true, SASL: security.OAuthBearer}, []promise{spelling, renewing}},
		{"mTLS and ACL", broker.Secure{MTLS: true, ACL: true}, []promise{letsIn, spelling}},
		{"TLS, SCRAM-SHA-512 and ACL", broker.Secure{TLS: true, SASL: security.ScramSHA512, ACL: true}, []promise{letsIn, spelling, refusing}},
		{"TLS, PLAIN and ACL", broker.Secure{TLS: true, SASL: security.Plain, ACL: true}, []promise{letsIn}},
		{"plaintext, SCRAM-SHA-256 and ACL", broker.Secure{SASL: security.ScramSHA256, ACL: true}, []promise{letsIn}},
		{"TLS, OAUTHBEARER and ACL", broker.Secure{TLS: true, SASL: security.OAuthBearer, ACL: true}, []promise{letsIn}},
		{"TLS", broker.Secure{TLS: true}, []promise{outOfDate}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, broker.Config{Secure: m.secure})
			for _, p := range m.promises {
				t.Run(p.name, func(t *testing.T) { p.holds(t, b, m.secure) })
			}
		})
	}
}

// letsInWhoMay wants those to be let in who show who they are, and to be let do what they
// may.
func letsInWhoMay(t *testing.T, b *broker.Broker, secure broker.Secure) {
	t.Helper()
	admin, alice := settings(t, b, "admin"), settings(t, b, "alice")
	passesRecords(t, connect(t, b, admin), "theirs")

	_, err := kadm.NewClient(connect(t, b, alice)).CreateTopic(bounded(t, 30*time.Second), 1, 1, nil, "hers")
	if refused := errors.Is(err, kerr.TopicAuthorizationFailed); refused != secure.ACL {
		t.Errorf("alice creates a topic: %v", err)
	}
	refusesStrangers(t, b, admin)
	if secure.SASL == security.OAuthBearer {
		expiredTokenIsSeen(t, b, admin)
	}
	if secure.MTLS || secure.SASL == security.OAuthBearer {
		kafkasToolListsTopics(t, b)
	}
}

// refusesStrangers wants those to be refused who lack something of what admin shows.
func refusesStrangers(t *testing.T, b *broker.Broker, admin security.Security) {
	t.Helper()
	list := map[string]security.Security{"one in plaintext without a name": {}}
	if admin.TLS != nil {
		list["one without credentials"] = security.Security{TLS: &security.TLS{Roots: admin.TLS.Roots}}
	}
	if admin.SASL != nil && !admin.SASL.Password.IsZero() {
		wrong := *admin.SASL
		wrong.User = "alice" // with admin's password
		list["one with a wrong password"] = security.Security{TLS: admin.TLS, SASL: &wrong}
	}
	if admin.TLS != nil && admin.TLS.Certificate != nil {
		list["one without a certificate"] = security.Security{TLS: &security.TLS{Roots: admin.TLS.Roots}, SASL: admin.SASL}
	}
	for who, s := range list {
		if err := connect(t, b, s).Ping(bounded(t, 3*time.Second)); err == nil {
			t.Errorf("%s is let in", who)
		}
	}
}

// expiredTokenIsSeen holds a connection with a token that lasts for seconds and is
// never renewed.
func expiredTokenIsSeen(t *testing.T, b *broker.Broker, admin security.Security) {
	t.Helper()
	token, err := security.UnsecuredToken(security.UnsecuredClaims{Claims: map[string]any{"sub": "admin"}, Lifetime: 3 * time.Second})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	once := *admin.SASL
	once.Token = func(context.Context) (security.Token, error) { return token, nil }
	client := connect(t, b, security.Security{TLS: admin.TLS, SASL: &once})
	ctx := bounded(t, 30*time.Second)
	if err := client.Ping(ctx); err != nil {
		t.Fatalf("a fresh token: %v", err)
	}
	await(t, "the refusal of an expired token", func() bool { return client.Ping(ctx) != nil })
	if ctx.Err() != nil {
		t.Error("an expired token was taken for half a minute")
	}
}

// kafkasToolListsTopics lets Kafka's own tool read admin's properties file.
func kafkasToolListsTopics(t *testing.T, b *broker.Broker) {
	t.Helper()
	jars, err := broker.KafkaJars(t.Context(), broker.DefaultVersion, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(bounded(t, 30*time.Second), "java", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*"),
		"org.apache.kafka.tools.TopicCommand", "--bootstrap-server", b.Addrs()[0],
		"--command-config", b.State().ClientProperties, "--list").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "theirs") {
		t.Errorf("Kafka's tool: %v\n%s", err, out)
	}
}

// TestASecuredClusterOutlivesANode has every kind of listener and of credential
// between three nodes.
func TestASecuredClusterOutlivesANode(t *testing.T) {
	beside(t)
	b := start(t, broker.Config{Nodes: 3, Secure: broker.Secure{MTLS: true, SASL: security.ScramSHA512, ACL: true}})
	admin := settings(t, b, "admin")
	client := connect(t, b, admin)
	passesRecords(t, client, "theirs")
	refusesStrangers(t, b, admin)
	if err := b.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(bounded(t, 30*time.Second), &kgo.Record{Topic: "theirs", Value: []byte("two of three")}).FirstErr(); err != nil {
		t.Errorf("with a node dead: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	kafkasToolListsTopics(t, b)
}
