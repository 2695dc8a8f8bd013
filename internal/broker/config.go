package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"syscall"
)

// DefaultVersion is the Apache Kafka that Local starts unless told otherwise.
const DefaultVersion = "4.3.1"

// Config is what to start. Its zero value is an embedded broker of one node on a
// free port.
type Config struct {
	// Kind is Embedded (default), Local or Null.
	Kind Kind
	// Nodes is the number of brokers, default 1. With 3 or more, replication is 3
	// and min.insync.replicas 2 by default. The null sink has one node.
	Nodes int
	// Version of Apache Kafka for Local, such as "3.9.2"; default DefaultVersion.
	Version string
	// Home is the folder of an unpacked Apache Kafka distribution for Local (it
	// holds libs/). Empty: the jars of Version come by Maven into the cache folder.
	Home string
	// DataDir is the parent folder for the nodes' data; it decides what storage is
	// measured. Default: beside the state file, on disk. The embedded broker keeps
	// records in memory whatever it says, and the null sink none.
	DataDir string
	// Port is the first node's; the others take the ones after it. 0: free ports.
	Port int
	// Heap is Java's -Xms and -Xmx for Local; default "1g".
	Heap string
	// Secure is how clients of Local connect; its zero value is plaintext.
	Secure Secure
	// Properties are broker properties of the user; they win over ours.
	Properties map[string]string
	// Say, if not nil, is told in sentences what takes long.
	Say func(string)
}

var (
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	heapForm    = regexp.MustCompile(`^[1-9]\d*[kKmMgG]?$`)
)

// complete returns c with defaults in, or the first thing wrong with it.
func (c Config) complete() (Config, error) {
	c.Kind = orDefault(c.Kind, Embedded)
	c.Version = orDefault(c.Version, DefaultVersion)
	c.Heap = orDefault(c.Heap, "1g")
	c.Nodes = orDefault(c.Nodes, 1)
	if c.Say == nil {
		c.Say = func(string) {}
	}
	for _, check := range []struct {
		wrong bool
		say   string
	}{
		{c.Kind != Embedded && c.Kind != Local && c.Kind != Null, fmt.Sprintf("there is no broker kind %q: it is embedded, local or null", string(c.Kind))},
		{c.Nodes < 1 || c.Nodes > maxNodes, fmt.Sprintf("%d nodes: a broker has 1 to %d", c.Nodes, maxNodes)},
		{c.Kind == Null && c.Nodes > 1, fmt.Sprintf("%d nodes: the null sink is one", c.Nodes)},
		{!versionForm.MatchString(c.Version), fmt.Sprintf("%q is no version of Apache Kafka: type it like %s", c.Version, DefaultVersion)},
		{!heapForm.MatchString(c.Heap), fmt.Sprintf("%q is no heap size: type it like 512m or 1g", c.Heap)},
		{c.Port < 0 || c.Port+c.Nodes-1 > 65535, fmt.Sprintf("port %d with %d nodes: ports go from 1 to 65535 (0 takes free ones)", c.Port, c.Nodes)},
	} {
		if check.wrong {
			return c, errors.New(check.say)
		}
	}
	var err error
	c.Secure, err = c.Secure.complete(c.Kind)
	return c, err
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// checkPorts tries to listen where the nodes are going to; first = 0 checks
// nothing.
func checkPorts(ctx context.Context, first, nodes int) error {
	if first == 0 {
		return nil
	}
	for port := first; port < first+nodes; port++ {
		addr := loopback(port)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("cannot listen on %s: address already in use. Stop what listens there, or choose another with --port", addr)
		case errors.Is(err, syscall.EACCES):
			return fmt.Errorf("cannot listen on %s: permission denied. Choose a port above 1023 with --port", addr)
		default:
			return fmt.Errorf("cannot listen on %s: %w. Choose another port with --port", addr, err)
		}
	}
	return nil
}

// freePorts returns n different ports that nobody listens on now.
func freePorts(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(0))
		if err != nil {
			return nil, fmt.Errorf("find a free port on 127.0.0.1: %w", err)
		}
		// Open until all are found, so that none is found twice.
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// newClusterID makes an id of Kafka's form: 16 random bytes, base64 for URLs. One
// that starts with "-" would be read as a flag by Kafka's own tools.
func newClusterID() string {
	var id [16]byte
	for {
		_, _ = rand.Read(id[:])
		if s := base64.RawURLEncoding.EncodeToString(id[:]); s[0] != '-' {
			return s
		}
	}
}

// Validate returns the first thing wrong with c that can be seen without
// starting anything. Start checks the same.
func (c Config) Validate() error {
	_, err := c.complete()
	return err
}
