package cluster

import "errors"

// Kind says in one word why a cluster could not be used or why it refused, for
// programs that read our output. New ones may be added; none changes its meaning.
type Kind string

// Between this machine and the address.
const (
	KindRefused        Kind = "refused"         // nobody listens there
	KindDNS            Kind = "dns"             // the name does not resolve
	KindNoRoute        Kind = "no-route"        // no way there from here
	KindLocalLimit     Kind = "local-limit"     // no port or file descriptor left here
	KindConnectTimeout Kind = "connect-timeout" // no connection within --dial-timeout
	KindTimeout        Kind = "timeout"         // no answer within --timeout
	KindClosed         Kind = "closed"          // the other side hung up
	KindNetwork        Kind = "network"         // anything else of the network
)

// What is at the address.
const (
	KindHTTP       Kind = "http"       // a web server
	KindNotKafka   Kind = "not-kafka"  // something else
	KindProtocol   Kind = "protocol"   // a Kafka that says what we do not understand
	KindNoBrokers  Kind = "no-brokers" // a Kafka that knows no live broker
	KindAdvertised Kind = "advertised" // a Kafka whose brokers advertise an address that cannot be used
)

// Encryption.
const (
	KindTLSExpected              Kind = "tls-expected"               // we spoke plaintext
	KindTLSUnexpected            Kind = "tls-unexpected"             // we spoke TLS
	KindTLSTimeout               Kind = "tls-timeout"                // no handshake within --dial-timeout
	KindTLSVersion               Kind = "tls-version"                // no version or cipher in common
	KindTLSHandshake             Kind = "tls-handshake"              // broken off, for a reason not told
	KindCertificateUntrusted     Kind = "certificate-untrusted"      // issued by an authority that is not trusted
	KindCertificateName          Kind = "certificate-name"           // made out to another name
	KindCertificateExpired       Kind = "certificate-expired"        // over
	KindCertificateNotYetValid   Kind = "certificate-not-yet-valid"  // not begun
	KindCertificate              Kind = "certificate"                // not accepted, for another reason
	KindClientCertificateMissing Kind = "client-certificate-missing" // the broker wants one
	KindClientCertificateRefused Kind = "client-certificate-refused" // the broker does not take ours
)

// Authentication.
const (
	KindSASLExpected   Kind = "sasl-expected"          // we sent no credentials
	KindSASLUnexpected Kind = "sasl-unexpected"        // the listener takes none
	KindMechanism      Kind = "mechanism-not-offered"  // the listener takes others
	KindAuthentication Kind = "authentication-refused" // user, password or token are not accepted
	KindTokenExpired   Kind = "token-expired"          // a token that is over was sent
	KindCredentials    Kind = "no-credentials"         // a token or key could not be had here
)

// What the cluster, or our own guard, does not allow.
const (
	KindNotAuthorized    Kind = "not-authorized" // an ACL is missing
	KindPolicy           Kind = "policy"         // a rule of the cluster's own
	KindSecurityDisabled Kind = "security-disabled"
	KindDelegationToken  Kind = "delegation-token"
	KindGuard            Kind = "guard"     // not on this machine, and not named with --target
	KindProtected        Kind = "protected" // a protected context, not named with --yes-on
)

// byClass are the kinds of errors that say no more than their class.
var byClass = []struct {
	class error
	kind  string
}{
	{ErrUnknownTopic, "unknown-topic"},
	{ErrTopicExists, "topic-exists"},
	{ErrUnknownGroup, "unknown-group"},
	{ErrUnreachable, "unreachable"},
	{ErrNotAllowed, "not-allowed"},
}

// KindOf is the Kind of a classified error as text; "unknown-topic",
// "topic-exists", "unknown-group", "unreachable" or "not-allowed" for one that
// only wraps that variable of this package; else "".
func KindOf(err error) string {
	if p, ok := errors.AsType[*problem](err); ok && p.kind != "" {
		return string(p.kind)
	}
	for _, c := range byClass {
		if errors.Is(err, c.class) {
			return c.kind
		}
	}
	return ""
}

// lasting are the kinds that stay until somebody changes something.
var lasting = map[Kind]bool{
	KindTLSVersion: true, KindTLSHandshake: true,
	KindCertificateUntrusted: true, KindCertificateName: true, KindCertificateExpired: true, KindCertificateNotYetValid: true, KindCertificate: true,
	KindClientCertificateMissing: true, KindClientCertificateRefused: true,
	KindSASLExpected: true, KindSASLUnexpected: true, KindMechanism: true,
	KindAuthentication: true, KindTokenExpired: true, KindCredentials: true,
}

// Lasting says whether a connection that failed with err will fail again until
// somebody changes credentials or certificates. A client that goes on from lost
// connections must not go on from these for ever.
func (a Attempt) Lasting(err error) bool {
	if p, ok := errors.AsType[*problem](err); ok {
		return lasting[p.kind]
	}
	return err != nil && lasting[a.recognise(err)]
}
