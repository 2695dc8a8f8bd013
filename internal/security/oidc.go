package security

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"redline/internal/secret"
)

const (
	// endpointLimit bounds one request for a token.
	endpointLimit = 10 * time.Second
	// refreshAt is the part of a token's life after which a new one is asked for,
	// as Kafka's own clients do (sasl.login.refresh.window.factor).
	refreshAt = 0.8
)

// OIDC is a client of an OpenID provider that authenticates as itself, by client
// credentials (RFC 6749, section 4.4).
type OIDC struct {
	TokenURL, ClientID string
	ClientSecret       secret.Text
	// Scope is a list separated by blanks; "": none.
	Scope      string
	Extensions map[string]string
	// TLS is for the connection to TokenURL; nil: the system's authorities.
	TLS *TLS
}

// ClientCredentials asks the provider for a token, and again once 80 % of the
// token's life is over. A request has 10 s. TokenURL must be https, unless it is
// on this machine; no redirection is followed, since the secret would go with it.
// The secret is sent as the provider takes it: as a header, else in the body.
func ClientCredentials(c OIDC) TokenSource {
	p := provider{OIDC: c, lock: make(chan struct{}, 1)}
	return p.token
}

type provider struct {
	OIDC
	lock  chan struct{} // held while kept and until are read or renewed
	kept  Token
	until time.Time
}

func (p *provider) token(ctx context.Context) (Token, error) {
	select {
	case p.lock <- struct{}{}:
		defer func() { <-p.lock }()
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
	now := time.Now()
	if now.Before(p.until) {
		return p.kept, nil
	}
	token, err := p.fetch(ctx)
	if err != nil {
		return Token{}, err
	}
	p.kept, p.until = token, time.Time{}
	if !token.Expires.IsZero() {
		p.until = now.Add(time.Duration(refreshAt * float64(token.Expires.Sub(now))))
	}
	return token, nil
}

func (p *provider) fetch(ctx context.Context) (Token, error) {
	endpoint, err := p.endpoint()
	if err != nil {
		return Token{}, err
	}
	config := clientcredentials.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(),
		TokenURL: p.TokenURL, Scopes: strings.Fields(p.Scope),
	}
	got, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, p.client()))
	if err != nil {
		return Token{}, fmt.Errorf("the token endpoint %s %w", endpoint, p.reason(err))
	}
	token, err := parseToken([]byte(got.AccessToken))
	if err != nil {
		return Token{}, fmt.Errorf("the token endpoint %s gave no usable token: %w", endpoint, err)
	}
	token.Extensions = p.Extensions
	if !got.Expiry.IsZero() {
		token.Expires = got.Expiry
	}
	return token, token.check()
}

// endpoint is TokenURL as it may be shown: a query or a user in it may be secret.
func (p *provider) endpoint() (string, error) {
	u, err := url.Parse(p.TokenURL)
	if err != nil || u.Host == "" {
		return "", errors.New("the URL of the token endpoint cannot be read: write https://HOST/PATH")
	}
	shown := u.Scheme + "://" + u.Host + u.Path
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", fmt.Errorf("the token endpoint %s would get the client's secret unencrypted: its URL must begin with https", shown)
	}
	return shown, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client keeps no connection: tokens are asked for rarely.
func (p *provider) client() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if p.TLS != nil {
		transport.TLSClientConfig = p.TLS.Config("") // net/http fills in the host
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       endpointLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reason is why a request failed, without the URL and, should the provider have
// repeated it, without the secret.
func (p *provider) reason(err error) error {
	var refused *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case errors.As(err, &refused):
		words := refused.Response.Status
		if code := cmp.Or(refused.ErrorCode, refused.ErrorDescription); code != "" {
			words += ": " + strings.TrimSpace(refused.ErrorCode+" "+refused.ErrorDescription)
		}
		if !p.ClientSecret.IsZero() {
			words = strings.ReplaceAll(words, p.ClientSecret.Reveal(), secret.Mask)
		}
		return fmt.Errorf("answered %.*s", maxComplaint, words)
	case errors.As(err, &transport) && transport.Timeout():
		return fmt.Errorf("did not answer within %v", endpointLimit)
	case errors.As(err, &transport):
		return fmt.Errorf("cannot be reached: %w", transport.Err)
	}
	return errors.New("gave an answer that is no token")
}
