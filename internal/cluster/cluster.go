// Package cluster connects to a Kafka cluster and administers it.
//
// Addresses enter; a connected Cluster leaves, with its topics, groups and lag,
// and with the guard against load on somebody's production. Every failure to
// connect is one sentence that wraps ErrUnreachable or ErrNotAllowed.
//
// Names, ids and messages that come from a cluster are returned as they came:
// they may hold control characters, and whoever prints them must strip those.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/security"
)

const (
	// connectLimit bounds Connect whatever the timeouts say, so that a command
	// ends within 10 s.
	connectLimit = 9500 * time.Millisecond
	// maxAnswerWait bounds the wait for the first answer of a broker that has
	// accepted the connection.
	maxAnswerWait = 5 * time.Second
)

// Config says where a cluster is and how long to wait for it.
type Config struct {
	// Brokers are the addresses to start from, HOST:PORT. At least one.
	Brokers []string
	// ClientID is what the broker sees and logs; default "redline".
	ClientID string
	// Security says how the connection is encrypted and as whom it is made;
	// default plaintext, as nobody.
	Security security.Security
	// Timeout bounds each administrative action as a whole; default 10 s.
	// Connect itself never takes more than 10 s, and gives a broker that
	// accepted the connection half of Timeout, at most 5 s, for its first answer.
	Timeout time.Duration
	// DialTimeout bounds one TCP connection, name lookup included, and as long
	// again its TLS handshake; default 3 s.
	DialTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "redline"
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = 3 * time.Second
	}
	c.DialTimeout = min(c.DialTimeout, c.Timeout)
	return c
}

func (c Config) answerWait() time.Duration { return min(c.Timeout/2, maxAnswerWait) }

// Broker is one broker as the cluster advertises it.
type Broker struct {
	ID   int32
	Host string
	Port int32
}

// Address is the broker's HOST:PORT.
func (b Broker) Address() string {
	return net.JoinHostPort(b.Host, strconv.FormatInt(int64(b.Port), 10))
}

// metadataMinAge is how long the client trusts what it knows of topics.
const metadataMinAge = 100 * time.Millisecond

// Cluster is a connection to a Kafka cluster. Its methods may be called from
// several goroutines.
type Cluster struct {
	config     Config
	client     *kgo.Client
	admin      *kadm.Client
	id         string
	brokers    []Broker
	controller int32
	loopback   bool
	connects   connects
}

// connects remembers why the client's last connection failed: it retries by
// itself, and then says only that time is up.
type connects struct {
	mu   sync.Mutex
	last error
}

// OnBrokerConnect is kgo's hook; err is nil after the first exchange.
func (c *connects) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	c.mu.Lock()
	c.last = err
	c.mu.Unlock()
}

func (c *connects) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Connect connects to the cluster at c.Brokers: it dials, asks for ApiVersions
// and Metadata, and sees that a broker can be reached where the cluster
// advertises it. It takes Config.Timeout, and never more than 10 s; the error
// says what to do and wraps ErrUnreachable or ErrNotAllowed.
func Connect(ctx context.Context, c Config) (*Cluster, error) {
	c = c.withDefaults()
	if len(c.Brokers) == 0 {
		return nil, errors.New("no broker to connect to: name one with -b HOST:PORT")
	}
	ctx, cancel := context.WithTimeout(ctx, min(c.Timeout, connectLimit))
	defer cancel()
	entry, err := probeAny(ctx, c, c.Brokers)
	if err != nil {
		return nil, err
	}
	cl, err := open(c, entry)
	if err != nil {
		return nil, err
	}
	if err := cl.learn(ctx, entry); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// probeAny probes all addresses at once and returns the first that answers as a
// Kafka, or the error of the first address in the list.
func probeAny(ctx context.Context, c Config, addresses []string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	errs := make([]error, len(addresses))
	answers := make(chan int, len(addresses))
	for i, address := range addresses {
		all.Go(func() {
			errs[i] = probe(ctx, c, address)
			answers <- i
		})
	}
	for range addresses {
		if i := <-answers; errs[i] == nil {
			return addresses[i], nil
		}
	}
	if len(addresses) > 1 {
		return "", noneOf(addresses, errs[0])
	}
	return "", errs[0]
}

// noneOf keeps the kind of the first address's error.
func noneOf(addresses []string, first error) error {
	p := &problem{
		text:  fmt.Sprintf("none of %d brokers (%s) can be used; the first: %v", len(addresses), listed(addresses), first),
		class: ErrUnreachable, cause: first,
	}
	if known, ok := errors.AsType[*problem](first); ok {
		p.class, p.kind = known.class, known.kind
	}
	return p
}

// open makes the client. It starts from entry alone: the client would pick from
// a list by chance, and wait where a broker is silent.
func open(c Config, entry string) (*Cluster, error) {
	cl := &Cluster{config: c, controller: -1}
	client, err := kgo.NewClient(append(c.options(entry), kgo.WithHooks(&cl.connects))...)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to %s: %w", entry, err)
	}
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(int32(min(c.Timeout, time.Hour) / time.Millisecond))
	cl.client, cl.admin = client, admin
	return cl, nil
}

// options are those of every client of this package.
func (c Config) options(seeds ...string) []kgo.Opt {
	return append(c.Security.FranzOptions(c.DialTimeout),
		kgo.SeedBrokers(seeds...),
		kgo.ClientID(c.ClientID),
		kgo.RetryTimeout(c.Timeout),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.DisableClientMetrics(),
	)
}

// attempt is what is known of a connection to address ("": not known which).
func (c Config) attempt(address string, needs ...ACL) Attempt {
	return Attempt{Address: address, Security: c.Security, Needs: needs, Timeout: c.Timeout, DialTimeout: c.DialTimeout}
}

// learn reads who the cluster is, and sees that a broker is where it says.
func (c *Cluster) learn(ctx context.Context, entry string) error {
	meta, err := c.admin.BrokerMetadata(ctx)
	if err != nil {
		return c.greeting(ctx, entry, err)
	}
	c.id, c.controller = meta.Cluster, meta.Controller
	for _, b := range meta.Brokers {
		c.brokers = append(c.brokers, Broker{b.NodeID, b.Host, b.Port})
	}
	if len(c.brokers) == 0 {
		return unreachable(KindNoBrokers, nil, "%s is a Kafka but names no broker that is alive. It may be starting: try again in a moment, or look into its log.", entry)
	}
	c.loopback = allLoopback(ctx, c.brokers)
	return c.checkAdvertised(ctx, entry)
}

// greeting names what went wrong between the first answer of a Kafka and its
// word on who it is: authentication, mostly.
func (c *Cluster) greeting(ctx context.Context, entry string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("asking %s which brokers it has: %w", entry, context.Canceled)
	}
	if isTimeout(err) {
		if last := c.connects.lastError(); last != nil && !isTimeout(last) {
			err = last
		}
	}
	attempt := c.config.attempt(entry)
	kind := attempt.recognise(err)
	if kind == KindTimeout {
		return unreachable(kind, err, "%s is a Kafka but did not say which brokers it has within %s (--timeout). It may be starting, or have no quorum of controllers: look into its log.", entry, min(c.config.Timeout, connectLimit))
	}
	if asked := askOffered(ctx, c.config, entry, err); asked != nil {
		return asked
	}
	if kind == "" {
		return unreachable(KindProtocol, err, "%s is a Kafka, but the connection fails: %s. Look into its log.", entry, innermost(err))
	}
	return attempt.problem(kind, err)
}

// checkAdvertised sees that at least one broker can be reached at the address
// that the cluster advertises: that is where clients will go, and it is often
// another than the one typed.
func (c *Cluster) checkAdvertised(ctx context.Context, entry string) error {
	const enough = 16 // of a large cluster, some brokers tell for all
	var advertised []string
	for _, b := range c.brokers {
		if b.Address() == entry {
			return nil
		}
		if len(advertised) < enough {
			advertised = append(advertised, b.Address())
		}
	}
	_, err := probeAny(ctx, c.config, advertised)
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return unreachable(KindAdvertised, err, "%s answers, but the cluster advertises its brokers at %s, and that cannot be used from here: %v Correct advertised.listeners of the broker, or run redline where that address works.",
		entry, listed(advertised), err)
}

func allLoopback(ctx context.Context, brokers []Broker) bool {
	for _, b := range brokers {
		if !isLoopbackHost(ctx, b.Host) {
			return false
		}
	}
	return len(brokers) > 0
}

// ID is the cluster's id; empty when it has none.
func (c *Cluster) ID() string { return c.id }

// Brokers are the brokers that were alive at Connect, as advertised.
func (c *Cluster) Brokers() []Broker { return append([]Broker(nil), c.brokers...) }

// Controller is the id of the broker that acts as controller, or -1.
func (c *Cluster) Controller() int32 { return c.controller }

// Admin is the administrative client, for what this package does not wrap.
func (c *Cluster) Admin() *kadm.Client { return c.admin }

// Client is the client below Admin. It belongs to c: do not close it.
func (c *Cluster) Client() *kgo.Client { return c.client }

// IsLoopback says whether every broker that the cluster advertised at Connect
// resolves to a loopback address: the load stays on this machine.
func (c *Cluster) IsLoopback() bool { return c.loopback }

// Ping asks whether the cluster still answers. The error is classified.
func (c *Cluster) Ping(ctx context.Context) error {
	ctx, cancel := c.action(ctx)
	defer cancel()
	if err := c.client.Ping(ctx); err != nil {
		return c.explain(ctx, "asking the cluster whether it is there", err)
	}
	return nil
}

// Close ends every connection and goroutine.
func (c *Cluster) Close() { c.client.Close() }

// action bounds one administrative action.
func (c *Cluster) action(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.config.Timeout)
}
