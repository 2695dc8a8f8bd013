package connection

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokensComeFromWhereTheyAreSaidToBe(t *testing.T) {
	asked := ""
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		asked = id + "/" + password + "/" + r.FormValue("scope")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"of-the-provider","token_type":"Bearer","expires_in":60}`))
	}))
	defer provider.Close()
	java := "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n"
	module := "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
	inFile := file(t, "token", "of-the-file\n")
	for name, c := range map[string]struct {
		in          Inputs
		token, asks string
	}{
		"Java's endpoint": {Inputs{Files: []string{file(t, "f", java+"sasl.oauthbearer.token.endpoint.url="+provider.URL+"\n"+
			module+" clientId='me' clientSecret='"+canary+"' scope='a b' extension_x='1';\n")}}, "of-the-provider", "me/" + canary + "/a b"},
		"Kafka 4's endpoint": {Inputs{Files: []string{file(t, "f", java+"sasl.oauthbearer.token.endpoint.url="+provider.URL+"\n"+
			"sasl.oauthbearer.client.credentials.client.id=me\nsasl.oauthbearer.client.credentials.client.secret="+canary+"\nsasl.oauthbearer.extensions=x=1\n"+module+";\n")}}, "of-the-provider", "me/" + canary + "/"},
		"librdkafka's endpoint": {Inputs{Pairs: []string{"sasl.mechanisms=OAUTHBEARER", "sasl.oauthbearer.method=oidc", "sasl.oauthbearer.token.endpoint.url=" + provider.URL,
			"sasl.oauthbearer.client.id=me", "sasl.oauthbearer.client.secret=" + canary, "sasl.oauthbearer.extensions=x=1"}}, "of-the-provider", "me/" + canary + "/"},
		"Java's file":   {Inputs{Files: []string{file(t, "f", java+"sasl.oauthbearer.token.endpoint.url=file://"+inFile+"\nsasl.oauthbearer.extensions=x=1\n"+module+";\n")}}, "of-the-file", ""},
		"a file":        {Inputs{Pairs: []string{"redline.oauth.token.file=" + inFile, "sasl.oauthbearer.extensions=x=1"}}, "of-the-file", ""},
		"a command":     {Inputs{Pairs: []string{"redline.oauth.token.command=echo of-the-command", "sasl.oauthbearer.extensions=x=1"}}, "of-the-command", ""},
		"kafkactl's":    {Inputs{Pairs: []string{`redline.oauth.token.command=echo '{"token":"of-json","extensions":{"x":"1"}}'`}}, "of-json", ""},
		"its own wins":  {Inputs{Pairs: []string{`redline.oauth.token.command=echo '{"token":"of-json","extensions":{"x":"1"}}'`, "sasl.oauthbearer.extensions=x=2,y=3"}}, "of-json", ""},
		"handed over":   {Inputs{Pairs: []string{"redline.oauth.token.file=" + inFile, "sasl.oauthbearer.extensions=x=1"}}, "of-the-file", ""},
		"by precedence": {Inputs{Flags: givens("--oauth-token-file", "redline.oauth.token.file", inFile), Pairs: []string{"sasl.oauthbearer.extensions=x=1"}, Files: []string{file(t, "f", java+module+" unsecuredLoginStringClaim_sub=bob;\n")}}, "of-the-file", ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked = ""
			made := resolve(t, c.in)
			again, err := FromHandover(made.Handover())
			if err != nil {
				t.Fatal(err)
			}
			token, err := again.Security.SASL.Token(t.Context())
			if err != nil || token.Value.Reveal() != c.token || token.Extensions["x"] != "1" || asked != c.asks {
				t.Errorf("token %q, %v, asked %q, %v", token.Value.Reveal(), token.Extensions, asked, err)
			}
		})
	}
}

func TestAuthoritiesComeFromAFileAFolderOrTheSystem(t *testing.T) {
	m := newMaterial(t)
	folder := t.TempDir()
	for name, text := range map[string]string{"ca.pem": m.caPEM, "README": "nothing", "0a1b2c3d.0": m.caPEM} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]int{folder: 2, m.path("ca.pem"): 1, m.path("both.pem"): 1, "probe": 0} {
		if c := resolve(t, Inputs{Pairs: []string{"ssl.ca.location=" + location}}); c.Security.TLS == nil || len(c.Security.TLS.Roots) != want {
			t.Errorf("%s: %+v", location, c.Security.TLS)
		}
	}
	if _, err := Resolve(inputs(Inputs{Pairs: []string{"ssl.ca.location=" + filepath.Join(folder, "sub")}})); err == nil || !strings.Contains(err.Error(), "no file of the folder") {
		t.Errorf("an empty folder: %v", err)
	}
}
