package connection

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"redline/internal/security"
)

// Key is a property about connecting.
type Key struct {
	// Name is Java's where Java has the property, else librdkafka's, else our own.
	Name string
	// Aliases are the other spellings.
	Aliases []string
	// Secret says that its value is never shown.
	Secret bool
	// Help is one line.
	Help string
}

// row is a Key with what we do about it.
type row struct {
	Key
	// forms are the ways to say a thing that this key belongs to; a key that is an
	// anchor decides on its form.
	forms  []form
	anchor bool
	// tls and sasl say that whoever sets it wants an encrypted connection, or to be
	// somebody.
	tls, sasl bool
	// path says that its value is a file or folder.
	path bool
	// check looks at a value; its error completes "KEY=VALUE: ", for a secret "KEY: ".
	check func(value string) error
	// cannot says why we have no use for it; it completes "KEY ".
	cannot string
}

// form is one of several ways to say the same thing, of which one can count.
type form string

// The ways to name authorities, the client's own key, and who we are.
const (
	caStore       form = "authorities from a trust store"
	caText        form = "authorities as PEM text"
	caFile        form = "authorities from a file"
	keyStore      form = "a key store"
	keyText       form = "a certificate as PEM text"
	keyFile       form = "a certificate from a file"
	userPassword  form = "a user and a password"
	tokenFile     form = "a token from a file"
	tokenCommand  form = "a token from a command"
	tokenEndpoint form = "a token from an endpoint"
	tokenUnsafe   form = "an unsecured token"
)

// groups are the forms that exclude each other. The first wins where one Java file
// has several: it is Java's own.
var groups = [][]form{
	{caStore, caText, caFile},
	{keyStore, keyText, keyFile},
	credentials,
}

var credentials = []form{userPassword, tokenFile, tokenCommand, tokenEndpoint, tokenUnsafe}

const (
	noJava    = "is about Java, which redline is not: leave it out"
	noOpenSSL = "is about OpenSSL, which redline does not use: leave it out"
	noGSSAPI  = "is about GSSAPI (Kerberos), which redline does not have: leave it out, or use another sasl.mechanism"
	noRefresh = "is about Java's login thread: redline gets a token anew at each authentication; leave it out"
	noGrant   = "is about an OAuth grant that redline does not have: give the token by --oauth-token-command or --oauth-token-file"
	noLook    = "is about how Java looks at a token, which redline leaves to the broker: leave it out"
)

// rows are all properties about connecting, in the order of "-X list". Java's are
// those of Kafka's CommonClientConfigs, SslConfigs and SaslConfigs, librdkafka's
// those of its CONFIGURATION.md.
var rows = []row{
	{Key: Key{Name: "bootstrap.servers", Aliases: []string{"metadata.broker.list"}, Help: "brokers to start from: HOST:PORT, several with commas"},
		check: func(v string) error { _, err := ParseBrokers(v); return err }},
	{Key: Key{Name: "client.id", Help: "the name that brokers see and log (default " + DefaultClientID + ")"}, check: checkClientID},
	{Key: Key{Name: "security.protocol", Help: "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL (default: what the other properties need)"}, check: oneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")},
	{Key: Key{Name: "redline.tls", Help: "true: encrypt; false: do not"}, check: checkBool},

	{Key: Key{Name: "ssl.truststore.location", Help: "trust the certificates in this file: JKS, PKCS12 or PEM"}, forms: []form{caStore}, anchor: true, tls: true, path: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.truststore.password", Secret: true, Help: "its password"}, forms: []form{caStore}},
	{Key: Key{Name: "ssl.truststore.type", Help: "JKS, PKCS12 or PEM (default: what the file looks like)"}, forms: []form{caStore, caText}, check: oneOf("JKS", "PKCS12", "PEM")},
	{Key: Key{Name: "ssl.truststore.certificates", Aliases: []string{"ssl.ca.pem", "ssl_ca"}, Help: "trust these certificates: PEM text"}, forms: []form{caText}, anchor: true, tls: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.ca.location", Help: "trust the certificates in this PEM file, or in the files of this folder; probe: the system's"}, forms: []form{caFile}, anchor: true, tls: true, path: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.endpoint.identification.algorithm", Help: "https: the broker's certificate must have its name; empty or none: any name will do"}, check: oneOf("", "none", "https")},
	{Key: Key{Name: "enable.ssl.certificate.verification", Help: "false: every certificate will do"}, check: checkBool},
	{Key: Key{Name: "redline.tls.server.name", Help: "the name to expect in the broker's certificate (default: the host)"}, tls: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.enabled.protocols", Help: "TLS versions, with commas: TLSv1 to TLSv1.3 (default TLSv1.2,TLSv1.3)"}, check: checkTLSVersions},
	{Key: Key{Name: "ssl.protocol", Help: "accepted and without effect: ssl.enabled.protocols decides"}, check: oneOf("TLS", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")},
	{Key: Key{Name: "ssl.cipher.suites", Help: "IANA names of the cipher suites to offer, with commas"}},

	{Key: Key{Name: "ssl.keystore.location", Help: "the client's certificate and key in this file: JKS, PKCS12 or PEM"}, forms: []form{keyStore}, anchor: true, tls: true, path: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.keystore.password", Secret: true, Help: "its password"}, forms: []form{keyStore}},
	{Key: Key{Name: "ssl.keystore.type", Help: "JKS, PKCS12 or PEM (default: what the file looks like)"}, forms: []form{keyStore, keyText}, check: oneOf("JKS", "PKCS12", "PEM")},
	{Key: Key{Name: "ssl.keystore.certificate.chain", Aliases: []string{"ssl.certificate.pem", "ssl_certificate"}, Help: "the client's certificate: PEM text"}, forms: []form{keyText}, anchor: true, tls: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.keystore.key", Aliases: []string{"ssl.key.pem", "ssl_key"}, Secret: true, Help: "its private key: PEM text"}, forms: []form{keyText, keyFile}, check: checkNotEmpty},
	{Key: Key{Name: "ssl.certificate.location", Help: "the client's certificate in this PEM file"}, forms: []form{keyFile}, anchor: true, tls: true, path: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.key.location", Help: "its private key in this PEM file"}, forms: []form{keyFile, keyText}, path: true, check: checkNotEmpty},
	{Key: Key{Name: "ssl.key.password", Secret: true, Help: "the private key's password"}, forms: []form{keyStore, keyText, keyFile}},

	{Key: Key{Name: "sasl.mechanism", Aliases: []string{"sasl.mechanisms"}, Help: "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM"}, sasl: true,
		check: func(v string) error { _, err := security.ParseMechanism(v); return err }},
	{Key: Key{Name: "sasl.username", Help: "the user's name"}, forms: []form{userPassword}, anchor: true, sasl: true, check: checkNotEmpty},
	{Key: Key{Name: "sasl.password", Secret: true, Help: "the user's password"}, forms: []form{userPassword}},
	// Of JAAS only the unsecured token stays under this key; see take.
	{Key: Key{Name: "sasl.jaas.config", Secret: true, Help: "Java's line with a login module: Plain, Scram, OAuthBearer or MSK's IAM"}, forms: []form{tokenUnsafe}, anchor: true, sasl: true},
	{Key: Key{Name: "sasl.login.callback.handler.class", Help: "accepted if redline has what the Java class does"}, check: checkHandler},
	{Key: Key{Name: "sasl.client.callback.handler.class", Help: "accepted if redline has what the Java class does"}, check: checkHandler},
	{Key: Key{Name: "redline.oauth.token.file", Help: "the token is in this file, read again at each authentication"}, forms: []form{tokenFile}, anchor: true, sasl: true, path: true, check: checkNotEmpty},
	{Key: Key{Name: "redline.oauth.token.command", Help: "this shell command prints the token"}, forms: []form{tokenCommand}, anchor: true, sasl: true, check: checkNotEmpty},
	{Key: Key{Name: "sasl.oauthbearer.token.endpoint.url", Help: "get the token here as OIDC client credentials; or file:///PATH"}, forms: []form{tokenEndpoint}, anchor: true, sasl: true, check: checkEndpoint},
	{Key: Key{Name: "sasl.oauthbearer.method", Help: "default or oidc"}, check: oneOf("default", "oidc")},
	{Key: Key{Name: "sasl.oauthbearer.client.credentials.client.id", Aliases: []string{"sasl.oauthbearer.client.id"}, Help: "the OIDC client's id"}, forms: []form{tokenEndpoint}},
	{Key: Key{Name: "sasl.oauthbearer.client.credentials.client.secret", Aliases: []string{"sasl.oauthbearer.client.secret"}, Secret: true, Help: "the OIDC client's secret"}, forms: []form{tokenEndpoint}},
	{Key: Key{Name: "sasl.oauthbearer.scope", Help: "the scope to ask for"}, forms: []form{tokenEndpoint}},
	{Key: Key{Name: "sasl.oauthbearer.extensions", Help: "SASL extensions: NAME=VALUE, several with commas"}, check: func(v string) error { _, err := parseExtensions(v); return err }},
	{Key: Key{Name: "https.ca.location", Help: "trust these authorities for the token endpoint, as in ssl.ca.location (default: the system's)"}, forms: []form{tokenEndpoint}, path: true, check: checkNotEmpty},
	{Key: Key{Name: "enable.sasl.oauthbearer.unsecure.jwt", Help: "true: make Kafka's unsecured tokens, for tests"}, forms: []form{tokenUnsafe}, anchor: true, sasl: true, check: checkBool},
	{Key: Key{Name: "sasl.oauthbearer.config", Help: "for those: principal=NAME scope=A,B lifeSeconds=N extension_NAME=VALUE"}, forms: []form{tokenUnsafe},
		check: func(v string) error { _, err := librdkafkaClaims(v); return err }},
	{Key: Key{Name: "redline.aws.profile", Help: "AWS_MSK_IAM: the profile in AWS's credentials file (default: $AWS_PROFILE, default)"}, check: checkNotEmpty},
	{Key: Key{Name: "redline.allow.plaintext.credentials", Help: "true: send a password or token unencrypted to other machines"}, check: checkBool},

	{Key: Key{Name: "security.providers"}, cannot: noJava},
	{Key: Key{Name: "ssl.provider"}, cannot: noJava},
	{Key: Key{Name: "ssl.keymanager.algorithm"}, cannot: noJava},
	{Key: Key{Name: "ssl.trustmanager.algorithm"}, cannot: noJava},
	{Key: Key{Name: "ssl.secure.random.implementation"}, cannot: noJava},
	{Key: Key{Name: "ssl.engine.factory.class"}, cannot: noJava},
	{Key: Key{Name: "ssl.curves.list"}, cannot: noOpenSSL},
	{Key: Key{Name: "ssl.sigalgs.list"}, cannot: noOpenSSL},
	{Key: Key{Name: "ssl.providers"}, cannot: noOpenSSL},
	{Key: Key{Name: "ssl.engine.location"}, cannot: noOpenSSL},
	{Key: Key{Name: "ssl.engine.id"}, cannot: noOpenSSL},
	{Key: Key{Name: "ssl.ca.certificate.stores"}, cannot: "is about Windows' certificate stores: use ssl.ca.location"},
	{Key: Key{Name: "ssl.crl.location"}, cannot: "names revoked certificates, which redline does not look at: leave it out"},
	{Key: Key{Name: "https.ca.pem"}, cannot: "is not read by redline: use https.ca.location"},
	{Key: Key{Name: "sasl.login.class"}, cannot: noJava},
	{Key: Key{Name: "sasl.kerberos.service.name"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.principal"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.keytab"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.kinit.cmd"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.ticket.renew.window.factor"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.ticket.renew.jitter"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.kerberos.min.time.before.relogin"}, cannot: noGSSAPI},
	{Key: Key{Name: "sasl.login.refresh.window.factor"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.refresh.window.jitter"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.refresh.min.period.seconds"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.refresh.buffer.seconds"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.connect.timeout.ms"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.read.timeout.ms"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.retry.backoff.ms"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.login.retry.backoff.max.ms"}, cannot: noRefresh},
	{Key: Key{Name: "sasl.oauthbearer.grant.type"}, cannot: noGrant},
	{Key: Key{Name: "sasl.oauthbearer.jwt.retriever.class"}, cannot: noJava},
	{Key: Key{Name: "sasl.oauthbearer.jwt.validator.class"}, cannot: noJava},
	{Key: Key{Name: "sasl.oauthbearer.scope.claim.name"}, cannot: noLook},
	{Key: Key{Name: "sasl.oauthbearer.sub.claim.name"}, cannot: noLook},
	{Key: Key{Name: "sasl.oauthbearer.clock.skew.seconds"}, cannot: noLook},
	{Key: Key{Name: "sasl.oauthbearer.header.urlencode"}, cannot: "has no effect: redline encodes as RFC 6749 says"},
	{Key: Key{Name: "sasl.oauthbearer.metadata.authentication.type"}, cannot: noGrant},
}

// families are rows by the beginning of their keys.
var families = []row{
	{Key: Key{Name: "sasl.oauthbearer.assertion.", Secret: true}, cannot: noGrant},
	{Key: Key{Name: "sasl.oauthbearer.jwks."}, cannot: noLook},
	{Key: Key{Name: "sasl.oauthbearer.expected."}, cannot: noLook},
}

// Keys are all properties about connecting that redline honours, in an order in which
// to read them.
func Keys() []Key {
	var all []Key
	for _, r := range rows {
		if r.cannot == "" {
			all = append(all, r.Key)
		}
	}
	return all
}

var bySpelling = func() map[string]*row {
	all := map[string]*row{}
	for i := range rows {
		for _, spelling := range append([]string{rows[i].Name}, rows[i].Aliases...) {
			all[spelling] = &rows[i]
		}
	}
	return all
}()

// find gives the row of a key in any spelling; nil if it is not about connecting.
func find(key string) *row {
	for i := range families {
		if strings.HasPrefix(key, families[i].Name) {
			return &families[i]
		}
	}
	return bySpelling[key]
}

// groupOf gives the forms among which one counts; nil for a key that stands alone.
func (r *row) groupOf() []form {
	if r == nil || len(r.forms) == 0 {
		return nil
	}
	for _, group := range groups {
		if slices.Contains(group, r.forms[0]) {
			return group
		}
	}
	return nil
}

// isSecret says whether a key's value must not be shown. Of keys that we do not
// know, those count that sound like it, or are near to one that is.
func isSecret(key string) bool {
	if r := find(key); r != nil {
		return r.Secret
	}
	if _, known := canonical(key); known {
		return false
	}
	lower := strings.ToLower(key)
	if slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(lower, word) }) {
		return true
	}
	r := find(nearestKey(key))
	return r != nil && r.Secret
}

var secretWords = []string{"password", "passwd", "passphrase", "secret", "jaas", "token", "credential", "user.info", "private", "key.pem"}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if slices.ContainsFunc(values, func(good string) bool { return strings.EqualFold(good, v) }) {
			return nil
		}
		good := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		return fmt.Errorf("it must be one of %s", strings.Join(good, ", "))
	}
}

func checkBool(v string) error { return oneOf("true", "false")(v) }

func checkNotEmpty(v string) error {
	if strings.TrimSpace(v) == "" {
		return fmt.Errorf("it is empty: give it a value, or leave it out")
	}
	return nil
}

func checkClientID(v string) error {
	if v == "" || len(v) > 256 || printable(v, len(v)) != v {
		return fmt.Errorf("it must be 1 to 256 printable characters")
	}
	return nil
}

// handlers are the Java classes that do what we do anyway.
var handlers = []string{
	"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
	"org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
	"org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
	"org.apache.kafka.common.security.oauthbearer.internals.OAuthBearerSaslClientCallbackHandler",
	"software.amazon.msk.auth.iam.IAMClientCallbackHandler",
}

func checkHandler(v string) error {
	if slices.Contains(handlers, v) {
		return nil
	}
	return fmt.Errorf("redline cannot run this Java class: give the token by --oauth-token-command or --oauth-token-file instead")
}

func checkEndpoint(v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) || u.Scheme != "file" && u.Host == "" || u.Scheme == "file" && u.Path == "":
		return fmt.Errorf("it must be the URL of a token endpoint, https://HOST/PATH, or file:///PATH")
	case u.User != nil:
		return fmt.Errorf("the URL must hold no user and password: sasl.oauthbearer.client.credentials.client.id and .secret are for those")
	}
	return nil
}
