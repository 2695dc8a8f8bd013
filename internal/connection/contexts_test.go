package connection

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redline/internal/secret"
)

const written = `# my clusters
current: dev # the one at home
contexts:
  # at home
  dev:
    properties:
      bootstrap.servers: localhost:9092
      linger.ms: 5   # a number
      enable.idempotence: true
      acks: "all"

  prod:
    protected: true
    properties: {bootstrap.servers: "kafka:9093", sasl.password: "${env:SECRET}", retries: 0x10, batch.size: 1e3}
`

func TestContextsAreReadAsText(t *testing.T) {
	path := file(t, "config.yaml", written)
	c, err := ReadConfig(path)
	if err != nil || c.Current != "dev" || strings.Join(c.Names(), " ") != "dev prod" || c.Path() != path {
		t.Fatalf("got %+v, %v", c, err)
	}
	prod, err := c.Get("prod")
	if err != nil || !prod.Protected {
		t.Fatalf("got %+v, %v", prod, err)
	}
	for i, want := range []string{"kafka:9093", "${env:SECRET}", "0x10", "1e3"} {
		if got := prod.Properties[i]; got.Value.Reveal() != want || got.Line != 14 {
			t.Errorf("got %s on line %d, want %s", got.Value.Reveal(), got.Line, want)
		}
	}
	if got := (Property{Key: "ssl.key.password", Value: secret.New(canary)}).Shown(); got != secret.Mask || prod.Properties[1].Shown() != "${env:SECRET}" {
		t.Errorf("shown: %s, %s", got, prod.Properties[1].Shown())
	}
	if none, err := ReadConfig(filepath.Join(t.TempDir(), "none.yaml")); err != nil || len(none.Contexts) != 0 {
		t.Errorf("no file: %+v, %v", none, err)
	}
}

func TestUseAndAddKeepWhatWasWritten(t *testing.T) {
	path := file(t, "config.yaml", written)
	c, err := ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Use("prod"); err != nil {
		t.Fatal(err)
	}
	added := Context{Protected: true, Properties: []Property{
		{Key: "bootstrap.servers", Value: secret.New("a:1,[::1]:2")}, {Key: "sasl.password", Value: secret.New("\"'#: é\\\n\x01")}, {Key: "ssl.ca.location", Value: secret.New("ca.pem")},
		{Key: "ssl.endpoint.identification.algorithm"},
	}}
	if err := c.Add("test", added); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/config.yaml", strings.ReplaceAll(string(text), here, "/HERE"))
	again, err := ReadConfig(path)
	if err != nil || again.Current != "prod" || !sameContexts(again.Contexts, c.Contexts) || len(again.Contexts) != 3 {
		t.Errorf("read again: %+v, %v", again, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for name, err := range map[string]error{"there": c.Add("test", added), "a bad name": c.Add("a b", added), "unknown": c.Use("gone")} {
		if !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheFirstContextMakesTheFile(t *testing.T) {
	for name, before := range map[string]string{"no file": "", "an empty mapping": "contexts: {}\n", "an empty key": "contexts:\n", "without its last newline": "# mine\ncontexts:\n    a:\n        protected: false"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "redline", "config.yaml")
			if before != "" {
				path = file(t, "config.yaml", before)
			}
			c, err := ReadConfig(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Add("dev", Context{Properties: []Property{{Key: "bootstrap.servers", Value: secret.New("localhost:9092")}}}); err != nil {
				t.Fatal(err)
			}
			if err := c.Use("dev"); err != nil {
				t.Fatal(err)
			}
			again, err := ReadConfig(path)
			if err != nil || again.Current != "dev" || again.Contexts[len(again.Contexts)-1].Properties[0].Value.Reveal() != "localhost:9092" {
				t.Errorf("got %+v, %v", again, err)
			}
			if info, err := os.Stat(filepath.Dir(path)); err != nil || before == "" && info.Mode().Perm() != 0o700 {
				t.Errorf("folder: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestAFileInAnotherStyleIsLeftAlone(t *testing.T) {
	const text = "{current: a, contexts: {a: {}, b: {}}}\n"
	path := file(t, "config.yaml", text)
	c, err := ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"use": c.Use("b"), "add": c.Add("c", Context{})} {
		if !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("the file became %q, %v", got, err)
	}
}

func TestAPasswordInAFileForAllIsWarnedOf(t *testing.T) {
	path := file(t, "config.yaml", "contexts:\n  c:\n    properties:\n      sasl.mechanism: PLAIN\n      sasl.username: alice\n      sasl.password: "+canary+"\n")
	if c := resolve(t, Inputs{ConfigFile: path, Context: "c"}); len(c.Warnings) != 0 {
		t.Errorf("mode 0600: %v", c.Warnings)
	}
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // what is tested
		t.Fatal(err)
	}
	c := resolve(t, Inputs{ConfigFile: path, Context: "c"})
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "chmod 600") || strings.Contains(c.Warnings[0], canary) {
		t.Errorf("mode 0644: %v", c.Warnings)
	}
}

func TestPathsInAContextBeginAtItsFile(t *testing.T) {
	path := file(t, "config.yaml", "contexts:\n  c:\n    properties:\n      redline.oauth.token.file: tokens/mine\n")
	c := resolve(t, Inputs{ConfigFile: path, Context: "c"})
	if got, want := entry(c, "redline.oauth.token.file").Value.Reveal(), filepath.Join(filepath.Dir(path), "tokens/mine"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestConfigPathFollowsXDG(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/xdg", "/home/me", "/xdg/redline/config.yaml"},
		{"", "/home/me", "/home/me/.config/redline/config.yaml"},
		{"relative", "/home/me", "/home/me/.config/redline/config.yaml"},
	} {
		got := ConfigPath(func(name string) string { return map[string]string{"XDG_CONFIG_HOME": c.xdg, "HOME": c.home}[name] })
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
