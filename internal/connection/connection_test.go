package connection

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redline/internal/secret"
	"redline/internal/security"
)

var update = flag.Bool("update", false, "write the golden files anew")

// nowhere is an environment without anything.
func nowhere(string) string { return "" }

// defaultBroker is the last resort of the command line.
var defaultBroker = []Given{{"bootstrap.servers", secret.New("localhost:9092"), Origin{Source: "the default"}}}

// falling falls back on what is given.
func falling(back []Given) func() ([]Given, error) {
	return func() ([]Given, error) { return back, nil }
}

// inputs are alone in the world: no home, and a broker to fall back on.
func inputs(in Inputs) Inputs {
	if in.Getenv == nil {
		in.Getenv = nowhere
	}
	if in.Fallback == nil {
		in.Fallback = falling(defaultBroker)
	}
	in.NoContext = in.ConfigFile == ""
	return in
}

func resolve(t testing.TB, in Inputs) *Connection {
	t.Helper()
	c, err := Resolve(inputs(in))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func givens(origin string, pairs ...string) []Given {
	var all []Given
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, Given{pairs[i], secret.New(pairs[i+1]), Origin{Source: origin}})
	}
	return all
}

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func entry(c *Connection, key string) Entry {
	for _, e := range c.Entries {
		if e.Key == key {
			return e
		}
	}
	return Entry{}
}

func TestTheSameClusterInEverySpellingIsTheSameConnection(t *testing.T) {
	m := newMaterial(t)
	escaped := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\\n\\\n  ") }
	scram := `org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="` + canary + `";`
	java := "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nbootstrap.servers=kafka.example.com:9093\n" +
		"sasl.jaas.config=" + strings.ReplaceAll(scram, " password", " \\\n    password") + "\n"
	cases := map[string]Inputs{
		"a Java file with JKS and PKCS12": {Files: []string{file(t, "client.properties", java+
			"ssl.truststore.location="+m.path("truststore.jks")+"\nssl.truststore.password=changeit\n"+
			"ssl.keystore.type=PKCS12\nssl.keystore.location="+m.path("keystore.p12")+"\nssl.keystore.password=changeit\n")}},
		"a Java file with PEM files": {Files: []string{file(t, "client.properties", java+
			"ssl.truststore.type=PEM\nssl.truststore.location="+m.path("ca.pem")+"\nssl.keystore.type=PEM\nssl.keystore.location="+m.path("both.pem")+"\n")}},
		"a Java file with PEM text": {Files: []string{file(t, "client.properties", java+
			"ssl.truststore.type=PEM\nssl.truststore.certificates="+escaped(m.caPEM)+"\n"+
			"ssl.keystore.type=PEM\nssl.keystore.certificate.chain="+escaped(m.certPEM)+"\nssl.keystore.key="+escaped(m.keyPE)+"\n")}},
		"librdkafka's spelling by -X": {Pairs: []string{"metadata.broker.list=kafka.example.com:9093", "security.protocol=sasl_ssl", "sasl.mechanisms=SCRAM-SHA-512",
			"sasl.username=alice", "sasl.password=" + canary, "ssl.ca.location=" + m.path("ca.pem"), "ssl.certificate.location=" + m.path("client.pem"), "ssl.key.location=" + m.path("client.key")}},
		"librdkafka's PEM by -X": {Pairs: []string{"bootstrap.servers=kafka.example.com:9093", "sasl.mechanisms=SCRAM-SHA-512", "sasl.username=alice", "sasl.password=${file:" + m.path("password") + "}",
			"ssl.ca.pem=" + m.caPEM, "ssl.certificate.pem=" + m.certPEM, "ssl.key.pem=" + m.keyPE}},
		"flags": {Flags: append(givens("--bootstrap-server", "bootstrap.servers", "kafka.example.com:9093"), givens("--flag",
			"ssl.ca.location", m.path("ca.pem"), "ssl.certificate.location", m.path("both.pem"), "sasl.mechanism", "scram_sha512", "sasl.username", "alice", "sasl.password", canary)...)},
		"a context": {Context: "prod", ConfigFile: file(t, "config.yaml", "contexts:\n  prod:\n    properties:\n      bootstrap.servers: kafka.example.com:9093\n"+
			"      sasl.mechanism: SCRAM-SHA-512\n      sasl.username: alice\n      sasl.password: ${env:SECRET}\n"+
			"      ssl.truststore.location: "+m.path("truststore.jks")+"\n      ssl.truststore.password: changeit\n"+
			"      ssl.keystore.location: "+m.path("keystore.p12")+"\n      ssl.keystore.password: changeit\n"),
			Getenv: func(name string) string { return map[string]string{"SECRET": canary}[name] }},
		"a context with a pasted JAAS line": {Context: "prod", ConfigFile: file(t, "config.yaml", "contexts:\n  prod:\n    properties:\n      bootstrap.servers: kafka.example.com:9093\n"+
			"      sasl.mechanism: SCRAM-SHA-512\n      sasl.jaas.config: "+scram+"\n      ssl.ca.location: "+m.path("ca.pem")+"\n      ssl.keystore.location: "+m.path("both.pem")+"\n")},
	}
	for name, in := range cases {
		t.Run(name, func(t *testing.T) {
			c := resolve(t, in)
			if got := c.Security.Protocol(); got != "SASL_SSL" || entry(c, "security.protocol").Value.Reveal() == "" {
				t.Fatalf("protocol %s", got)
			}
			if !slices.Equal(c.Brokers, []string{"kafka.example.com:9093"}) || c.ClientID != DefaultClientID {
				t.Errorf("brokers %v, client id %s", c.Brokers, c.ClientID)
			}
			if tls := c.Security.TLS; len(tls.Roots) != 1 || !tls.Roots[0].Equal(m.ca) || tls.Certificate == nil || !m.certificate.Equal(tls.Certificate.Leaf) {
				t.Errorf("TLS %+v", tls)
			}
			if s := c.Security.SASL; s.Mechanism != security.ScramSHA512 || s.User != "alice" || s.Password.Reveal() != canary {
				t.Errorf("SASL %+v, %v", s, s.Password.Reveal() == canary)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings: %q", c.Warnings)
			}
			for _, e := range c.Entries {
				if strings.Contains(e.Shown(), canary) || strings.Contains(fmt.Sprintf("%+v", e), canary) || strings.Contains(e.Shown(), "PRIVATE") {
					t.Errorf("%s shows the secret", e.Key)
				}
			}
			again, err := FromHandover(c.Handover())
			if err != nil || !reflect.DeepEqual(again.Security.TLS, c.Security.TLS) || again.Security.SASL.Password.Reveal() != canary || !slices.Equal(again.Brokers, c.Brokers) {
				t.Errorf("handed over: %v", err)
			}
		})
	}
}

// spellings of one key that takes any text.
var spellings = []string{"linger.ms", "queue.buffering.max.ms"}

// Precedence: the strongest source that sets a key wins, whatever the spelling.
func TestTheStrongestSourceWins(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		spelling := rapid.SampledFrom(spellings)
		// From strong to weak: flags, -X, the second file, the first, environment, context, fallback.
		set := rapid.SliceOfN(rapid.Bool(), 7, 7).Draw(t, "set")
		var in Inputs
		value := func(i int) string { return fmt.Sprint(i) }
		write := func(name, text string) string {
			path := filepath.Join(folder, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		if set[0] {
			in.Flags = givens("--linger", spelling.Draw(t, "key"), value(0))
		}
		if set[1] {
			in.Pairs = []string{spelling.Draw(t, "key") + "=" + value(1)}
		}
		for _, i := range []int{3, 2} {
			text := ""
			if set[i] {
				text = spelling.Draw(t, "key") + ": " + value(i) + "\n"
			}
			in.Files = append(in.Files, write(fmt.Sprint(i), text))
		}
		if set[4] {
			in.Environment = givens("REDLINE_LINGER", spelling.Draw(t, "key"), value(4))
		}
		in.ConfigFile, in.Context = write("config.yaml", "contexts:\n  c:\n    properties:\n"), "c"
		if set[5] {
			in.ConfigFile = write("config.yaml", "contexts:\n  c:\n    properties:\n      "+spelling.Draw(t, "key")+": "+value(5)+"\n")
		}
		in.Fallback = falling(defaultBroker)
		if set[6] {
			in.Fallback = falling(append(slices.Clone(defaultBroker), givens("the default", spelling.Draw(t, "key"), value(6))...))
		}
		c, err := Resolve(inputs(in))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Index(set, true)
		got := entry(c, "linger.ms")
		if want < 0 {
			if got.Key != "" {
				t.Fatalf("got %v from nowhere", got)
			}
			return
		}
		if got.Shown() != value(want) {
			t.Fatalf("%v is set, and %s of %s wins", set, got.Shown(), got.Origin)
		}
		losers := 0
		for _, e := range c.Overridden {
			if e.Key == "linger.ms" {
				losers++
			}
		}
		if n := count(set); losers != n-1 {
			t.Fatalf("%d sources set it, %d lost", n, losers)
		}
		if list := c.Strict; (want == 1) != (len(list) == 1) || (want == 1) == (len(c.Shared) == 1) {
			t.Fatalf("strict %v, shared %v, source %d", c.Strict, c.Shared, want)
		}
	})
}

func count(set []bool) (n int) {
	for _, yes := range set {
		if yes {
			n++
		}
	}
	return n
}

func TestTheProtocolFollowsFromWhatIsGiven(t *testing.T) {
	m := newMaterial(t)
	ca := "ssl.ca.location=" + m.path("ca.pem")
	user := "sasl.username=alice\nsasl.password=x\nsasl.mechanism=SCRAM-SHA-256\n"
	type wants struct{ protocol, origin, warning, err string }
	cases := []struct {
		name string
		in   Inputs
		want wants
	}{
		{"nothing", Inputs{}, wants{protocol: "PLAINTEXT", origin: "default"}},
		{"an authority", Inputs{Flags: givens("--tls-ca", "ssl.ca.location", m.path("ca.pem"))}, wants{protocol: "SSL", origin: "--tls-ca"}},
		{"--tls", Inputs{Flags: givens("--tls", "redline.tls", "true")}, wants{protocol: "SSL", origin: "--tls"}},
		{"no verification", Inputs{Flags: givens("--tls-insecure-skip-verify", "enable.ssl.certificate.verification", "false")}, wants{protocol: "SSL", origin: "--tls-insecure-skip-verify", warning: "is not checked"}},
		{"verification left on", Inputs{Pairs: []string{"enable.ssl.certificate.verification=true"}}, wants{protocol: "PLAINTEXT", origin: "default"}},
		{"a user", Inputs{Pairs: []string{"sasl.username=alice", "sasl.password=x", "sasl.mechanism=SCRAM-SHA-256"}}, wants{protocol: "SASL_PLAINTEXT", origin: "-X"}},
		{"a token file", Inputs{Flags: givens("--oauth-token-file", "redline.oauth.token.file", "/token")}, wants{protocol: "SASL_PLAINTEXT", origin: "--oauth-token-file"}},
		{"an unsecured token that is off", Inputs{Pairs: []string{"enable.sasl.oauthbearer.unsecure.jwt=false"}}, wants{protocol: "PLAINTEXT", origin: "default"}},
		{"said", Inputs{Pairs: []string{"security.protocol=ssl"}}, wants{protocol: "SSL", origin: "-X"}},
		{"a flag over a file", Inputs{Flags: givens("--tls-ca", "ssl.ca.location", m.path("ca.pem")), Files: []string{file(t, "f", "security.protocol=PLAINTEXT")}}, wants{protocol: "SSL", origin: "--tls-ca"}},
		{"a flag over a file with a user", Inputs{Flags: givens("--tls", "redline.tls", "true"), Files: []string{file(t, "f", "security.protocol=SASL_PLAINTEXT\n"+user)}}, wants{protocol: "SASL_SSL", origin: "--tls"}},
		{"TLS switched off", Inputs{Flags: givens("--tls", "redline.tls", "false"), Files: []string{file(t, "f", "security.protocol=SSL\n"+ca)}}, wants{protocol: "PLAINTEXT", origin: "--tls"}},
		{"-X over a file", Inputs{Pairs: []string{"security.protocol=PLAINTEXT"}, Files: []string{file(t, "f", "security.protocol=SSL\n"+ca)}}, wants{protocol: "PLAINTEXT", origin: "-X"}},
		{"lines left over in a file", Inputs{Files: []string{file(t, "f", "security.protocol=PLAINTEXT\n"+ca+"\n")}}, wants{protocol: "PLAINTEXT", origin: "f:1", warning: "f:2: ssl.ca.location has no effect, since security.protocol is PLAINTEXT"}},
		{"SASL left over in a file", Inputs{Files: []string{file(t, "f", "security.protocol=SSL\n"+user)}}, wants{protocol: "SSL", origin: "f:1", warning: "has no effect"}},
		{"no contradiction on the command line", Inputs{Pairs: []string{"security.protocol=PLAINTEXT"}, Flags: givens("--tls-ca", "ssl.ca.location", m.path("ca.pem"))}, wants{err: "--tls-ca: ssl.ca.location contradicts security.protocol=PLAINTEXT (-X)"}},
		{"none in the environment", Inputs{Environment: append(givens("REDLINE_TLS", "redline.tls", "false"), givens("REDLINE_TLS_CA", "ssl.ca.location", m.path("ca.pem"))...)}, wants{err: "REDLINE_TLS_CA: ssl.ca.location contradicts redline.tls=false (REDLINE_TLS)"}},
		{"two that say", Inputs{Files: []string{file(t, "f", "security.protocol=PLAINTEXT\nredline.tls=true\n")}}, wants{err: "contradicts"}},
		{"SASL without a mechanism", Inputs{Pairs: []string{"security.protocol=SASL_SSL"}}, wants{err: "wants a sasl.mechanism"}},
		{"a user without a mechanism", Inputs{Flags: givens("--sasl-user", "sasl.username", "alice", "sasl.password", "x")}, wants{err: "--sasl-mechanism"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(inputs(c.in))
			if c.want.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.want.err) || !errors.Is(err, ErrSettings) {
					t.Fatalf("got %v, want %q", err, c.want.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			e := entry(got, "security.protocol")
			if got.Security.Protocol() != c.want.protocol || !strings.EqualFold(e.Shown(), c.want.protocol) || !strings.HasSuffix(e.Origin.String(), c.want.origin) {
				t.Errorf("got %s, shown %s (%s)", got.Security.Protocol(), e.Shown(), e.Origin)
			}
			if all := strings.Join(got.Warnings, "\n"); (c.want.warning == "") != (all == "") || !strings.Contains(all, c.want.warning) {
				t.Errorf("warnings: %q, want %q", all, c.want.warning)
			}
		})
	}
}

func TestWhatBelongsTogetherComesFromOneSource(t *testing.T) {
	m := newMaterial(t)
	alice := "sasl.mechanism=SCRAM-SHA-512\nsasl.username=alice\nsasl.password=of-alice\n"
	store := "ssl.truststore.location=" + m.path("truststore.jks") + "\nssl.truststore.password=changeit\n"
	tokens := "sasl.mechanism=OAUTHBEARER\nredline.oauth.token.command=print-token\n"
	cases := []struct {
		name string
		in   Inputs
		is   map[string]string
		lost []string
	}{
		{"a CA file over a trust store", Inputs{Flags: givens("--tls-ca", "ssl.ca.location", m.path("ca.pem")), Files: []string{file(t, "f", store)}},
			map[string]string{"ssl.ca.location": m.path("ca.pem")}, []string{"ssl.truststore.location", "ssl.truststore.password"}},
		{"a password for a user of another source", Inputs{Environment: givens("REDLINE_SASL_PASSWORD", "sasl.password", "mine"), Files: []string{file(t, "f", "sasl.mechanism=PLAIN\nsasl.username=alice\n")}},
			map[string]string{"sasl.username": "alice", "sasl.password": "mine"}, nil},
		{"a password over one from a JAAS line", Inputs{Pairs: []string{"sasl.password=mine"}, Files: []string{file(t, "f", "sasl.mechanism=PLAIN\nsasl.jaas.config=a.PlainLoginModule required username=alice password=old;\n")}},
			map[string]string{"sasl.username": "alice", "sasl.password": "mine"}, []string{"sasl.password"}},
		{"a key pair over a key store", Inputs{Flags: givens("--tls-cert", "ssl.certificate.location", m.path("client.pem"), "ssl.key.location", m.path("client.key")), Files: []string{file(t, "f", "ssl.keystore.location=/gone.jks\nssl.keystore.password=x\nssl.key.password=x\n")}},
			map[string]string{"ssl.certificate.location": m.path("client.pem")}, []string{"ssl.key.password", "ssl.keystore.location", "ssl.keystore.password"}},
		{"another trust store, without the password of the first", Inputs{Pairs: []string{"ssl.truststore.location=" + m.path("ca.pem")}, Files: []string{file(t, "f", store)}},
			map[string]string{"ssl.truststore.location": m.path("ca.pem")}, []string{"ssl.truststore.location", "ssl.truststore.password"}},
		{"a token over a user", Inputs{Flags: givens("--oauth-token-file", "redline.oauth.token.file", "/token"), Files: []string{file(t, "f", alice)}},
			map[string]string{"sasl.mechanism": "OAUTHBEARER", "redline.oauth.token.file": "/token"}, []string{"sasl.mechanism", "sasl.password", "sasl.username"}},
		{"a user over a token", Inputs{Flags: givens("--sasl-user", "sasl.username", "bob", "sasl.mechanism", "PLAIN", "sasl.password", "x"), Files: []string{file(t, "f", tokens)}},
			map[string]string{"sasl.mechanism": "PLAIN", "sasl.username": "bob"}, []string{"redline.oauth.token.command", "sasl.mechanism"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := resolve(t, c.in)
			for key, want := range c.is {
				if have := entry(got, key).Value.Reveal(); have != want {
					t.Errorf("%s is %q, want %q", key, have, want)
				}
			}
			var lost []string
			for _, e := range got.Overridden {
				lost = append(lost, e.Key)
			}
			slices.Sort(lost)
			if !slices.Equal(lost, c.lost) {
				t.Errorf("lost %v, want %v", lost, c.lost)
			}
		})
	}
	t.Run("another user does not get the first one's password", func(t *testing.T) {
		_, err := Resolve(inputs(Inputs{Flags: givens("--sasl-user", "sasl.username", "bob"), Files: []string{file(t, "f", alice)}}))
		if !errors.Is(err, ErrNoPassword) || !errors.Is(err, ErrSettings) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAContextThatNobodyTypedLendsNothingToAnotherCluster(t *testing.T) {
	config := file(t, "config.yaml", "current: prod\ncontexts:\n  prod:\n    protected: true\n    properties:\n      bootstrap.servers: prod:9092\n      sasl.mechanism: SCRAM-SHA-256\n      sasl.username: alice\n      sasl.password: "+canary+"\n")
	other := givens("-b", "bootstrap.servers", "localhost:9092")

	c := resolve(t, Inputs{ConfigFile: config, Flags: other})
	if c.Security.SASL != nil || c.Context != "" || c.Protected || len(c.Overridden) != 4 {
		t.Errorf("the current context had a part: %+v, %v", c, c.Overridden)
	}
	c = resolve(t, Inputs{ConfigFile: config, Flags: other, Context: "prod"})
	if c.Security.SASL == nil || c.Context != "prod" || !c.Protected || c.Brokers[0] != "localhost:9092" {
		t.Errorf("the named context had no part: %+v", c)
	}
	c = resolve(t, Inputs{ConfigFile: config})
	if c.Security.SASL == nil || c.Context != "prod" || !c.Protected || c.Brokers[0] != "prod:9092" {
		t.Errorf("the current context had no part: %+v", c)
	}
	if got := entry(c, "sasl.username").Origin.String(); got != "context prod, "+config+":8" {
		t.Errorf("origin %s", got)
	}
}

func TestAFallbackIsTakenWholeOrNotAtAll(t *testing.T) {
	fallback := append(givens("KAFKA_BROKERS", "bootstrap.servers", "a:1"), givens("redline broker up", "bootstrap.servers", "localhost:2", "ssl.endpoint.identification.algorithm", "https", "redline.tls", "true")...)
	if c := resolve(t, Inputs{Fallback: falling(fallback)}); c.Brokers[0] != "a:1" || c.Security.TLS != nil {
		t.Errorf("the first: %+v", c)
	}
	if c := resolve(t, Inputs{Fallback: falling(fallback[1:])}); c.Brokers[0] != "localhost:2" || c.Security.TLS == nil {
		t.Errorf("the second: %+v", c)
	}
	if c := resolve(t, Inputs{Fallback: falling(fallback[1:]), Pairs: []string{"bootstrap.servers=b"}}); c.Brokers[0] != "b:9092" || c.Security.TLS != nil {
		t.Errorf("none: %+v", c)
	}
}

func TestCredentialsOverPlaintextStayOnThisMachine(t *testing.T) {
	user := func(mechanism, brokers string, more ...string) Inputs {
		return Inputs{Pairs: append([]string{"sasl.mechanism=" + mechanism, "sasl.username=alice", "sasl.password=" + canary, "bootstrap.servers=" + brokers}, more...)}
	}
	token := func(brokers string) Inputs {
		return Inputs{Pairs: []string{"bootstrap.servers=" + brokers}, Flags: givens("--oauth-token-file", "redline.oauth.token.file", "/token")}
	}
	for name, c := range map[string]struct {
		in      Inputs
		refused bool
	}{
		"PLAIN to localhost":         {user("PLAIN", "localhost:9092,127.0.0.1,::1,127.8.8.8"), false},
		"PLAIN to another":           {user("PLAIN", "kafka:9092"), true},
		"PLAIN to another too":       {user("PLAIN", "localhost:9092,10.0.0.1:9092"), true},
		"PLAIN to a lookalike":       {user("PLAIN", "localhost.example.com:9092"), true},
		"PLAIN by permission":        {user("PLAIN", "kafka:9092", "redline.allow.plaintext.credentials=true"), false},
		"PLAIN, permission withheld": {user("PLAIN", "kafka:9092", "redline.allow.plaintext.credentials=false"), true},
		"PLAIN over TLS":             {user("PLAIN", "kafka:9092", "security.protocol=SASL_SSL"), false},
		"SCRAM to another":           {user("SCRAM-SHA-256", "kafka:9092"), false},
		"a token to localhost":       {token("localhost:9092"), false},
		"a token to another":         {token("kafka:9092"), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Resolve(inputs(c.in))
			if c.refused != errors.Is(err, ErrPlaintextCredentials) || !c.refused && err != nil {
				t.Errorf("got %v", err)
			}
			if c.refused && (!strings.Contains(err.Error(), "--allow-plaintext-credentials") || strings.Contains(err.Error(), canary)) {
				t.Errorf("the sentence: %v", err)
			}
		})
	}
}

func TestUnsecuredTokensAreMadeAsJavaAndLibrdkafkaAreTold(t *testing.T) {
	for name, in := range map[string]Inputs{
		"Java": {Files: []string{file(t, "f", `sasl.mechanism=OAUTHBEARER
security.protocol=SASL_PLAINTEXT
sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="alice" unsecuredLoginListClaim_scope="|a|b" unsecuredLoginLifetimeSeconds="60" unsecuredLoginExtension_traceId="1";
`)}},
		"librdkafka": {Pairs: []string{"sasl.mechanism=OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt=true", "sasl.oauthbearer.config=principal=alice scope=a,b lifeSeconds=60 extension_traceId=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := resolve(t, in)
			token, err := c.Security.SASL.Token(context.Background())
			if err != nil || token.Principal != "alice" || token.Extensions["traceId"] != "1" || token.Expires.IsZero() {
				t.Fatalf("token %+v, %v", token, err)
			}
			again, err := FromHandover(c.Handover())
			if err != nil || again.Security.SASL.Token == nil {
				t.Fatalf("handed over: %v", err)
			}
		})
	}
}

func TestAWSProfilesComeFromTheJAASLine(t *testing.T) {
	credentials := file(t, "credentials", "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = "+canary+"\n")
	getenv := func(name string) string { return map[string]string{"AWS_SHARED_CREDENTIALS_FILE": credentials}[name] }
	c := resolve(t, Inputs{Getenv: getenv, Files: []string{file(t, "f", `security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required awsProfileName="work";
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler
`)}})
	got, err := c.Security.SASL.AWS(context.Background())
	if err != nil || got.AccessKey != "AKIDWORK" || got.SecretKey.Reveal() != canary {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestEveryKeyIsOneRowInOneSpelling(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows {
		for _, spelling := range append([]string{r.Name}, r.Aliases...) {
			if seen[spelling] || clientKeys[spelling] != "" {
				t.Errorf("%s is there twice", spelling)
			}
			if nameOf(spelling) != spelling {
				t.Errorf("%s does not look like a key", spelling)
			}
			seen[spelling] = true
		}
		if (r.cannot == "") == (r.Help == "") || r.anchor && len(r.forms) != 1 {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
	if keys := Keys(); len(keys) < 30 || keys[0].Name != "bootstrap.servers" {
		t.Errorf("%d keys, the first %s", len(keys), keys[0].Name)
	}
}

func TestMaskArgsHidesSecretsAlone(t *testing.T) {
	for arg, want := range map[string]string{
		"-X\x00sasl.password=" + canary:                                       "-X\x00sasl.password=****",
		"-Xsasl.password=" + canary:                                           "-Xsasl.password=****",
		"-X=sasl.password=" + canary:                                          "-X=sasl.password=****",
		"--command-property=ssl.key.password=" + canary:                       "--command-property=ssl.key.password=****",
		"--command-property\x00ssl_key=" + canary:                             "--command-property\x00ssl_key=****",
		"-X\x00 ssl.key.pem = " + canary:                                      "-X\x00 ssl.key.pem =****",
		"-X\x00sasl.jaas.config=a.B required password=\"" + canary + "\";":    "-X\x00sasl.jaas.config=****",
		"-X\x00sasl.pasword=" + canary + "\x00-X\x00sasl.passwords=" + canary: "-X\x00sasl.pasword=****\x00-X\x00sasl.passwords=****",
		"--sasl-password\x00" + canary:                                        "--sasl-password\x00****",
		"--sasl-password=" + canary:                                           "--sasl-password=****",
		"--sasl-password-file\x00/run/secrets/x\x00-X\x00linger.ms=5":         "--sasl-password-file\x00/run/secrets/x\x00-X\x00linger.ms=5",
		"--oauth-token-command=print client_secret=" + canary:                 "--oauth-token-command=print client_secret=****",
		"--allow-plaintext-credentials\x00orders":                             "--allow-plaintext-credentials\x00orders",
		"topic\x00create\x00orders\x00--config\x00retention.ms=5":             "topic\x00create\x00orders\x00--config\x00retention.ms=5",
	} {
		if got := strings.Join(MaskArgs(strings.Split(arg, "\x00")), "\x00"); got != want {
			t.Errorf("%q became %q, want %q", arg, got, want)
		}
	}
}
