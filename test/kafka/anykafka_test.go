package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/security"
	"redline/internal/security/securitytest"
	"redline/result"
)

// way is one spelling of a connection: arguments, the file of contexts, and what -X dump
// has to say.
type way struct {
	name   string
	args   []string
	config string
	dumped []string
}

// run types a command with the spelling behind it.
func (w way) run(t *testing.T, args ...string) string {
	t.Helper()
	c := prepare(t, append(args, w.args...)...)
	c.Env = append(os.Environ(), "REDLINE_CONFIG="+w.config)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.end(t, 0)
	return c.out()
}

// ways spells the connection to a broker by flags, by a Java file with JKS, by
// librdkafka's properties and by a context.
func ways(t *testing.T, b *broker.Broker, s broker.Secure) []way {
	t.Helper()
	folder := t.TempDir()
	clients := filepath.Dir(b.State().ClientProperties)
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	admin, err := connection.FromFile(b.State().ClientProperties)
	if err != nil {
		t.Fatal(err)
	}
	addresses, ca := strings.Join(b.Addrs(), ","), filepath.Join(clients, "ca.pem")
	flags := []string{"-b", addresses, "--tls-ca", ca}
	properties := []string{"metadata.broker.list=" + addresses, "ssl.ca.location=" + ca}
	switch {
	case s.MTLS:
		certificate, key := filepath.Join(clients, "admin.pem"), filepath.Join(clients, "admin.key")
		flags = append(flags, "--tls-cert", certificate, "--tls-key", key)
		properties = append(properties, "security.protocol=ssl", "ssl.certificate.location="+certificate, "ssl.key.location="+key)
	case s.SASL == security.OAuthBearer:
		token, err := security.UnsecuredToken(security.UnsecuredClaims{Claims: map[string]any{"sub": "admin"}, Lifetime: time.Hour})(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "--sasl-mechanism", "oauthbearer", "--oauth-token-file", file("token", token.Value.Reveal()))
		properties = append(properties, "security.protocol=sasl_ssl", "sasl.mechanisms=OAUTHBEARER",
			"enable.sasl.oauthbearer.unsecure.jwt=true", "sasl.oauthbearer.config=principal=admin")
	default:
		password := file("password", admin.Security.SASL.Password.Reveal()+"\n")
		flags = append(flags, "--sasl-mechanism", "scram-sha-512", "--sasl-user", "admin", "--sasl-password-file", password)
		properties = append(properties, "security.protocol=sasl_ssl", "sasl.mechanisms=SCRAM-SHA-512",
			"sasl.username=admin", "sasl.password=${file:"+password+"}")
	}
	librdkafka, yaml := []string{}, "contexts:\n  test:\n    properties:\n"
	for _, pair := range properties {
		librdkafka = append(librdkafka, "-X", pair)
		key, value, _ := strings.Cut(pair, "=")
		yaml += fmt.Sprintf("      %s: %q\n", key, value)
	}
	config := file("config.yaml", yaml)
	return []way{
		{"flags", flags, config, []string{"ssl.ca.location = " + ca + "  (from --tls-ca)", "bootstrap.servers = " + addresses + "  (from --bootstrap-server)"}},
		{"java", []string{"-F", b.State().ClientProperties}, config, []string{"ssl.truststore.location = ", "admin.properties:"}},
		{"librdkafka", librdkafka, config, []string{"bootstrap.servers = " + addresses + "  (from -X)", "ssl.ca.location = " + ca + "  (from -X)"}},
		{"context", []string{"--context", "test"}, config, []string{"(from context test, ", "config.yaml:"}},
	}
}

// plainly runs redline without the addresses in the environment, for the way must say
// them.
func plainly(t *testing.T, code int, args ...string) *command {
	t.Helper()
	c := goOn(t, args...)
	c.end(t, code)
	return c
}

// goOn is plainly that does not wait for the end.
func goOn(t *testing.T, args ...string) *command {
	t.Helper()
	c := prepare(t, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// full has each mechanism measured too, and every command typed in every spelling,
// which takes minutes.
var full = os.Getenv("REDLINE_FULL") != ""

// everySpellingReaches wants a Kafka to be reached however its mechanism is spelled, with
// the same result, by either client.
func everySpellingReaches(t *testing.T, b *broker.Broker, secure broker.Secure) {
	t.Helper()
	for i, way := range ways(t, b, secure) {
		t.Run(way.name, func(t *testing.T) {
			topic, client := fmt.Sprintf("topic-%d", i), []string{"franz", "confluent"}[i%2]
			dumped := way.run(t, "consume", "-X", "dump")
			for _, line := range way.dumped {
				if !strings.Contains(dumped, line) {
					t.Errorf("-X dump lacks %q:\n%s", line, dumped)
				}
			}
			way.run(t, "topic", "create", topic, "--partitions", "2")
			produced := decode[result.ProduceReport](t, way.run(t, "produce", "--topic", topic, "--num-records", "5000", "--client", client, "-o", "json"))
			consumed := decode[result.ConsumeReport](t, way.run(t, "consume", "--topic", topic, "--group", topic, "--until-end", "--client", client, "-o", "json"))
			if produced.Account.Acked != 5000 || consumed.Account.Once != 5000 || consumed.Account.Lost+consumed.Account.Duplicated != 0 {
				t.Errorf("produced %+v, consumed %+v", produced.Account, consumed.Account)
			}
			if full || way.name == "flags" {
				if group := way.run(t, "group", "describe", topic); strings.Count(group, topic) < 2 {
					t.Errorf("the group is not there:\n%s", group)
				}
				way.run(t, "group", "delete", topic)
				way.run(t, "topic", "delete", topic)
			}
		})
	}
	if full {
		measureSecured(t, b)
	}
}

// measureSecured measures a limit and answers a question over the secured connection.
func measureSecured(t *testing.T, b *broker.Broker) {
	t.Helper()
	file, question := b.State().ClientProperties, filepath.Join(t.TempDir(), "q.yaml")
	limit := decode[result.LimitReport](t, plainly(t, 0, "limit", "-F", file, "--time", "15s", "-o", "json").out())
	if limit.Limit.Consume == nil || limit.Limit.Produce == nil {
		t.Errorf("no limit: %+v", limit)
	}
	text := "question: do more consumers read faster?\nmeasure: consume\nbase:\n  partitions: 2\naxes:\n  consumers: [1, 2]\n"
	if err := os.WriteFile(question, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := decode[result.ExperimentReport](t, plainly(t, 0, "run", question, "-F", file, "--runs", t.TempDir(), "--rounds", "2", "--time", "20s", "-o", "json").out())
	if len(answer.Rows) != 2 {
		t.Errorf("%d rows", len(answer.Rows))
	}
	if left := plainly(t, 0, "topic", "list", "-F", file).out(); strings.Contains(left, "redline-") {
		t.Errorf("topics are left over: %s", left)
	}
}

// refusal is a connection that must not come about, and the words that say why.
type refusal struct {
	name string
	args []string
	want []string
}

// refuse wants each refusal classified in one sentence, with exit code 4, within 10 s.
func refuse(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			began := time.Now()
			c := plainly(t, 4, r.args...)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			said := strings.TrimSpace(c.talk())
			for _, want := range r.want {
				if !strings.Contains(said, want) {
					t.Errorf("lacks %q: %s", want, said)
				}
			}
		})
	}
}

// refusalsAreSaid types what a Kafka with TLS, SCRAM-SHA-512 and ACLs must not take.
func refusalsAreSaid(t *testing.T, b *broker.Broker, _ broker.Secure) {
	t.Helper()
	admin := b.State().ClientProperties
	clients := filepath.Dir(admin)
	alice := filepath.Join(clients, "alice.properties")
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("no-password-at-all"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := otherAuthority(t)
	plainly(t, 0, "topic", "create", "orders", "-F", admin)
	refuse(t, []refusal{
		{"wrong password", []string{"topic", "list", "-F", admin, "--sasl-user", "admin", "--sasl-password-file", wrong}, []string{"admin", "SCRAM-SHA-512"}},
		{"another mechanism", []string{"topic", "list", "-F", admin, "--sasl-mechanism", "PLAIN", "--sasl-user", "admin", "--sasl-password-file", wrong}, []string{"PLAIN", "SCRAM-SHA-512"}},
		{"wrong authority", []string{"topic", "list", "-F", admin, "--tls-ca", other}, []string{"--tls-ca"}},
		{"wrong name", []string{"topic", "list", "-F", admin, "--tls-server-name", "kafka.example"}, []string{"kafka.example", "localhost"}},
		{"plaintext", []string{"topic", "list", "-b", b.Addrs()[0]}, []string{"TLS"}},
		{"no user", []string{"topic", "list", "-b", b.Addrs()[0], "--tls-ca", filepath.Join(clients, "ca.pem")}, []string{"SASL"}},
		{"no ACL to create", []string{"topic", "create", "mine", "-F", alice}, []string{"alice", "Create"}},
		{"no ACL on the topic", []string{"produce", "--topic", "orders", "--num-records", "10", "-F", alice}, []string{"orders"}},
		{"no ACL on the group", []string{"group", "describe", "g", "-F", alice}, []string{"group"}},
	})
}

// anExpiredCertificateIsNamed gives a Kafka with TLS a certificate that has expired: it is
// refused by us, whatever the broker thinks of it.
func anExpiredCertificateIsNamed(t *testing.T, b *broker.Broker, _ broker.Secure) {
	t.Helper()
	admin, err := connection.FromFile(b.State().ClientProperties)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(admin.Security.FranzOptions(time.Second), kgo.SeedBrokers(b.Addrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	keystore := expiredKeystore(t)
	changed, err := kadm.NewClient(client).AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "listener.name.clients.ssl.keystore.location", Value: &keystore},
		{Op: kadm.SetConfig, Name: "listener.name.clients.ssl.keystore.type", Value: kadm.StringPtr("PEM")},
	}, 1)
	if err == nil {
		err = changed[0].Err
	}
	if err != nil {
		t.Fatalf("changing the broker's certificate: %v, %+v", err, changed)
	}
	// The broker takes it over a little later than it says.
	await(t, "the broker's new certificate", func() bool { return time.Now().After(certificateOf(t, b.Addrs()[0]).NotAfter) })
	refuse(t, []refusal{{"expired", []string{"topic", "list", "-F", b.State().ClientProperties}, []string{"expired"}}})
}

// aRunOutlivesItsToken wants a token that is renewed in time to be taken over by the run
// that goes on; one that is not ends it.
func aRunOutlivesItsToken(t *testing.T, b *broker.Broker, _ broker.Secure) {
	t.Helper()
	ca := filepath.Join(filepath.Dir(b.State().ClientProperties), "ca.pem")
	first := newToken(t)
	plainly(t, 0, append([]string{"topic", "create", "t", "--partitions", "1"}, first.connecting(b, ca)...)...)
	produce := func(client string, token token, records int) *command {
		return goOn(t, append([]string{"produce", "--topic", "t", "--num-records", fmt.Sprint(records), "--throughput", "500", "--client", client, "-o", "json"}, token.connecting(b, ca)...)...)
	}
	clients, began := []string{"franz", "confluent"}, time.Now()
	var expired, renewed []*command // all at once: they take their time
	for _, client := range clients {
		forgotten, kept := newToken(t), newToken(t)
		forgotten.renew(6 * time.Second)
		defer kept.keepFresh(10 * time.Second)()
		expired, renewed = append(expired, produce(client, forgotten, 100_000)), append(renewed, produce(client, kept, 7500))
	}
	for i, c := range expired {
		c.end(t, 4)
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("%s took %s to end without a token: %s", clients[i], took, c.talk())
		}
	}
	for i, c := range renewed {
		c.end(t, 0)
		if r := decode[result.ProduceReport](t, c.out()); r.Account.Acked != 7500 || r.ElapsedSeconds < 13 {
			t.Errorf("%s: %+v", clients[i], r)
		}
	}
}

// token is a file with one of Kafka's unsecured tokens.
type token struct {
	t    *testing.T
	path string
}

// newToken makes one that is good for an hour.
func newToken(t *testing.T) token {
	t.Helper()
	made := token{t, filepath.Join(t.TempDir(), "token")}
	made.renew(time.Hour)
	return made
}

// renew puts a new token into the file, as a whole.
func (k token) renew(life time.Duration) {
	made, err := security.UnsecuredToken(security.UnsecuredClaims{Claims: map[string]any{"sub": "admin"}, Lifetime: life})(context.Background())
	if err == nil {
		err = os.WriteFile(k.path+".new", []byte(made.Value.Reveal()), 0o600)
	}
	if err == nil {
		err = os.Rename(k.path+".new", k.path)
	}
	if err != nil {
		k.t.Error(err)
	}
}

// keepFresh renews the token every 2 s until it is stopped.
func (k token) keepFresh(life time.Duration) (stop func()) {
	k.renew(life)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Second):
				k.renew(life)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// connecting are the flags that use it.
func (k token) connecting(b *broker.Broker, ca string) []string {
	return []string{"-b", b.Addrs()[0], "--tls-ca", ca, "--sasl-mechanism", "OAUTHBEARER", "--oauth-token-file", k.path}
}

// certificateOf is what a broker shows whoever connects.
func certificateOf(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // that it is no good is the point
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// otherAuthority is the certificate of an authority that signed nothing here.
func otherAuthority(t *testing.T) string {
	t.Helper()
	trust := security.TLS{Roots: securitytest.NewAuthority(t, "other").Roots()}
	path := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(path, trust.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// expiredKeystore is a PEM key store, as Kafka takes it, whose certificate is of
// yesterday. Kafka takes it only if it has the names of the one before.
func expiredKeystore(t *testing.T) string {
	t.Helper()
	until := time.Now().Add(-24 * time.Hour)
	pair := securitytest.Authority{}.Sign(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "redline-node"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
	}).Pair()
	own := security.TLS{Certificate: &pair}
	certificate, err := own.CertificatePEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := own.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "expired.pem")
	if err := os.WriteFile(path, append([]byte(key.Reveal()), certificate...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
