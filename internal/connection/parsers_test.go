package connection

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// javaProperties writes a pair as java.util.Properties.store does.
func javaProperties(key, value string) string {
	escape := func(text string, blanks bool) string {
		var b strings.Builder
		for i, c := range text {
			switch {
			case c == ' ' && (blanks || i == 0):
				b.WriteString(`\ `)
			case c == '\t':
				b.WriteString(`\t`)
			case c == '\n':
				b.WriteString(`\n`)
			case c == '\r':
				b.WriteString(`\r`)
			case c == '\f':
				b.WriteString(`\f`)
			case strings.ContainsRune(`=:#!\`, c):
				b.WriteString(`\` + string(c))
			case c < 0x20 || c > 0x7e:
				for _, unit := range utf16.Encode([]rune{c}) {
					fmt.Fprintf(&b, `\u%04X`, unit)
				}
			default:
				b.WriteRune(c)
			}
		}
		return b.String()
	}
	return escape(key, true) + "=" + escape(value, false) + "\n"
}

func TestWhatJavaWouldWriteIsReadAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) property {
			return property{key: rapid.StringN(1, 20, -1).Draw(t, "key"), value: rapid.String().Draw(t, "value")}
		})).Draw(t, "pairs")
		var text string
		for i := range pairs {
			pairs[i].line = 2*i + 2
			text += "# " + fmt.Sprint(i) + "\n" + javaProperties(pairs[i].key, pairs[i].value)
		}
		got, err := parseProperties([]byte(text))
		if err != nil || len(got) != len(pairs) {
			t.Fatalf("%q: %v, %v", text, got, err)
		}
		for i, p := range pairs {
			if got[i] != p {
				t.Fatalf("%+v became %+v", p, got[i])
			}
		}
	})
}

func TestPropertiesGrammar(t *testing.T) {
	for text, want := range map[string][]property{
		"a=b":                               {{"a", "b", 1}},
		"  a : b ":                          {{"a", "b ", 1}},
		"a b=c":                             {{"a", "b=c", 1}},
		"a":                                 {{"a", "", 1}},
		"a==b":                              {{"a", "=b", 1}},
		"\n#x\n!y\r\na=1\rb=2\r\n\r\nc=3":   {{"a", "1", 4}, {"b", "2", 5}, {"c", "3", 7}},
		"a=1\\\n  2\\\r\n3\nb=4":            {{"a", "123", 1}, {"b", "4", 4}},
		"a=1\\\\\nb=2":                      {{"a", `1\`, 1}, {"b", "2", 2}},
		"a=1\\\n#2\nb=3":                    {{"a", "1#2", 1}, {"b", "3", 3}},
		"a\\ b\\=c=d":                       {{"a b=c", "d", 1}},
		"a=\\u00e9\\t\\q\xe9":               {{"a", "é\tqé", 1}},
		"a=\\ud83d\\ude00":                  {{"a", "😀", 1}},
		"a=1\\":                             {{"a", "1", 1}},
		"\\\n\\\n#c\nd=e":                   {{"d", "e", 4}},
		"sasl.password=a#b!c ${file:x} 'q'": {{"sasl.password", "a#b!c ${file:x} 'q'", 1}},
		"":                                  nil,
	} {
		got, err := parseProperties([]byte(text))
		if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(property{})) != "" {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"a=\\u12", "a=\\uzzzz", "\\u=1"} {
		if got, err := parseProperties([]byte("x=1\n" + text)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

// hostile texts of the characters that matter.
var hostile = rapid.Custom(func(t *rapid.T) []byte {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "\xe9", " ", "\t", "\f", "=", ":", "#", "!", "\\", "\n", "\r", "\r\n", "\\\n", "\\u00e9", "\\ud83d\\ude00", "\\t", "\"", "\x00"}), 0, 25).Draw(t, "pieces")
	return []byte(strings.Join(pieces, ""))
})

// Differential: java.util.Properties itself reads the same.
func TestPropertiesAreReadAsJavaReadsThem(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("there is no java to compare with")
	}
	var inputs [][]byte
	for seed := range 2000 {
		inputs = append(inputs, hostile.Example(seed))
	}
	var in bytes.Buffer
	for _, data := range inputs {
		fmt.Fprintln(&in, base64.StdEncoding.EncodeToString(data))
	}
	cmd := exec.CommandContext(t.Context(), java, filepath.Join("testdata", "Dump.java"))
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("java cannot run a source file: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(inputs) {
		t.Fatalf("%d answers to %d questions", len(lines), len(inputs))
	}
	for i, data := range inputs {
		got := "error"
		if properties, err := parseProperties(data); err == nil {
			all := map[string]string{}
			for _, p := range properties {
				all[p.key] = p.value
			}
			var b strings.Builder
			for _, key := range sortedKeys(all) {
				if key != "" { // Java makes one of a backslash before the end
					fmt.Fprintf(&b, "%s=%s;", hex(key), hex(all[key]))
				}
			}
			got = b.String()
		}
		if got != lines[i] {
			t.Errorf("%q: got %s, Java %s", data, got, lines[i])
		}
	}
}

// hex writes half a character as Java's UTF-8 does.
func hex(s string) string { return fmt.Sprintf("%x", strings.ReplaceAll(s, "\ufffd", "?")) }

func quoteJAAS(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}

func TestJAASOptionsAreReadAsTheyWereQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := rapid.MapOf(rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_]{0,9}`), rapid.String()).Draw(t, "options")
		text := "org.example.PlainLoginModule Required"
		for _, name := range sortedKeys(options) {
			text += rapid.SampledFrom([]string{" ", "\n\t", " /* x=\"y\"; */ ", " // z;\n"}).Draw(t, "between") + name + "=" + quoteJAAS(options[name])
		}
		got, err := parseJAAS(text + ";")
		if err != nil || got.module != "PlainLoginModule" || cmp.Diff(options, got.options) != "" {
			t.Fatalf("%q: %v, %v", text, got, err)
		}
	})
}

func TestJAASGrammar(t *testing.T) {
	for text, want := range map[string]map[string]string{
		`a.B required;`:                                  {},
		`a.B optional user = 'it''s' ;`:                  nil,
		`a.B required a="\101\n\q\"\\" b='x"y' c=z-1$_;`: {"a": "A\nq\"\\", "b": `x"y`, "c": "z-1$_"},
		`a.B required n=60;`:                             {"n": "60"},
		`a.B required a="x" a="y";`:                      {"a": "y"},
		`a.B required / to the end of the line` + "\n;":  {},
		`a.B required a="open;`:                          nil,
		`a.B required a=;`:                               nil,
		`a.B required a`:                                 nil,
		`a.B needed;`:                                    nil,
		`"a.B" "required";`:                              {},
		`a.B required a="é";`:                            {"a": "é"},
		``:                                               nil,
		`a.B required; x`:                                nil,
	} {
		got, err := parseJAAS(text)
		if want == nil {
			if err == nil {
				t.Errorf("%s was taken: %v", text, got)
			}
			continue
		}
		if err != nil || cmp.Diff(want, got.options) != "" {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

func TestReferencesAreFollowedOnce(t *testing.T) {
	secretFile := file(t, "secret", canary+"\r\n")
	properties := file(t, "x.properties", "user=alice\npass\\ word=p\\u00e9 \nuser=bob\n")
	r := newResolver(func(name string) string {
		return map[string]string{"NAME": "${env:OTHER}", "OTHER": "x"}[name]
	})
	for text, want := range map[string]string{
		"":                                       "",
		"plain $ {} ${ ${vault:x}":               "plain $ {} ${ ${vault:x}",
		"${file:" + secretFile + "}":             canary,
		"a${file:" + properties + ":user}b":      "abobb",
		"${file:" + properties + ":pass word}":   "pé ",
		"${env:NAME}${env:OTHER}":                "${env:OTHER}x",
		"${${env:OTHER}":                         "${x",
		"${directory:/x:y}${env:OTHER}${other:}": "${directory:/x:y}x${other:}",
	} {
		if got, err := r.expand(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseBrokers(t *testing.T) {
	for in, want := range map[string]string{
		"localhost":                   "localhost:9092",
		"localhost:19092":             "localhost:19092",
		" a , b:1,,a:9092":            "a:9092 b:1",
		"::1":                         "[::1]:9092",
		"[::1]":                       "[::1]:9092",
		"[::1]:9093":                  "[::1]:9093",
		"fe80::1%eth0":                "[fe80::1%eth0]:9092",
		"10.0.0.1:65535":              "10.0.0.1:65535",
		"kafka_1.example-x.com:09092": "kafka_1.example-x.com:9092",
		"":                            "", ",": "", ":9092": "", "a:0": "", "a:65536": "", "a:-1": "", "a:b": "", "a:": "",
		"http://a:9092": "", "SASL_SSL://a:9092": "", "a b:9092": "", "a\x1b[31m": "", "[::1": "", "1:2:3:4": "",
		strings.Repeat("a", 256): "",
	} {
		got, err := ParseBrokers(in)
		if want == "" {
			if err == nil {
				t.Errorf("%q was taken as %q", in, got)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

// What ParseBrokers lets through can be dialled, and is read as itself again.
func FuzzParseBrokers(f *testing.F) {
	for _, s := range []string{"a", "a:1,b", "[::1]:9092", "::1", "a:b:c", "[", "%", "SSL://a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		brokers, err := ParseBrokers(s)
		if err != nil {
			return
		}
		for _, b := range brokers {
			if _, _, err := net.SplitHostPort(b); err != nil {
				t.Errorf("%q from %q: %v", b, s, err)
			}
		}
		again, err := ParseBrokers(strings.Join(brokers, ","))
		if err != nil || strings.Join(again, ",") != strings.Join(brokers, ",") {
			t.Errorf("%q became %q, %v", brokers, again, err)
		}
	})
}

// quiet fails if an error, a warning or anything shown holds the canary.
func quiet(t *testing.T, c *Connection, err error) {
	t.Helper()
	var all []string
	if err != nil {
		all = append(all, err.Error(), fmt.Sprintf("%+v", err))
	}
	if c != nil {
		all = append(all, c.Warnings...)
		for _, e := range append(c.Entries, c.Overridden...) {
			if e.Secret {
				all = append(all, e.Shown(), fmt.Sprintf("%+v", e))
			}
		}
	}
	for _, text := range all {
		if strings.Contains(text, canary) {
			t.Errorf("shows the canary: %s", text)
		}
	}
}

// Whatever a properties file holds, a secret in it is shown nowhere.
func FuzzProperties(f *testing.F) {
	for _, s := range []string{"a=b\\\n c\n", "sasl.mechanism=PLAIN\n", "ssl.truststore.location:/x", "\\u00e9=\\", "sasl.jaas.config=a.PlainLoginModule required username=x password=y;", "ssl.keystore.key=x\nssl.key.pem=y\n", "security.protocol=SSL\nssl.cipher.suites=a"} {
		f.Add([]byte(s))
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("{file")) || len(data) > 64<<10 {
			return // of the machine's files
		}
		if _, err := parseProperties(data); err != nil {
			quiet(t, nil, err)
		}
		path := filepath.Join(folder, "client.properties")
		text := append([]byte("sasl.username=alice\nsasl.password="+canary+"\n"), data...)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Resolve(inputs(Inputs{Files: []string{path}}))
		quiet(t, c, err)
		if err == nil {
			if _, err := FromHandover(c.Handover()); err != nil {
				t.Errorf("cannot be handed over: %v", err)
			}
		}
	})
}

func FuzzJAAS(f *testing.F) {
	for _, s := range []string{"", `password="`, ` username='a'`, `/* `, `\101`, `; x`, "unsecuredLoginListClaim_scope=|a|"} {
		f.Add("org.apache.kafka.common.security.plain.PlainLoginModule required ", s)
		f.Add("x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=a ", s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, text := range []string{before + `password="` + canary + `"` + after, before + canary + after} {
			j, err := parseJAAS(text)
			quiet(t, nil, err)
			if err == nil {
				_, err = j.explain()
				quiet(t, nil, err)
			}
		}
	})
}

func FuzzContexts(f *testing.F) {
	for _, s := range []string{written, "contexts:\n  a:\n    properties:\n      x: [", "{", "a: &b *b", "? x\n: y", "- - - -", "contexts: {a: {properties: {sasl.password: 'x'", "current: |\n  a\n"} {
		f.Add([]byte(s), "new")
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		c, err := parseConfig(filepath.Join(folder, "config.yaml"), data)
		_, spoilt := parseConfig("config.yaml", append([]byte("contexts:\n  c:\n    properties:\n      sasl.password: "+canary+"\n"), data...))
		if !bytes.Contains(data, []byte(canary)) {
			quiet(t, nil, spoilt)
		}
		if err != nil {
			return
		}
		if c.Add(name, Context{Properties: []Property{{Key: "sasl.password"}}}) == nil && c.Use(name) == nil {
			again, err := ReadConfig(c.Path())
			if err != nil || again.Current != name || !sameContexts(again.Contexts, c.Contexts) {
				t.Errorf("%q with %q: %+v, %v", data, name, again, err)
			}
		}
	})
}

func FuzzPairs(f *testing.F) {
	for _, s := range []string{"linger.ms=5", "=", "x", "ssl.ca.pem=-----BEGIN CERTIFICATE-----", "sasl.mechanism=GSSAPI", "bootstrap.servers=a,b", "sasl.oauthbearer.config=principal=a"} {
		f.Add(s, "security.protocol=SASL_SSL")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "location") || strings.Contains(a+b, "{file") {
			return // of the machine's files
		}
		c, err := Resolve(inputs(Inputs{Pairs: []string{a, "sasl.password=" + canary, b}}))
		quiet(t, c, err)
		for _, arg := range MaskArgs([]string{"-X", a, "-X", "sasl.password=" + canary, "-Xssl.key.password=" + canary, b}) {
			if strings.Contains(arg, canary) && !strings.Contains(a+b, canary) {
				t.Errorf("%q is not masked", arg)
			}
		}
	})
}

func FuzzReferences(f *testing.F) {
	folder := f.TempDir()
	path := filepath.Join(folder, "secret")
	if err := os.WriteFile(path, []byte("key="+canary+"\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"${file:", "}", "${env:A}", ":key}", "$${{", "${file:}"} {
		f.Add(s, s)
	}
	r := newResolver(func(string) string { return canary })
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, "file") {
			return // of the machine's files
		}
		_, err := r.expand(before + "${file:" + path + after)
		quiet(t, nil, err)
	})
}

// A file of nothing but unknown keys does not keep anybody waiting.
func TestAHostileFileEndsSoon(t *testing.T) {
	for name, text := range map[string]string{
		"many lines":    strings.Repeat("ssl.truststore.locatoin.x\n", maxFile/30),
		"as many as go": strings.Repeat("ssl.truststore.locatoin.x\n", maxProperties),
		"one line":      strings.Repeat("a=\\\n", maxFile/4),
		"one value":     "sasl.jaas.config=" + strings.Repeat("a ", maxFile/4),
	} {
		start := time.Now()
		if _, err := FromFile(file(t, "f", text)); err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
}
