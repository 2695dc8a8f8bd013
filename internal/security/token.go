package security

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"redline/internal/secret"
)

// maxToken bounds a token, in bytes, from wherever it comes.
const maxToken = 64 << 10

// Token is a bearer token with what is known of it.
type Token struct {
	Value secret.Text
	// Principal is whom the token names; "" if that cannot be told.
	Principal string
	// Expires is zero if it is unknown.
	Expires time.Time
	// Extensions are SASL extensions (RFC 7628, KIP-342), sent beside the token.
	Extensions map[string]string
}

// TokenSource gives the token to authenticate with now.
type TokenSource func(context.Context) (Token, error)

// TokenFile reads the token from a file, again at each call, so whatever renews
// the file renews the token. The file holds the token alone, at most 64 KiB. If
// the token is a JWT, Principal and Expires are its sub and exp.
func TokenFile(path string) TokenSource {
	return func(context.Context) (Token, error) {
		content, err := readFile(path, maxToken)
		if err != nil {
			return Token{}, fmt.Errorf("the token file cannot be read: %w", err)
		}
		token, err := parseToken(content)
		if err != nil {
			return Token{}, fmt.Errorf("the token file %s: %w", path, err)
		}
		return token, nil
	}
}

// parseToken reads a token that stands alone in text.
func parseToken(text []byte) (Token, error) {
	value := string(bytes.TrimSpace(text))
	if strings.ContainsAny(value, "\r\n") {
		return Token{}, errors.New("it has several lines; it must hold the token alone")
	}
	token := Token{Value: secret.New(value)}
	token.Principal, token.Expires = jwtClaims(value)
	return token, token.check()
}

// parseTokenJSON reads what kafkactl's token plugins print:
// {"token": "…", "extensions": {"key": "value"}}.
func parseTokenJSON(text []byte) (Token, error) {
	var printed struct {
		Token      string            `json:"token"`
		Extensions map[string]string `json:"extensions"`
	}
	// The decoder's error is left out: it may quote what it read.
	if err := json.Unmarshal(text, &printed); err != nil {
		return Token{}, errors.New(`it is no JSON of the form {"token": "…", "extensions": {"key": "value"}}`)
	}
	token, err := parseToken([]byte(printed.Token))
	if err != nil {
		return Token{}, err
	}
	token.Extensions = printed.Extensions
	return token, token.check()
}

// jwtClaims reads whom a token names and when it ends, if it is a JWT (RFC 7519).
// Nothing is verified: that is the broker's part.
func jwtClaims(token string) (subject string, expires time.Time) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", time.Time{}
	}
	var claims struct {
		Subject string  `json:"sub"`
		Expires float64 `json:"exp"`
	}
	const year9999 = 253402300799
	if json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 || claims.Expires > year9999 {
		return claims.Subject, time.Time{}
	}
	return claims.Subject, time.UnixMilli(int64(claims.Expires * 1000))
}

// check refuses what would break the message that carries the token (RFC 7628,
// section 3.1) and what Kafka takes for malformed.
func (t Token) check() error {
	value := t.Value.Reveal()
	switch {
	case value == "":
		return errors.New("the token is empty")
	case len(value) > maxToken:
		return fmt.Errorf("the token is longer than %d KiB", maxToken>>10)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has a character that no token has, such as a blank")
	}
	for name, extension := range t.Extensions {
		if name == "" || name == "auth" || strings.ContainsFunc(name, isNoLetter) {
			return fmt.Errorf("the SASL extension %q has no valid name: letters alone, and not auth", name)
		}
		if strings.ContainsFunc(extension, isNoText) {
			return fmt.Errorf("the value of the SASL extension %q has a control character", name)
		}
	}
	return nil
}

func isNoLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }

func isNoText(r rune) bool { return (r < ' ' && !strings.ContainsRune("\t\r\n", r)) || r > '~' }

// UnsecuredClaims are the claims of an unsecured token, by the options of Kafka's
// OAuthBearerUnsecuredLoginCallbackHandler.
type UnsecuredClaims struct {
	// Claims are those of unsecuredLoginStringClaim_, NumberClaim_ and ListClaim_:
	// a string, a number or a list of strings each. iat and exp are calculated.
	Claims map[string]any
	// PrincipalClaim names the claim that says who it is; default "sub".
	PrincipalClaim string
	// Lifetime of each token; default 1 h.
	Lifetime time.Duration
	// Extensions are those of unsecuredLoginExtension_.
	Extensions map[string]string
}

// UnsecuredToken makes a new token at each call, signed by nobody (a JWS with the
// algorithm "none"), as Kafka's brokers take them for development only.
func UnsecuredToken(claims UnsecuredClaims) TokenSource {
	return func(context.Context) (Token, error) { return claims.token(time.Now()) }
}

func (c UnsecuredClaims) token(now time.Time) (Token, error) {
	if c.PrincipalClaim == "" {
		c.PrincipalClaim = "sub"
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	expires := now.Add(c.Lifetime)
	all := map[string]any{}
	for name, value := range c.Claims {
		if name == "iat" || name == "exp" {
			return Token{}, fmt.Errorf("the claim %s of an unsecured token is calculated and cannot be set", name)
		}
		all[name] = value
	}
	all["iat"], all["exp"] = seconds(now), seconds(expires)
	principal, _ := all[c.PrincipalClaim].(string)
	if principal == "" {
		return Token{}, fmt.Errorf("an unsecured token must say who it is: the claim %s is missing (unsecuredLoginStringClaim_%[1]s)", c.PrincipalClaim)
	}
	payload, err := json.Marshal(all)
	if err != nil {
		return Token{}, fmt.Errorf("the claims of an unsecured token cannot be written: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	value := encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
	return Token{Value: secret.New(value), Principal: principal, Expires: expires, Extensions: c.Extensions}, nil
}

// seconds is t as a JWT counts, with milliseconds as Kafka writes them: a token
// may live for a few seconds only.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
