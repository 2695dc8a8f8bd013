package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/security"
)

var (
	// ErrUnreachable says that no broker answered, or what answered is not a Kafka.
	ErrUnreachable = errors.New("cannot reach the cluster")
	// ErrNotAllowed says that the cluster, or our own guard, refuses.
	ErrNotAllowed = errors.New("not allowed")
	// ErrUnknownTopic says that the cluster has no topic of that name.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrTopicExists says that a topic of that name is there already.
	ErrTopicExists = errors.New("topic exists")
	// ErrUnknownGroup says that the cluster has no consumer group of that name.
	ErrUnknownGroup = errors.New("unknown group")
)

// problem is an error that is a whole sentence already. class is one of the
// variables above, or nil; cause is what came back, or nil.
type problem struct {
	text         string
	class, cause error
	kind         Kind
}

func (p *problem) Error() string { return p.text }

func (p *problem) Unwrap() []error {
	var all []error
	for _, err := range []error{p.class, p.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func unreachable(kind Kind, cause error, format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), ErrUnreachable, cause, kind}
}

func notAllowed(kind Kind, cause error, format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), ErrNotAllowed, cause, kind}
}

// Attempt is what is known of a connection or a request that failed: the more,
// the more its sentence says. The zero value knows nothing.
type Attempt struct {
	// Address is the broker's HOST:PORT; if empty, the error may have it.
	Address string
	// Security is how, and as whom, it was tried.
	Security security.Security
	// Needs are the ACLs that the request needs, the likeliest to be missing first.
	Needs []ACL
	// Timeout and DialTimeout are the bounds that were in force; 0: not known.
	Timeout, DialTimeout time.Duration
}

// Classify is Attempt.Classify of an attempt of which nothing is known.
func Classify(err error) error { return Attempt{}.Classify(err) }

// Classify turns an error of a dial, of TLS or of the protocol, as the Kafka
// client libraries in Go return them, into one sentence that says what to do,
// wrapping ErrUnreachable or ErrNotAllowed. An error that is neither, such as one
// about a record, a cancelled context, or one classified before, is returned as
// it is. To name what a token says, its source may be asked again, for 1 s at most.
func (a Attempt) Classify(err error) error {
	var known *problem
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	}
	kind := a.recognise(err)
	if kind == "" {
		return err
	}
	if a.Address == "" {
		a.Address = dialledAddress(err)
	}
	return a.problem(kind, err)
}

// recognise says what kind of failure err is; "" for none of ours.
func (a Attempt) recognise(err error) Kind {
	for _, recognise := range []func(error) Kind{a.recogniseRefusal, a.recogniseTLS, recogniseNetwork} {
		if kind := recognise(err); kind != "" {
			return kind
		}
	}
	return ""
}

// problem makes the sentence of a failure that was recognised.
func (a Attempt) problem(kind Kind, err error) error {
	switch kind {
	case KindSASLExpected, KindSASLUnexpected, KindMechanism, KindAuthentication, KindTokenExpired, KindCredentials:
		return a.authenticationProblem(kind, err)
	case KindNotAuthorized:
		return a.missingACL(err)
	case KindPolicy:
		return notAllowed(kind, err, "the cluster refuses: a policy of its own forbids it (%s). Ask who runs it.", kerrName(err))
	case KindSecurityDisabled:
		return notAllowed(kind, err, "the cluster refuses: it has no security features switched on (%s).", kerrName(err))
	case KindDelegationToken:
		return notAllowed(kind, err, "the cluster refuses: the delegation token is not accepted (%s). Get a new one.", kerrName(err))
	case KindClientCertificateMissing, KindClientCertificateRefused:
		return a.clientCertificateProblem(kind, err)
	}
	if text := a.tlsSentence(kind, err); text != "" {
		return unreachable(kind, err, "%s", text)
	}
	return unreachable(kind, err, "%s", a.networkSentence(kind, err))
}

// dialledAddress is the address in a network error, or words for it.
func dialledAddress(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return op.Addr.String()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Name
	}
	return "the broker"
}

func recogniseNetwork(err error) Kind {
	var network *net.OpError
	switch {
	case isDNS(err):
		return KindDNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return KindNoRoute
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return KindLocalLimit
	case isTimeout(err) && errors.As(err, &network) && network.Op == "dial":
		return KindConnectTimeout
	case isTimeout(err):
		return KindTimeout
	case hungUp(err):
		return KindClosed
	case errors.As(err, &network):
		return KindNetwork
	}
	return ""
}

func (a Attempt) networkSentence(kind Kind, err error) string {
	switch kind {
	case KindDNS:
		var dns *net.DNSError
		errors.As(err, &dns)
		return fmt.Sprintf("cannot reach %s: the name %q does not resolve (%s). Check the spelling, or name another broker with -b.", a.Address, dns.Name, dns.Err)
	case KindRefused:
		return fmt.Sprintf("cannot reach %s: connection refused. Start one with \"redline broker up\", or name yours with -b.", a.Address)
	case KindNoRoute:
		return fmt.Sprintf("cannot reach %s: no route to it from here. Check the network, or name another broker with -b.", a.Address)
	case KindLocalLimit:
		return fmt.Sprintf("cannot reach %s: this machine has no free port or file descriptor left for the connection. Close some, or raise the limit (ulimit -n).", a.Address)
	case KindConnectTimeout:
		return fmt.Sprintf("cannot reach %s: no connection within %s. Check the address and the firewall between, or give it longer with --dial-timeout.", a.Address, bound(a.DialTimeout, "--dial-timeout"))
	case KindTimeout:
		return fmt.Sprintf("%s did not answer within %s. Check the address and the firewall between, or give it longer with --timeout.", a.Address, bound(a.Timeout, "--timeout"))
	case KindClosed:
		return a.closedSentence()
	}
	var network *net.OpError
	errors.As(err, &network)
	return fmt.Sprintf("cannot reach %s: %v. Check the address, or name another broker with -b.", a.Address, network.Err)
}

// closedSentence says what may be meant by hanging up: brokers before 1.0, and
// what stands between, do so at a wrong password too.
func (a Attempt) closedSentence() string {
	may := "may want TLS or SASL"
	if a.Security.SASL != nil {
		may = "may refuse " + who(a.Security.SASL)
	}
	return fmt.Sprintf("%s closed the connection before it answered. It may not be a Kafka, %s, or may be shutting down: look into its log.", a.Address, may)
}

// bound is a time limit for a sentence.
func bound(d time.Duration, flag string) string {
	if d <= 0 {
		return flag
	}
	return d.String()
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// refusals are the protocol's ways to say no.
var refusals = []struct {
	code *kerr.Error
	kind Kind
}{
	{kerr.TopicAuthorizationFailed, KindNotAuthorized},
	{kerr.GroupAuthorizationFailed, KindNotAuthorized},
	{kerr.ClusterAuthorizationFailed, KindNotAuthorized},
	{kerr.TransactionalIDAuthorizationFailed, KindNotAuthorized},
	{kerr.DelegationTokenAuthorizationFailed, KindDelegationToken},
	{kerr.SaslAuthenticationFailed, KindAuthentication},
	{kerr.UnsupportedSaslMechanism, KindMechanism},
	{kerr.PolicyViolation, KindPolicy},
	{kerr.SecurityDisabled, KindSecurityDisabled},
}

func (a Attempt) recogniseRefusal(err error) Kind {
	for _, r := range refusals {
		if errors.Is(err, r.code) {
			return r.kind
		}
	}
	var missing *security.CredentialsError
	switch {
	case errors.As(err, &missing):
		return KindCredentials
	case errors.Is(err, kerr.IllegalSaslState) && a.Security.SASL != nil:
		return KindSASLUnexpected
	case errors.Is(err, kerr.IllegalSaslState):
		return KindSASLExpected
	}
	return ""
}

// kerrName is Kafka's name of an error code, such as TOPIC_AUTHORIZATION_FAILED.
func kerrName(err error) string {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Message
	}
	return err.Error()
}
