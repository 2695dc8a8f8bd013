package connection

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"redline/internal/secret"
	"redline/internal/security"
)

// systemRoots is librdkafka's word for the authorities of the system, in
// ssl.ca.location.
const systemRoots = "probe"

// build makes the Security of what is in force. What is wrong goes to the problems.
func (r *resolver) build(m merged, encrypted, authenticated bool) security.Security {
	var s security.Security
	if encrypted {
		s.TLS = r.buildTLS(m)
	}
	if authenticated {
		s.SASL = r.buildSASL(m)
	}
	return s
}

func (r *resolver) buildTLS(m merged) *security.TLS {
	t := &security.TLS{
		Roots:       r.roots(m),
		Certificate: r.certificate(m),
		ServerName:  m.get("redline.tls.server.name"),
		SkipVerify:  strings.EqualFold(m.get("enable.ssl.certificate.verification"), "false"),
	}
	if s, said := m["ssl.endpoint.identification.algorithm"]; said && !strings.EqualFold(s.value(), "https") {
		t.SkipName = true
		if !t.SkipVerify {
			r.warn(s.Origin, "%s=%s: the name in the broker's certificate is not checked, so whoever has any certificate of the same authorities can pretend to be it", s.Typed, s.Shown())
		}
	}
	if t.SkipVerify {
		s := m["enable.ssl.certificate.verification"]
		r.warn(s.Origin, "%s=false: the broker's certificate is not checked, so whoever is between can read and change everything", s.Typed)
	}
	if s, said := m["ssl.enabled.protocols"]; said {
		t.MinVersion = r.minVersion(s)
	}
	if s, said := m["ssl.cipher.suites"]; said {
		t.CipherSuites = r.cipherSuites(s)
	}
	return t
}

// refuseFile refuses a setting for what the loading of its file or text came to.
func (r *resolver) refuseFile(s setting, err error) {
	if err != nil {
		r.refuse(s.Origin, "%s: %w", s.Typed, err)
	}
}

// roots are the authorities; none stands for the system's.
func (r *resolver) roots(m merged) (roots []*x509.Certificate) {
	var err error
	if s, said := m["ssl.truststore.location"]; said {
		roots, err = security.LoadTruststore(s.value(), strings.ToUpper(m.get("ssl.truststore.type")), m["ssl.truststore.password"].Value)
		r.refuseFile(s, err)
	}
	if s, said := m["ssl.truststore.certificates"]; said {
		roots, err = security.ParseCertificates([]byte(s.value()))
		r.refuseFile(s, err)
	}
	if s, said := m["ssl.ca.location"]; said {
		roots, err = authorities(s.value())
		r.refuseFile(s, err)
	}
	return roots
}

// maxAuthorities bounds the files read of a folder; systems have some 150 authorities.
const maxAuthorities = 2000

// authorities reads a file, or all files of a folder that hold certificates.
func authorities(path string) ([]*x509.Certificate, error) {
	if path == systemRoots {
		return nil, nil
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return security.LoadTruststore(path, "", secret.Text{})
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, e := range entries[:min(len(entries), maxAuthorities)] {
		file := filepath.Join(path, e.Name())
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if found, err := security.LoadTruststore(file, "PEM", secret.Text{}); err == nil {
			all = append(all, found...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no file of the folder %s holds a certificate in PEM", path)
	}
	return all, nil
}

// certificate is the client's own, or nil.
func (r *resolver) certificate(m merged) *tls.Certificate {
	if s, said := m["ssl.keystore.location"]; said {
		pair, err := security.LoadKeystore(s.value(), strings.ToUpper(m.get("ssl.keystore.type")), m["ssl.keystore.password"].Value, m["ssl.key.password"].Value)
		r.refuseFile(s, err)
		return pair
	}
	by, text, ok := r.text(m, "ssl.certificate.location", "ssl.keystore.certificate.chain")
	keyBy, key, hasKey := r.text(m, "ssl.key.location", "ssl.keystore.key")
	switch {
	case ok && text == "", hasKey && key == "", !ok && !hasKey: // nothing, or text has said why
		return nil
	case !ok:
		r.refuse(keyBy.Origin, "%s gives a private key without its certificate: add --tls-cert, or ssl.certificate.location", keyBy.Typed)
		return nil
	case !hasKey && !strings.Contains(text, "PRIVATE KEY-----"):
		r.refuse(by.Origin, "%s gives a certificate without its private key: add --tls-key, or ssl.key.location", by.Typed)
		return nil
	case !hasKey: // one file may hold both
		key = text
	}
	pair, err := security.ParseKeyPair([]byte(text), secret.New(key), m["ssl.key.password"].Value)
	r.refuseFile(by, err)
	return pair
}

// text is PEM text from a file, or given itself. If the file cannot be read, that is
// among the problems and the text is empty.
func (r *resolver) text(m merged, fileKey, textKey string) (by setting, text string, ok bool) {
	file, hasFile := m[fileKey]
	given, hasText := m[textKey]
	switch {
	case hasFile && hasText:
		r.refuse(given.Origin, "%s and %s (%s) are two ways to say one thing: leave one of them out", given.Typed, file.Typed, file.Origin)
		return given, "", true
	case hasText:
		return given, given.value(), true
	case !hasFile:
		return setting{}, "", false
	}
	data, err := readSettings(file.value())
	if err == nil && len(data) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		r.refuse(file.Origin, "%s: cannot read %s: %v", file.Typed, file.Shown(), err)
	}
	return file, string(data), true
}

// tlsVersions are Java's names of the versions that Go has.
var tlsVersions = map[string]uint16{"tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13}

func fields(list string) []string {
	all := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ':' || c == ' ' })
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

func checkTLSVersions(list string) error {
	names := fields(list)
	for _, name := range names {
		if _, ok := tlsVersions[strings.ToLower(name)]; !ok {
			return fmt.Errorf("%s is no version of TLS that redline has: there are TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3", printable(name, maxShown))
		}
	}
	if len(names) == 0 {
		return errors.New("it names no version of TLS")
	}
	return nil
}

// minVersion is the oldest version of the list. Go has no list of versions, and no
// newest one here: a broker that has TLS 1.3 gets it.
func (r *resolver) minVersion(s setting) uint16 {
	oldest, newest := uint16(tls.VersionTLS13), uint16(0)
	for _, name := range fields(s.value()) {
		oldest, newest = min(oldest, tlsVersions[strings.ToLower(name)]), max(newest, tlsVersions[strings.ToLower(name)])
	}
	if newest < tls.VersionTLS13 {
		r.warn(s.Origin, "%s=%s: redline takes a newer version of TLS too, if the broker has it", s.Typed, s.Shown())
	}
	return oldest
}

// cipherSuites are those of the list that Go has. A Java file lists many, some of them
// not in Go; one left is enough.
func (r *resolver) cipherSuites(s setting) []uint16 {
	ids := map[string]uint16{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids[suite.Name] = suite.ID
	}
	var all []uint16
	var lacking []string
	for _, name := range fields(s.value()) {
		if id, ok := ids[name]; ok {
			all = append(all, id)
		} else {
			lacking = append(lacking, printable(name, maxShown))
		}
	}
	switch {
	case len(all) == 0:
		r.refuse(s.Origin, "%s names no cipher suite that Go has: give IANA names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, or leave it out", s.Typed)
	case len(lacking) > 0 && s.kind != fromFile:
		r.refuse(s.Origin, "%s: Go does not have %s: leave it out", s.Typed, strings.Join(lacking, ", "))
	case len(lacking) > 0:
		r.warn(s.Origin, "%s: Go does not have %s, which is left out", s.Typed, strings.Join(lacking, ", "))
	}
	return all
}

func (r *resolver) buildSASL(m merged) *security.SASL {
	mechanism, by := r.mechanism(m)
	s := &security.SASL{Mechanism: mechanism}
	switch mechanism {
	case security.Plain, security.ScramSHA256, security.ScramSHA512:
		s.User, s.Password = m.get("sasl.username"), m["sasl.password"].Value
		if s.User == "" {
			r.refuse(by.Origin, "%s needs a user: name one with --sasl-user, sasl.username, or in sasl.jaas.config", mechanism)
		} else if s.Password.IsZero() {
			r.problems = append(r.problems, &problem{fmt.Sprintf("%s: the password of %s is missing: give it in a file by --sasl-password-file, or in REDLINE_SASL_PASSWORD",
				m["sasl.username"].Origin, m["sasl.username"].Shown()), []error{ErrNoPassword, ErrSettings}})
		}
	case security.OAuthBearer:
		s.Token = r.token(m, by)
	case security.AWSMSKIAM:
		s.AWS = security.AWSFromEnvironment(r.awsEnvironment(m.get("redline.aws.profile")))
	}
	return s
}

// awsEnvironment is the environment with the profile that was named.
func (r *resolver) awsEnvironment(profile string) func(string) string {
	return func(name string) string {
		if name == "AWS_PROFILE" && profile != "" {
			return profile
		}
		return r.getenv(name)
	}
}

// mechanism is the one that was named, unless a stronger source gives credentials of
// another kind: a token says OAUTHBEARER by itself, a user leaves the question open.
func (r *resolver) mechanism(m merged) (security.Mechanism, setting) {
	named, said := m["sasl.mechanism"]
	parsed, err := security.ParseMechanism(named.value())
	if said && err != nil {
		r.refuseValue(named, err)
		return "", named
	}
	given, some := m.credentials()
	stronger := some && (!said || given.rank < named.rank)
	isToken := some && given.row.forms[0] != userPassword
	switch {
	case stronger && isToken:
		if said {
			r.overridden = append(r.overridden, named.Entry)
		}
		given.Key, given.Value, given.Secret, given.row = "sasl.mechanism", secret.New(string(security.OAuthBearer)), false, find("sasl.mechanism")
		m["sasl.mechanism"] = given
		return security.OAuthBearer, given
	case stronger && (!said || parsed == security.OAuthBearer || parsed == security.AWSMSKIAM):
		r.refuse(given.Origin, "%s names a user, and nothing how he is to authenticate: add --sasl-mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", given.Typed)
		return "", given
	case !said:
		s := m["security.protocol"]
		r.refuse(s.Origin, "security.protocol=%s wants a sasl.mechanism, and none is named (Java's own would be GSSAPI, which redline does not have): add --sasl-mechanism", s.Shown())
		return "", s
	}
	return parsed, named
}

// credentials is the setting that says who we are; merge left one at most.
func (m merged) credentials() (setting, bool) {
	for _, s := range m {
		if s.decides() && slices.Contains(credentials, s.row.forms[0]) {
			return s, true
		}
	}
	return setting{}, false
}

// token is where the tokens come from, with the extensions to send beside them.
func (r *resolver) token(m merged, by setting) security.TokenSource {
	source := r.tokenSource(m, by)
	said, given := m["sasl.oauthbearer.extensions"]
	if !given || source == nil {
		return source
	}
	extensions, err := parseExtensions(said.value())
	if err != nil {
		r.refuseValue(said, err)
	}
	return func(ctx context.Context) (security.Token, error) {
		token, err := source(ctx)
		all := maps.Clone(extensions)
		maps.Copy(all, token.Extensions) // the source knows its token best
		token.Extensions = all
		return token, err
	}
}

func (r *resolver) tokenSource(m merged, by setting) security.TokenSource {
	switch {
	case m.has("redline.oauth.token.file"):
		return security.TokenFile(m.get("redline.oauth.token.file"))
	case m.has("redline.oauth.token.command"):
		return security.TokenCommand(m.get("redline.oauth.token.command"))
	case m.has("sasl.oauthbearer.token.endpoint.url"):
		return r.endpoint(m)
	case m.has("sasl.jaas.config"):
		return r.unsecured(m["sasl.jaas.config"], func(text string) (security.UnsecuredClaims, error) {
			parsed, err := parseJAAS(text)
			if err != nil {
				return security.UnsecuredClaims{}, err
			}
			return parsed.unsecuredClaims()
		})
	case strings.EqualFold(m.get("enable.sasl.oauthbearer.unsecure.jwt"), "true"):
		if config, said := m["sasl.oauthbearer.config"]; said {
			return r.unsecured(config, librdkafkaClaims)
		}
		s := m["enable.sasl.oauthbearer.unsecure.jwt"]
		r.refuse(s.Origin, "%s needs a user for its tokens: sasl.oauthbearer.config=principal=NAME", s.Typed)
		return nil
	}
	r.refuse(by.Origin, "OAUTHBEARER needs a token: name its source with --oauth-token-file, --oauth-token-command or sasl.oauthbearer.token.endpoint.url")
	return nil
}

// unsecured makes tokens of the claims that a setting holds.
func (r *resolver) unsecured(s setting, parse func(string) (security.UnsecuredClaims, error)) security.TokenSource {
	claims, err := parse(s.value())
	if err != nil {
		r.refuseValue(s, err)
		return nil
	}
	return security.UnsecuredToken(claims)
}

// endpoint gets tokens as an OIDC client, or from the file of a file:// URL as Java
// does.
func (r *resolver) endpoint(m merged) security.TokenSource {
	s := m["sasl.oauthbearer.token.endpoint.url"]
	if u, err := url.Parse(s.value()); err == nil && u.Scheme == "file" {
		return security.TokenFile(u.Path)
	}
	oidc := security.OIDC{
		TokenURL:     s.value(),
		ClientID:     m.get("sasl.oauthbearer.client.credentials.client.id"),
		ClientSecret: m["sasl.oauthbearer.client.credentials.client.secret"].Value,
		Scope:        m.get("sasl.oauthbearer.scope"),
	}
	if oidc.ClientID == "" || oidc.ClientSecret.IsZero() {
		r.refuse(s.Origin, "%s needs a client's id and secret: sasl.oauthbearer.client.credentials.client.id and .secret, or clientId and clientSecret in sasl.jaas.config", s.Typed)
	}
	if ca, said := m["https.ca.location"]; said {
		roots, err := authorities(ca.value())
		r.refuseFile(ca, err)
		oidc.TLS = &security.TLS{Roots: roots}
	}
	return security.ClientCredentials(oidc)
}
