package security

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/internal/secret"
)

// jwt is an unsigned token with these claims.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

func TestATokenFileIsReadAgainAtEachCall(t *testing.T) {
	path := file(t, []byte("  one\n\n"))
	source := TokenFile(path)
	for _, want := range []string{"one", "two"} {
		token, err := source(t.Context())
		if err != nil || token.Value.Reveal() != want {
			t.Errorf("got %q, %v", token.Value.Reveal(), err)
		}
		if err := os.WriteFile(path, []byte("two"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAJWTSaysWhoItIsAndWhenItEnds(t *testing.T) {
	for claims, want := range map[string]Token{
		`{"sub":"alice","exp":1900000000}`:   {Principal: "alice", Expires: time.Unix(1900000000, 0)},
		`{"sub":"alice","exp":1900000000.5}`: {Principal: "alice", Expires: time.UnixMilli(1900000000500)},
		`{"sub":"alice"}`:                    {Principal: "alice"},
		`{"exp":1e300}`:                      {},
		`{"exp":-1}`:                         {},
		`{"sub":7}`:                          {},
		`[]`:                                 {},
	} {
		token, err := TokenFile(file(t, []byte(jwt(claims))))(t.Context())
		if err != nil || token.Principal != want.Principal || !token.Expires.Equal(want.Expires) {
			t.Errorf("%s: got %q, %v, %v", claims, token.Principal, token.Expires, err)
		}
	}
}

func TestATokenFileThatHasNoTokenSaysWhy(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "none"):       "no such file",
		folder:                              "is no regular file",
		pipe:                                "is no regular file",
		file(t, nil):                        "the token is empty",
		file(t, []byte(" \n")):              "the token is empty",
		file(t, []byte(canary+"\n"+canary)): "it has several lines",
		file(t, []byte(canary+" "+canary)):  "a character that no token has",
		file(t, []byte(strings.Repeat("x", maxToken+1))): "is larger than 64 KiB",
	} {
		_, err := TokenFile(path)(t.Context())
		wants(t, err, "the token file", path, want)
	}
}

func TestATokenCommandPrintsATokenOrJSON(t *testing.T) {
	for command, want := range map[string]Token{
		"echo abc":               {Value: secret.New("abc")},
		"echo noise >&2; echo x": {Value: secret.New("x")},
		`echo '{"token":"abc","extensions":{"traceId":"7"}}'`: {Value: secret.New("abc"), Extensions: map[string]string{"traceId": "7"}},
	} {
		token, err := TokenCommand(command)(t.Context())
		if err != nil || token.Value.Reveal() != want.Value.Reveal() || !cmp.Equal(token.Extensions, want.Extensions) {
			t.Errorf("%s: got %q, %v, %v", command, token.Value.Reveal(), token.Extensions, err)
		}
	}
}

func TestATokenCommandThatFailsSaysWhy(t *testing.T) {
	for command, want := range map[string]string{
		"exit 3": "the token command failed: exit status 3",
		"echo first >&2; echo 'the vault is shut' >&2; exit 1": "the token command failed (exit status 1): the vault is shut",
		"yes":                                  "printed more than 64 KiB",
		"head -c 99999 /dev/zero":              "printed more than 64 KiB",
		"true":                                 "the token is empty",
		"echo a; echo b":                       "it has several lines",
		"echo '{\"token\": 7}'":                "it is no JSON of the form",
		"echo '{}'":                            "the token is empty",
		": " + canary + "; exit 1":             "the token command failed",
		"echo '{\"token\":\"" + canary + "\"'": "it is no JSON of the form",
		"echo '" + canary + " x'":              "a character that no token has",
	} {
		_, err := TokenCommand(command)(t.Context())
		wants(t, err, want)
		if strings.Contains(err.Error(), "first") {
			t.Errorf("%q has more than the last line", err)
		}
	}
}

func TestATokenCommandEndsWithItsChildren(t *testing.T) {
	folder := t.TempDir()
	started := filepath.Join(folder, "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	// The child holds both standard output and the pipe open.
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := TokenCommand("(exec 3>'" + started + "'; sleep 60) & wait")(ctx)
		done <- err
	}()
	pipe, err := os.Open(started) // waits for the child
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	cancel()
	wants(t, <-done, "was ended")
	if err := pipe.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := pipe.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the child lives: %d, %v", n, err)
	}
}

func TestAnUnsecuredTokenHasKafkasForm(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_250)
	token, err := UnsecuredClaims{
		Claims:     map[string]any{"sub": "alice", "level": 2.5, "scope": []string{"a", "b"}},
		Lifetime:   5 * time.Second,
		Extensions: map[string]string{"traceId": "7"},
	}.token(now)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token.Value.Reveal(), ".")
	if len(parts) != 3 || parts[2] != "" {
		t.Fatalf("got %q", token.Value.Reveal())
	}
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"sub": "alice", "level": 2.5, "scope": []any{"a", "b"}, "iat": 1_800_000_000.25, "exp": 1_800_000_005.25}
	if diff := cmp.Diff(want, claims); diff != "" || string(header) != `{"alg":"none"}` {
		t.Errorf("%s: %s", header, diff)
	}
	if token.Principal != "alice" || !token.Expires.Equal(now.Add(5*time.Second)) || token.Extensions["traceId"] != "7" {
		t.Errorf("got %q, %v", token.Principal, token.Expires)
	}
}

func TestAnUnsecuredTokenLivesForAnHourByDefault(t *testing.T) {
	token, err := UnsecuredToken(UnsecuredClaims{Claims: map[string]any{"user": "alice"}, PrincipalClaim: "user"})(t.Context())
	if err != nil || token.Principal != "alice" || time.Until(token.Expires).Round(time.Minute) != time.Hour {
		t.Errorf("got %q, %v, %v", token.Principal, token.Expires, err)
	}
}

func TestAnUnsecuredTokenMustSayWhoItIs(t *testing.T) {
	for want, c := range map[string]UnsecuredClaims{
		"the claim sub is missing":  {Claims: map[string]any{"sub": 7}},
		"the claim user is missing": {Claims: map[string]any{"sub": "alice"}, PrincipalClaim: "user"},
		"the claim exp of":          {Claims: map[string]any{"sub": "alice", "exp": "9"}},
	} {
		_, err := UnsecuredToken(c)(t.Context())
		wants(t, err, want)
	}
}

func TestAnUnsecuredTokenIsAlwaysOneThatIsTaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`.+`).Draw(t, "principal")
		token, err := UnsecuredClaims{Claims: map[string]any{"sub": name}}.token(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := token.check(); err != nil {
			t.Fatal(err)
		}
		if subject, expires := jwtClaims(token.Value.Reveal()); subject != name || expires.Sub(token.Expires).Abs() > time.Millisecond {
			t.Fatalf("%q, %v read back", subject, expires)
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("abc"))
	f.Add([]byte(jwt(`{"sub":"alice","exp":1900000000}`)))
	f.Add([]byte(`{"token":"abc","extensions":{"a":"b"}}`))
	f.Add([]byte("a\x01b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) (Token, error){parseToken, parseTokenJSON} {
			token, err := parse(text)
			if err == nil && strings.ContainsAny(token.Value.Reveal(), " \x00\x01\r\n") {
				t.Errorf("%q is a token", token.Value.Reveal())
			}
		}
	})
}
