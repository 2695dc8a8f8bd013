package connection

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every mistake, with the sentence that it gets, side by side in
// testdata/mistakes.txt; -update writes it anew.
func TestEachMistakeIsASentenceThatSaysWhereAndWhatToDo(t *testing.T) {
	folder := t.TempDir()
	files := 0
	write := func(name, text string) string {
		files++
		own := filepath.Join(folder, strconv.Itoa(files))
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(own, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	notes, huge := write("notes.txt", "no certificate\n"), write("huge", strings.Repeat("x", maxFile+1))
	properties := func(text string) Inputs { return Inputs{Files: []string{write("client.properties", text)}} }
	pairs := func(pairs ...string) Inputs { return Inputs{Pairs: pairs} }
	config := func(text string) Inputs {
		return Inputs{Context: "prod", ContextFrom: "--context", ConfigFile: write("config.yaml", text)}
	}
	jaas := func(text string) Inputs {
		return properties("security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.jaas.config=" + text + "\n")
	}
	cases := []struct {
		name string
		in   Inputs
	}{
		{"a pair without a value", pairs("linger.ms")},
		{"a pair that may be a secret", pairs("Hunter2!")},
		{"an unknown key of -X", pairs("ssl.truststore.locatoin=/x")},
		{"an unknown key like no other", pairs("frobnicate=1")},
		{"a key of Java's alone", pairs("ssl.engine.factory.class=x")},
		{"a key of GSSAPI", pairs("sasl.kerberos.service.name=kafka")},
		{"two spellings", pairs("sasl.mechanism=PLAIN", "sasl.mechanisms=SCRAM-SHA-256")},
		{"two spellings in a file", properties("linger.ms=5\nqueue.buffering.max.ms=6\n")},
		{"two trust stores", pairs("ssl.ca.location=/a", "ssl.truststore.location=/b")},
		{"a bad address", pairs("bootstrap.servers=kafka:port")},
		{"a listener for an address", pairs("bootstrap.servers=SASL_SSL://kafka:9093")},
		{"a bad protocol", pairs("security.protocol=TLS")},
		{"a bad mechanism", pairs("sasl.mechanism=DIGEST-MD5")},
		{"GSSAPI", pairs("sasl.mechanism=GSSAPI")},
		{"a bad truth value", pairs("enable.ssl.certificate.verification=nope")},
		{"a bad TLS version", pairs("ssl.enabled.protocols=TLSv1.2,SSLv3")},
		{"no cipher that Go has", pairs("ssl.ca.location=probe", "ssl.cipher.suites=TLS_DHE_RSA_WITH_AES_256_CBC_SHA")},
		{"one cipher that Go lacks", pairs("ssl.ca.location=probe", "ssl.cipher.suites=TLS_DHE_RSA_WITH_AES_256_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")},
		{"a password in an endpoint", pairs("sasl.oauthbearer.token.endpoint.url=https://id:" + canary + "@idp/token")},
		{"a class that is Java's", pairs("sasl.login.callback.handler.class=com.example.Handler")},
		{"a certificate file that is missing", pairs("ssl.ca.location=" + folder + "/gone.pem")},
		{"a certificate file without any", pairs("ssl.ca.location=" + notes)},
		{"a key without its certificate", pairs("security.protocol=SSL", "ssl.key.location="+folder+"/key.pem")},
		{"a user without a mechanism", pairs("sasl.username=alice", "sasl.password="+canary)},
		{"a mechanism without a user", pairs("sasl.mechanism=PLAIN")},
		{"a user without a password", pairs("sasl.mechanism=PLAIN", "sasl.username=alice")},
		{"OAUTHBEARER without a token", pairs("sasl.mechanism=OAUTHBEARER")},
		{"an endpoint without a client", pairs("sasl.oauthbearer.token.endpoint.url=https://idp/token")},
		{"an unsecured token of nobody", pairs("enable.sasl.oauthbearer.unsecure.jwt=true")},
		{"PLAIN unencrypted", pairs("sasl.mechanism=PLAIN", "sasl.username=alice", "sasl.password="+canary, "bootstrap.servers=kafka:9092")},
		{"a contradiction", pairs("security.protocol=SSL", "redline.tls=false")},
		{"an environment variable that is not set", pairs("sasl.password=${env:GONE}")},
		{"a file that is missing", pairs("sasl.password=${file:" + folder + "/gone}")},
		{"a reference that is open", pairs("sasl.password=${file:" + canary)},
		{"a file that is too large", pairs("sasl.password=${file:" + huge + "}")},
		{"a key that is not in the file", pairs("sasl.password=${file:" + write("secrets.properties", "other="+canary+"\n") + ":password}")},
		{"no file for -F", Inputs{Files: []string{folder + "/gone.properties"}}},
		{"a folder for -F", Inputs{Files: []string{folder}}},
		{"no properties file", properties("a=1\nb=\\uZZZZ\n")},
		{"JAAS without a class", jaas(`;`)},
		{"JAAS without a flag", jaas(`a.PlainLoginModule username="alice";`)},
		{"JAAS without its end", jaas(`a.PlainLoginModule required username="alice" password="` + canary + `"`)},
		{"JAAS without quotes", jaas(`a.PlainLoginModule required username="alice" password=` + canary + `!;`)},
		{"JAAS with two modules", jaas(`a.PlainLoginModule required; a.PlainLoginModule required;`)},
		{"JAAS of Kerberos", jaas(`com.sun.security.auth.module.Krb5LoginModule required;`)},
		{"JAAS of a stranger", jaas(`com.example.LoginModule required secret="` + canary + `";`)},
		{"JAAS with a delegation token", jaas(`a.ScramLoginModule required username="x" password="` + canary + `" tokenauth="true";`)},
		{"JAAS with an AWS role", jaas(`software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="x";`)},
		{"JAAS with a bad lifetime", jaas(`a.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x" unsecuredLoginLifetimeSeconds="soon";`)},
		{"a context that is missing", config("contexts:\n  dev: {}\n  test: {}\n")},
		{"a context of an empty file", config("")},
		{"a current context that is missing", Inputs{ConfigFile: write("current.yaml", "current: gone\ncontexts:\n  dev: {}\n")}},
		{"an unknown key in a context", config("contexts:\n  prod:\n    protected: true\n    properties:\n      bootstrap.server: a\n")},
		{"an unknown key of the file", config("currnt: prod\n")},
		{"an unknown key beside properties", config("contexts:\n  prod:\n    brokers: a\n")},
		{"a doubled key", config("contexts:\n  prod:\n    properties:\n      linger.ms: 1\n      linger.ms: 2\n")},
		{"nested properties", config("contexts:\n  prod:\n    properties:\n      ssl: {ca: x}\n")},
		{"a list", config("contexts:\n- prod\n")},
		{"a truth value of a context", config("contexts:\n  prod:\n    protected: perhaps\n")},
		{"a name with a blank", config("contexts:\n  \"my cluster\":\n    protected: true\n")},
		{"no YAML", config("contexts: [\n")},
		{"a tab", config("contexts:\n\tprod: x\n")},
		{"no broker", Inputs{Fallback: falling(nil)}},
		{"two mistakes", pairs("foo=1", "security.protocol=TLS")},
	}
	var b strings.Builder
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Resolve(inputs(c.in))
			if err == nil {
				t.Fatal("was taken")
			}
			if !errors.Is(err, ErrSettings) && !errors.Is(err, ErrPlaintextCredentials) {
				t.Errorf("wraps neither kind: %v", err)
			}
			text := regexp.MustCompile(regexp.QuoteMeta(folder)+`(/\d+)?`).ReplaceAllString(err.Error(), "/FOLDER")
			if strings.Contains(text, canary) || strings.Contains(text, "Hunter2") {
				t.Errorf("shows a secret: %s", text)
			}
			for line := range strings.Lines(text) {
				if len(line) > 400 {
					t.Errorf("%d characters: %s", len(line), line)
				}
			}
			b.WriteString(c.name + "\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n")
		})
	}
	golden(t, "testdata/mistakes.txt", b.String())
}

// What a Java file has and we have no use for is a warning.
func TestJavaFilesAreTakenAsTheyAre(t *testing.T) {
	m := newMaterial(t)
	path := m.write(t, "client.properties", []byte(`# used with Kafka's own tools
security.protocol=SSL
ssl.truststore.location=`+m.path("truststore.jks")+`
ssl.truststore.password=changeit
ssl.ca.location=/librdkafka/too.pem
ssl.endpoint.identification.algorithm=
ssl.enabled.protocols=TLSv1.2
ssl.cipher.suites=TLS_DHE_RSA_WITH_AES_256_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
ssl.keymanager.algorithm=SunX509
sasl.kerberos.service.name=kafka
key.deserializer=org.apache.kafka.common.serialization.StringDeserializer
group.id=my-group
bootstrap.servers=kafka:9093
linger.sm=5
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC=
`))
	c := resolve(t, Inputs{Files: []string{path}})
	if len(c.Shared) != 2 || c.Shared[0].Key != "group.id" || len(c.Strict) != 0 || !c.Security.TLS.SkipName || len(c.Security.TLS.CipherSuites) != 1 || len(c.Security.TLS.Roots) != 1 {
		t.Errorf("got %+v", c)
	}
	golden(t, "testdata/warnings.txt", strings.ReplaceAll(strings.Join(c.Warnings, "\n"), m.folder, "/FOLDER")+"\n")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s is not what comes out (run with -update, and look at the difference):\n%s", path, got)
	}
}
