package security

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"redline/internal/security/securitytest"
)

// provide answers token requests of the client redline, whose secret is canary.
func provide(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	return server.URL + "/token"
}

func issueToken(w http.ResponseWriter, value string, seconds int) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": value, "token_type": "Bearer", "expires_in": seconds})
}

func TestClientCredentialsGiveATokenForTheSecret(t *testing.T) {
	url := provide(t, func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		if user != "redline" || given != canary || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read write" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		issueToken(w, "abc", 60)
	})
	token, err := ClientCredentials(OIDC{TokenURL: url, ClientID: "redline", ClientSecret: password, Scope: "read write", Extensions: map[string]string{"a": "b"}})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if token.Value.Reveal() != "abc" || token.Extensions["a"] != "b" || time.Until(token.Expires).Round(10*time.Second) != time.Minute {
		t.Errorf("got %q until %v", token.Value.Reveal(), token.Expires)
	}
}

func TestAProviderWithItsOwnAuthorityIsTrustedByTLS(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { issueToken(w, "abc", 60) }))
	server.TLS = tlsConfig(issue(t, ours, "localhost"))
	server.StartTLS()
	t.Cleanup(server.Close)
	c := OIDC{TokenURL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1), ClientID: "redline", ClientSecret: password, TLS: &TLS{Roots: ours.Roots()}}
	if _, err := ClientCredentials(c)(t.Context()); err != nil {
		t.Error(err)
	}
	c.TLS = nil
	_, err := ClientCredentials(c)(t.Context())
	wants(t, err, "cannot be reached", "certificate signed by unknown authority")
}

func TestATokenIsKeptForFourFifthsOfItsLife(t *testing.T) {
	var requests atomic.Int64
	url := provide(t, func(w http.ResponseWriter, _ *http.Request) {
		issueToken(w, fmt.Sprintf("token%d", requests.Add(1)), 100)
	})
	p := &provider{OIDC: OIDC{TokenURL: url, ClientID: "redline", ClientSecret: password}, lock: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if token, err := p.token(t.Context()); err != nil || token.Value.Reveal() != "token1" {
				t.Errorf("got %q, %v", token.Value.Reveal(), err)
			}
		})
	}
	wg.Wait()
	if left := time.Until(p.until).Round(10 * time.Second); left != 80*time.Second {
		t.Errorf("kept for %v", left)
	}
	p.until = time.Now()
	if token, err := p.token(t.Context()); err != nil || token.Value.Reveal() != "token2" {
		t.Errorf("then got %q, %v", token.Value.Reveal(), err)
	}
}

func TestAProviderThatGivesNoTokenSaysWhy(t *testing.T) {
	refuse := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"refused":         {refuse(401, `{"error":"invalid_client","error_description":"no such client"}`), "answered 401 Unauthorized: invalid_client no such client"},
		"secret repeated": {refuse(400, `{"error":"invalid_client","error_description":"not `+canary+`"}`), "answered 400 Bad Request: invalid_client not ****"},
		"long":            {refuse(500, strings.Repeat("x", 1<<20)), "answered 500 Internal Server Error"},
		"no token":        {refuse(200, `{}`), "gave an answer that is no token"},
		"no JSON":         {refuse(200, `<html>`+canary), "gave an answer that is no token"},
		"control":         {refuse(200, `{"access_token":"a\u0001`+canary+`","token_type":"Bearer"}`), "a character that no token has"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
		}, "answered 307 Temporary Redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			url := provide(t, test.answer)
			_, err := ClientCredentials(OIDC{TokenURL: url + "?key=" + canary, ClientID: "redline", ClientSecret: password})(t.Context())
			wants(t, err, "the token endpoint "+url+" ", test.want)
			if len(err.Error()) > 500 {
				t.Errorf("%d characters", len(err.Error()))
			}
		})
	}
}

func TestASecretGoesToHTTPSOrThisMachineOnly(t *testing.T) {
	for url, want := range map[string]string{
		"http://idp.example/token?key=" + canary: "http://idp.example/token would get the client's secret unencrypted",
		"idp.example/token":                      "cannot be read",
		"ftp://localhost/":                       "would get the client's secret unencrypted",
		":" + canary:                             "cannot be read",
		"http://127.0.0.1:1/token":               "cannot be reached",
	} {
		_, err := ClientCredentials(OIDC{TokenURL: url, ClientID: "redline", ClientSecret: password})(t.Context())
		wants(t, err, want)
	}
}

func TestNobodyWaitsLongForASilentProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{lock: make(chan struct{}, 1)}
		p.lock <- struct{}{} // another waits for the provider
		ctx, cancel := context.WithTimeout(t.Context(), endpointLimit)
		defer cancel()
		if _, err := p.token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
