// Package broker starts a Kafka to measure and ends it, leaving nothing behind.
//
// A Config enters ("embedded": franz-go's kfake; "local": Apache Kafka in KRaft
// mode, one or several nodes; "null": a sink that keeps nothing); addresses, process ids, metric endpoints and the
// broker's end leave. Either kind runs outside the caller's process, so that
// its CPU, memory and garbage collection are never the client's: the embedded
// broker in a child of the same binary, each Java node under a guard, which is
// the same binary again. Therefore main and every TestMain that reaches Start
// call MaybeChild first.
//
// A child lives as long as the pipe on its standard input is open. It sits in a
// process group of its own, so that the terminal's Ctrl-C does not reach it
// before the last commit of a client; when we die it reads the end of the pipe,
// ends its work and removes its data. What even that cannot clean (a power
// failure, kill -9 of everything) is cleaned at the next Start: each broker has
// a folder with a state file that names its owner and processes.
package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind says what sort of Kafka to start.
type Kind string

const (
	// Embedded is franz-go's kfake: it needs nothing installed, keeps records in
	// memory, and is not Apache Kafka.
	Embedded Kind = "embedded"
	// Local is Apache Kafka on this machine, in KRaft mode, every node broker and
	// controller at once.
	Local Kind = "local"
	// Null is a sink that speaks Kafka's protocol and keeps nothing: what is written
	// gets right offsets and is thrown away, what is read are prepared records. Against
	// it a client is its own limit.
	Null Kind = "null"
)

// maxNodes bounds local:N; a JVM each, on one machine.
const maxNodes = 9

// ParseKind reads "embedded", "null", "local" or "local:N" and returns the kind and the
// number of nodes.
func ParseKind(spec string) (Kind, int, error) {
	switch spec {
	case "embedded":
		return Embedded, 1, nil
	case "null":
		return Null, 1, nil
	case "local":
		return Local, 1, nil
	}
	if count, found := strings.CutPrefix(spec, "local:"); found {
		if n, err := strconv.Atoi(count); err == nil && n >= 1 && n <= maxNodes {
			return Local, n, nil
		}
	}
	return "", 0, fmt.Errorf("there is no Kafka of the kind %q: type embedded, local, or local:N with N from 1 to %d, or null", spec, maxNodes)
}

// Broker is a Kafka that runs.
type Broker struct {
	config  Config
	folder  *folder
	spawner *spawner
	nodes   []*node
	storage string
	cluster string
	version string
	// credentials are a secured broker's, internal the addresses where its nodes meet.
	credentials *credentials
	internal    []string

	done    chan struct{}
	stopped chan struct{}
	mu      sync.Mutex
	err     error
	started bool // a record went through it
	ending  bool
	stopErr error
}

// Start starts a Kafka and returns when a record went through it. Brokers that
// died with their owners are cleaned away first. ctx bounds the start only; the
// Kafka runs until Stop. After an error nothing runs any more, and the error
// names the folder of the logs if there are any worth reading.
func Start(ctx context.Context, c Config) (*Broker, error) {
	return start(ctx, c, false)
}

func start(ctx context.Context, c Config, detached bool) (*Broker, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	if err := checkPorts(ctx, c.Port, c.Nodes); err != nil {
		return nil, err
	}
	if err := sweep(ctx); err != nil {
		return nil, err
	}
	b := &Broker{
		config:  c,
		cluster: newClusterID(),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
		spawner: newSpawner(),
	}
	if err := b.up(ctx, detached); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			b.fail(err)
		}
		_ = b.Stop(context.WithoutCancel(ctx))
		return nil, b.explain(err)
	}
	return b, nil
}

// up does the work of a start; Stop undoes any part of it.
func (b *Broker) up(ctx context.Context, detached bool) error {
	var make func(context.Context) error
	switch b.config.Kind {
	case Embedded:
		make = b.makeEmbedded
	case Local:
		make = b.makeLocal
	case Null:
		make = b.makeNull
	}
	var err error
	if b.folder, err = newFolder(b.config.Kind, detached); err != nil {
		return err
	}
	if err := make(ctx); err != nil {
		return err
	}
	if err := b.save(); err != nil {
		return err
	}
	for _, n := range b.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	if err := b.whileAlive(ctx, b.awaitStarted); err != nil {
		return err
	}
	if err := b.save(); err != nil {
		return err
	}
	if err := b.whileAlive(ctx, b.awaitReady); err != nil {
		return err
	}
	b.mu.Lock()
	b.started = true
	b.mu.Unlock()
	return nil
}

// whileAlive runs f with a context that ends when a node dies; then the death is
// the error, whatever f made of it.
func (b *Broker) whileAlive(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finished := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-b.done:
			cancel()
		case <-finished:
		}
	}()
	err := f(ctx)
	close(finished)
	<-watched
	if err != nil {
		if died := b.Err(); died != nil {
			return died
		}
	}
	return err
}

// awaitStarted waits until every node has told its process id and address.
func (b *Broker) awaitStarted(ctx context.Context) error {
	for _, n := range b.nodes {
		if err := n.await(ctx, func() bool { return n.pid != 0 }); err != nil {
			return fmt.Errorf("node %d did not start: %w", n.id, err)
		}
	}
	return nil
}

// died is told by a node that it ended without being asked to. A cluster goes on
// as long as most of its nodes live: they have a quorum, and each partition a
// replica.
func (b *Broker) died(n *node, how string) {
	b.mu.Lock()
	ending, started := b.ending, b.started
	b.mu.Unlock()
	if ending {
		return
	}
	if started && b.aliveBut(n)*2 > b.config.Nodes {
		b.config.Say(fmt.Sprintf("%s ended by itself (%s); the others go on", b.nodeName(n), how))
		return
	}
	why := ""
	if !strings.HasPrefix(how, "signal: ") {
		// A killed process had no time to write why.
		why = lastWords(n.log)
	}
	b.fail(fmt.Errorf("%s ended by itself (%s)%s. Its logs are in %s", b.nodeName(n), how, why, b.Logs()))
}

// aliveBut counts the nodes that run, but for n.
func (b *Broker) aliveBut(n *node) int {
	alive := 0
	for _, other := range b.nodes {
		if other != n && other.process() != 0 {
			alive++
		}
	}
	return alive
}

func (b *Broker) nodeName(n *node) string {
	switch b.config.Kind {
	case Embedded:
		return "the embedded broker"
	case Null:
		return "the null sink"
	}
	return fmt.Sprintf("node %d of Apache Kafka %s", n.id, b.version)
}

// fail keeps the first error that ends the broker, and closes Done.
func (b *Broker) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
		close(b.done)
	}
}

// explain adds where the logs are, if any were kept.
func (b *Broker) explain(err error) error {
	if b.folder == nil || !b.folder.kept() || strings.Contains(err.Error(), b.Logs()) {
		return err
	}
	return fmt.Errorf("%w (its logs are in %s)", err, b.Logs())
}

// Addrs are the addresses of the nodes, HOST:PORT on 127.0.0.1, to bootstrap
// from.
func (b *Broker) Addrs() []string {
	var addrs []string
	for _, n := range b.nodes {
		addrs = append(addrs, n.addresses()...)
	}
	return addrs
}

// PIDs are the processes that do a broker's work: a Java process for each node
// that runs, or the child that holds the embedded broker or is the null sink. Guards
// are left out.
func (b *Broker) PIDs() []int {
	var pids []int
	for _, n := range b.nodes {
		if pid := n.process(); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// MetricsURLs are the Prometheus endpoints of the nodes' JMX exporters, one per
// node; nil for the embedded broker, and when an unpacked distribution runs
// without the exporter's jar.
func (b *Broker) MetricsURLs() []string {
	var urls []string
	for _, n := range b.nodes {
		if n.metrics != "" {
			urls = append(urls, n.metrics)
		}
	}
	return urls
}

// Description names the Kafka for a reader: "Apache Kafka 4.3.1, 1 node".
func (b *Broker) Description() string {
	nodes := "1 node"
	if b.config.Nodes > 1 {
		nodes = fmt.Sprintf("%d nodes", b.config.Nodes)
	}
	return b.Kafka() + ", " + nodes
}

// Kafka names the software: "Apache Kafka 4.3.1", or what the embedded broker or the
// null sink is.
func (b *Broker) Kafka() string {
	switch b.config.Kind {
	case Embedded:
		return "embedded broker (kfake, not Apache Kafka)"
	case Null:
		return "null sink (answers without storing, not Kafka)"
	}
	return "Apache Kafka " + b.version
}

// Nodes is the number of nodes started.
func (b *Broker) Nodes() int { return b.config.Nodes }

// ClusterID is what the cluster calls itself.
func (b *Broker) ClusterID() string { return b.cluster }

// Storage says where records are kept: "memory", "tmpfs", "disk (ext4)" or, by the null
// sink, "none".
func (b *Broker) Storage() string { return b.storage }

// Logs is the folder with a log file of each node. It goes at Stop, except after
// a failure.
func (b *Broker) Logs() string { return b.folder.logs() }

// Done is closed when a node dies without being asked to; Err then says which
// one, and how its log ends.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err is nil as long as no node died by itself, but for a minority of several.
func (b *Broker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Kill ends one node, counted from 0, with SIGKILL, and returns when it is dead.
// The others go on, and Done stays open. The embedded broker is one process: it
// dies as a whole, with all its records.
func (b *Broker) Kill(node int) error {
	n, err := b.node(node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return n.kill(ctx)
}

// Restart starts a node again that Kill has ended, on its old address and with
// the data it had (the embedded broker and the null sink come back empty), and returns when it
// answers.
func (b *Broker) Restart(ctx context.Context, node int) error {
	n, err := b.node(node)
	if err != nil {
		return err
	}
	if n.process() != 0 {
		return fmt.Errorf("node %d runs already: only a node that was killed can be restarted", node)
	}
	return b.whileAlive(ctx, func(ctx context.Context) error {
		if err := n.restart(); err != nil {
			return err
		}
		if err := n.await(ctx, func() bool { return n.pid != 0 }); err != nil {
			return fmt.Errorf("node %d did not start again: %w", node, err)
		}
		if err := b.save(); err != nil {
			return err
		}
		return b.awaitAdmin(ctx, n.addresses())
	})
}

func (b *Broker) node(i int) (*node, error) {
	if b.config.Kind == Embedded && i >= 0 && i < b.config.Nodes {
		return b.nodes[0], nil
	}
	if i < 0 || i >= len(b.nodes) {
		return nil, fmt.Errorf("there is no node %d: this broker has nodes 0 to %d", i, b.config.Nodes-1)
	}
	return b.nodes[i], nil
}

// Stop ends every node with SIGTERM, after 5 s with SIGKILL, and removes data and
// logs; logs stay when a node had died by itself or the start had failed. When
// ctx ends before, it kills at once. Further calls wait for the first and return
// the same.
func (b *Broker) Stop(ctx context.Context) error {
	b.mu.Lock()
	first := !b.ending
	b.ending = true
	b.mu.Unlock()
	if !first {
		<-b.stopped
		return b.stopErr
	}
	defer close(b.stopped)
	var wait sync.WaitGroup
	for _, n := range b.nodes {
		wait.Go(func() { n.stop(ctx) })
	}
	wait.Wait()
	b.spawner.close()
	if b.folder != nil {
		b.stopErr = b.folder.end(b.Err())
	}
	return b.stopErr
}

// State is what the state file says of the broker.
func (b *Broker) State() State {
	s := b.folder.state
	s.Kafka = b.Kafka()
	s.Nodes = b.config.Nodes
	s.ClusterID = b.cluster
	s.Brokers = nil
	for _, n := range b.nodes {
		s.Brokers = append(s.Brokers, n.addresses()...)
	}
	s.Metrics = b.MetricsURLs()
	s.Storage = b.storage
	s.Logs = b.Logs()
	if c := b.credentials; c != nil {
		s.Security = c.String()
		s.ClientProperties = b.folder.clientProperties(adminName)
		if c.ACL {
			s.Super = c.principal(adminName)
		}
	}
	s.PIDs = b.PIDs()
	s.Processes = nil
	for _, n := range b.nodes {
		s.Processes = append(s.Processes, n.processes()...)
	}
	return s
}

// save writes the state file anew.
func (b *Broker) save() error {
	b.folder.state = b.State()
	return b.folder.save()
}
