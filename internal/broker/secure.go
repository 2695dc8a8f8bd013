package broker

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"redline/internal/secret"
	"redline/internal/security"
)

// Secure says how the clients of a Local broker connect. Its zero value is
// plaintext, open to everybody on this machine.
type Secure struct {
	// TLS encrypts the connections.
	TLS bool
	// MTLS asks clients for a certificate too, and implies TLS. Without SASL they
	// are who the certificate says: User:CN=admin.
	MTLS bool
	// SASL is how clients say who they are: security.Plain, ScramSHA256,
	// ScramSHA512, OAuthBearer, or empty for not at all.
	//
	// OAuthBearer takes Kafka's unsecured tokens, whose claims anybody can write:
	// good for trying, no protection.
	SASL security.Mechanism
	// ACL turns Kafka's standard authorizer on: the user admin may do everything,
	// the user alice nothing until an ACL allows it. It needs MTLS or SASL.
	ACL bool
}

// Names in a secured broker: what its nodes call themselves, and its two users.
const (
	nodeName  = "redline-node"
	adminName = "admin"
	aliceName = "alice"
)

var mechanismsHere = []security.Mechanism{security.Plain, security.ScramSHA256, security.ScramSHA512, security.OAuthBearer}

// complete returns s with what it implies, or what is wrong with it.
func (s Secure) complete(kind Kind) (Secure, error) {
	s.TLS = s.TLS || s.MTLS
	switch {
	case s == Secure{}:
		return s, nil
	case kind != Local:
		return s, errors.New("the embedded broker speaks plaintext to everybody: a secured Kafka is Apache Kafka, --kafka local")
	case s.SASL != "" && !slices.Contains(mechanismsHere, s.SASL):
		return s, fmt.Errorf("a broker here has no SASL mechanism %s: it takes PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER with --sasl", s.SASL)
	case s.ACL && !s.MTLS && s.SASL == "":
		return s, errors.New("--acl has to know who asks: add --mtls, or --sasl and a mechanism")
	}
	return s, nil
}

// protocol is Kafka's name for how clients connect.
func (s Secure) protocol() string {
	switch {
	case s.TLS && s.SASL != "":
		return "SASL_SSL"
	case s.TLS:
		return "SSL"
	case s.SASL != "":
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}

// String is what a reader is told: "SASL_SSL, SCRAM-SHA-512, ACLs".
func (s Secure) String() string {
	said := []string{s.protocol()}
	if s.SASL != "" {
		said = append(said, string(s.SASL))
	}
	if s.MTLS {
		said = append(said, "client certificates")
	}
	if s.ACL {
		said = append(said, "ACLs")
	}
	return strings.Join(said, ", ")
}

// principal is Kafka's name for a user, as ACLs and super.users spell it.
func (s Secure) principal(name string) string {
	if s.SASL == "" {
		return "User:CN=" + name
	}
	return "User:" + name
}

func (s Secure) scram() bool { return s.SASL == security.ScramSHA256 || s.SASL == security.ScramSHA512 }

// credentials are the certificates and users of one secured broker.
type credentials struct {
	Secure
	node         identity
	admin, alice user
	// storePassword is that of all Java key and trust stores.
	storePassword secret.Text
}

// user is one who connects, with a password where the mechanism has any and a
// certificate where the broker asks for one.
type user struct {
	name        string
	password    secret.Text
	certificate *identity
}

// newCredentials makes new ones. Nodes have certificates in any case, for their
// own listeners.
func newCredentials(s Secure) (*credentials, error) {
	a, err := newAuthority()
	if err != nil {
		return nil, err
	}
	c := &credentials{Secure: s, storePassword: newPassword()}
	if c.node, err = a.node(); err != nil {
		return nil, err
	}
	if c.admin, err = c.newUser(adminName, a); err != nil {
		return nil, err
	}
	c.alice, err = c.newUser(aliceName, a)
	return c, err
}

func (c *credentials) newUser(name string, a *authority) (user, error) {
	u := user{name: name, password: newPassword()}
	if c.MTLS {
		certificate, err := a.client(name)
		if err != nil {
			return u, err
		}
		u.certificate = &certificate
	}
	return u, nil
}

// newPassword has letters and digits only: nothing that any syntax has to escape.
func newPassword() secret.Text { return secret.New(rand.Text()) }

// maxReauth makes a node look again at the token of a connection, in
// milliseconds. Unless connections.max.reauth.ms is set, a token is looked at
// when a connection opens, and may expire unseen after that.
const maxReauth = "5000"

// nodeProperties are those of a secured node, to lay over the usual ones. People
// use the listener CLIENTS. INTERNAL and CONTROLLER are for the nodes, which show
// each other their certificate; so nothing is open to one who has none.
func (c *credentials) nodeProperties(n localNode) map[string]string {
	clients, internal := "CLIENTS://"+loopback(n.Port), "INTERNAL://"+loopback(n.InternalPort)
	p := map[string]string{
		"listeners":                      clients + "," + internal + ",CONTROLLER://" + loopback(n.ControllerPort),
		"advertised.listeners":           clients + "," + internal,
		"listener.security.protocol.map": "CLIENTS:" + c.protocol() + ",INTERNAL:SSL,CONTROLLER:SSL",
		"inter.broker.listener.name":     "INTERNAL",

		"ssl.keystore.type":       "PEM",
		"ssl.keystore.location":   n.Keystore,
		"ssl.truststore.type":     "PEM",
		"ssl.truststore.location": n.Truststore,

		"listener.name.internal.ssl.client.auth":   "required",
		"listener.name.controller.ssl.client.auth": "required",
	}
	if c.MTLS {
		p["listener.name.clients.ssl.client.auth"] = "required"
	}
	if c.SASL != "" {
		p["listener.name.clients.sasl.enabled.mechanisms"] = string(c.SASL)
		ofMechanism := "listener.name.clients." + strings.ToLower(string(c.SASL)) + "."
		p[ofMechanism+"sasl.jaas.config"] = c.nodeJAAS()
		if c.SASL == security.OAuthBearer {
			p[ofMechanism+"connections.max.reauth.ms"] = maxReauth
		}
	}
	if c.ACL {
		p["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		p["super.users"] = "User:CN=" + nodeName + ";" + c.principal(adminName)
	}
	return p
}

// Kafka's login modules, of nodes and of clients.
const (
	plainModule = "org.apache.kafka.common.security.plain.PlainLoginModule required"
	scramModule = "org.apache.kafka.common.security.scram.ScramLoginModule required"
	oauthModule = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
)

// nodeJAAS is the sasl.jaas.config of a node. Only PLAIN has its users there:
// SCRAM's are in the cluster's metadata, and tokens name theirs.
//
// For OAUTHBEARER nothing more is needed: Kafka 4.3.1 still takes unsecured tokens,
// as a listener without a sasl.server.callback.handler.class has its
// OAuthBearerUnsecuredValidatorCallbackHandler, and a client without a
// sasl.login.callback.handler.class OAuthBearerUnsecuredLoginCallbackHandler.
func (c *credentials) nodeJAAS() string {
	switch c.SASL {
	case security.Plain:
		return fmt.Sprintf(plainModule+` user_%s="%s" user_%s="%s";`,
			c.admin.name, c.admin.password.Reveal(), c.alice.name, c.alice.password.Reveal())
	case security.OAuthBearer:
		return oauthModule + ";"
	default:
		return scramModule + ";"
	}
}

// clientJAAS is the sasl.jaas.config of a client.
func (c *credentials) clientJAAS(u user) string {
	switch c.SASL {
	case security.OAuthBearer:
		return fmt.Sprintf(oauthModule+` unsecuredLoginStringClaim_sub="%s";`, u.name)
	case security.Plain:
		return fmt.Sprintf(plainModule+` username="%s" password="%s";`, u.name, u.password.Reveal())
	default:
		return fmt.Sprintf(scramModule+` username="%s" password="%s";`, u.name, u.password.Reveal())
	}
}

// asNode is how one node connects to another.
func (c *credentials) asNode() security.Security {
	return security.Security{TLS: &security.TLS{
		Roots: []*x509.Certificate{c.node.authority},
		Certificate: &tls.Certificate{
			Certificate: [][]byte{c.node.certificate.Raw},
			PrivateKey:  c.node.key,
			Leaf:        c.node.certificate,
		},
	}}
}

// scramIterations is the least that Kafka takes (RFC 7677 recommends the same for
// SHA-256). More would guard no random password better, and slows each connection.
const scramIterations = 4096

// scramUsers are the users as the cluster's metadata takes them.
func (c *credentials) scramUsers() []kadm.UpsertSCRAM {
	mechanism := kadm.ScramSha256
	if c.SASL == security.ScramSHA512 {
		mechanism = kadm.ScramSha512
	}
	var users []kadm.UpsertSCRAM
	for _, u := range []user{c.admin, c.alice} {
		users = append(users, kadm.UpsertSCRAM{
			User: u.name, Mechanism: mechanism, Iterations: scramIterations, Password: u.password.Reveal(),
		})
	}
	return users
}
