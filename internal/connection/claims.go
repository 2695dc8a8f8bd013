package connection

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redline/internal/security"
)

// unsecuredClaims reads the options of Kafka's OAuthBearerUnsecuredLoginCallbackHandler.
func (j jaas) unsecuredClaims() (security.UnsecuredClaims, error) {
	c := security.UnsecuredClaims{Claims: map[string]any{}, Extensions: map[string]string{}}
	for name, value := range j.options {
		option, ours := strings.CutPrefix(name, unsecuredLogin)
		if !ours {
			continue
		}
		kind, claim, _ := strings.Cut(option, "_")
		switch {
		case option == "PrincipalClaimName":
			c.PrincipalClaim = value
		case option == "LifetimeSeconds":
			var err error
			if c.Lifetime, err = lifetime(value); err != nil {
				return c, fmt.Errorf("%sLifetimeSeconds: %w", unsecuredLogin, err)
			}
		case option == "ScopeClaimName": // the broker's own setting says where it looks
		case kind == "StringClaim" && claim != "":
			c.Claims[claim] = value
		case kind == "NumberClaim" && claim != "":
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return c, errors.New(unsecuredLogin + "NumberClaim_… must be a number")
			}
			c.Claims[claim] = number
		case kind == "ListClaim" && claim != "":
			c.Claims[claim] = listClaim(value)
		case kind == "Extension" && claim != "":
			c.Extensions[claim] = value
		default:
			return c, errors.New("an option unsecuredLogin… is not known: there are StringClaim_, NumberClaim_, ListClaim_, Extension_, PrincipalClaimName, ScopeClaimName and LifetimeSeconds")
		}
	}
	return c, checkPrincipal(c)
}

// listClaim cuts at the character that the list begins with.
func listClaim(value string) []string {
	for i, delimiter := range value {
		if i == 0 && len(value) > len(string(delimiter)) {
			return strings.Split(value[len(string(delimiter)):], string(delimiter))
		}
	}
	return []string{}
}

// librdkafkaClaims reads sasl.oauthbearer.config as librdkafka does: NAME=VALUE,
// several with blanks (rdkafka_sasl_oauthbearer.c).
func librdkafkaClaims(text string) (security.UnsecuredClaims, error) {
	c := security.UnsecuredClaims{Claims: map[string]any{}, Extensions: map[string]string{}}
	principal, scope, scopeClaim := "", "", "scope"
	for pair := range strings.FieldsSeq(text) {
		name, value, found := strings.Cut(pair, "=")
		if !found || value == "" {
			return c, errors.New("it must be NAME=VALUE, several with blanks")
		}
		extension, extends := strings.CutPrefix(name, "extension_")
		switch {
		case name == "principal":
			principal = value
		case name == "principalClaimName":
			c.PrincipalClaim = value
		case name == "scope":
			scope = value
		case name == "scopeClaimName":
			scopeClaim = value
		case name == "lifeSeconds":
			var err error
			if c.Lifetime, err = lifetime(value); err != nil {
				return c, fmt.Errorf("lifeSeconds: %w", err)
			}
		case extends && extension != "":
			c.Extensions[extension] = value
		default:
			return c, errors.New("it may hold principal, principalClaimName, scope, scopeClaimName, lifeSeconds and extension_NAME")
		}
	}
	claim := c.PrincipalClaim
	if claim == "" {
		claim = "sub"
	}
	if principal != "" {
		c.Claims[claim] = principal
	}
	if scope != "" {
		c.Claims[scopeClaim] = strings.Split(scope, ",")
	}
	return c, checkPrincipal(c)
}

// checkPrincipal wants a token to say who it is: brokers refuse one that does not.
func checkPrincipal(c security.UnsecuredClaims) error {
	claim := c.PrincipalClaim
	if claim == "" {
		claim = "sub"
	}
	if name, _ := c.Claims[claim].(string); name == "" {
		return errors.New("an unsecured token needs a user: unsecuredLoginStringClaim_sub=\"NAME\" in sasl.jaas.config, or principal=NAME in sasl.oauthbearer.config")
	}
	return nil
}

func lifetime(seconds string) (time.Duration, error) {
	n, err := strconv.ParseUint(seconds, 10, 31)
	if err != nil || n == 0 {
		return 0, errors.New("it must be a whole number of seconds from 1 up")
	}
	return time.Duration(n) * time.Second, nil
}

// parseExtensions reads NAME=VALUE, several with commas.
func parseExtensions(text string) (map[string]string, error) {
	all := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found || name == "" {
			return nil, errors.New("it must be NAME=VALUE, several with commas")
		}
		all[name] = value
	}
	return all, nil
}
