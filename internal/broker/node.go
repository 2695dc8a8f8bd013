package broker

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"redline/internal/journal"
)

const (
	// grace is how long a node may take to end after SIGTERM. A KRaft node that
	// has lost its quorum would wait for minutes.
	grace = 5 * time.Second
	// childPatience leaves a guard time to kill its node and remove the data.
	childPatience = grace + 3*time.Second
)

// node is one child and the broker process it stands for: a guard and its Java,
// or the embedded broker or the null sink, which are both.
type node struct {
	// id is Kafka's node id.
	id   int
	role string
	// order is what the child is told to do.
	order any
	// log is the file that the child and the broker process write to.
	log string
	// metrics is the URL of the JMX exporter, or empty.
	metrics string
	spawner *spawner
	// died is called when the broker process ends without Kill or stop.
	died func(n *node, how string)

	// life keeps a start and the stop apart; stopped is final.
	life    sync.Mutex
	stopped bool

	mu    sync.Mutex
	child *child
	addrs []string
	// pid of the broker process, 0 when there is none.
	pid int
	// exit says how it ended last, empty while it was not seen to end.
	exit   string
	killed bool
	// changed is closed, and replaced, at every report.
	changed chan struct{}
}

// start starts the child, and with it the broker process.
func (n *node) start() error {
	n.life.Lock()
	defer n.life.Unlock()
	if n.stopped {
		return errors.New("the broker was stopped")
	}
	n.mu.Lock()
	n.changed = make(chan struct{})
	n.exit, n.killed = "", false
	n.mu.Unlock()
	c, err := startChild(n.spawner, n.role, n.order, n.log, n.hear, n.childEnded)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.child = c
	n.mu.Unlock()
	return nil
}

// restart starts the broker process after kill.
func (n *node) restart() error {
	if order, held := n.order.(*heldOrder); held {
		order.Ports = portsOf(n.addresses())
		return n.start()
	}
	n.mu.Lock()
	n.exit, n.killed = "", false
	c := n.child
	n.mu.Unlock()
	return c.tell(commandStart)
}

func (n *node) hear(r report) {
	switch {
	case r.PID != 0:
		n.change(func() {
			n.pid = r.PID
			if r.Addrs != nil {
				n.addrs = r.Addrs
			}
		})
	case r.Exit != "":
		n.ended(r.Exit)
	}
}

// childEnded also covers a child that could not report any more.
func (n *node) childEnded(how string) {
	n.mu.Lock()
	reported := n.exit != ""
	n.mu.Unlock()
	if !reported {
		n.ended(how)
	}
}

func (n *node) ended(how string) {
	n.mu.Lock()
	killed := n.killed
	n.mu.Unlock()
	if !killed {
		// First the cause, then the news: who sees the end must find why.
		n.died(n, how)
	}
	n.change(func() { n.pid, n.exit = 0, how })
}

func (n *node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// await waits until cond, which may read n's fields, is true. A process that
// ends meanwhile makes it fail, unless cond is about that.
func (n *node) await(ctx context.Context, cond func() bool) error {
	for {
		n.mu.Lock()
		met, exit, changed := cond(), n.exit, n.changed
		n.mu.Unlock()
		switch {
		case met:
			return nil
		case exit != "":
			return errors.New("its process ended: " + exit)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// kill ends the broker process with SIGKILL.
func (n *node) kill(ctx context.Context) error {
	n.mu.Lock()
	n.killed = true
	c, pid := n.child, n.pid
	n.mu.Unlock()
	if pid == 0 {
		return nil
	}
	var err error
	if n.role != childGuard {
		err = c.cmd.Process.Kill()
	} else {
		err = c.tell(commandKill)
	}
	if err != nil {
		return err
	}
	return n.await(ctx, func() bool { return n.pid == 0 })
}

// stop ends child and broker process.
func (n *node) stop(ctx context.Context) {
	n.life.Lock()
	n.stopped = true
	n.life.Unlock()
	n.mu.Lock()
	n.killed = true
	c, pid := n.child, n.pid
	n.mu.Unlock()
	if c == nil {
		return
	}
	running := journal.ProcessOf(pid)
	c.end(ctx, childPatience)
	if pid != 0 {
		// Only if the guard itself had to be killed is anything left to do here.
		killProcess(running)
	}
}

func (n *node) addresses() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.addrs...)
}

func (n *node) process() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid
}

// processes are those that a later start has to kill if we and the pipes fail.
func (n *node) processes() []journal.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ps []journal.Process
	if n.child != nil {
		ps = append(ps, journal.ProcessOf(n.child.cmd.Process.Pid))
	}
	if n.pid != 0 && n.role == childGuard {
		ps = append(ps, journal.ProcessOf(n.pid))
	}
	return ps
}

// killProcess kills a process and its group, if it is still the same one, and
// waits until it is gone.
func killProcess(p journal.Process) {
	if !p.Alive() {
		return
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	_ = syscall.Kill(p.PID, syscall.SIGKILL)
	for deadline := time.Now().Add(grace); p.Alive() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

func portsOf(addrs []string) []int {
	var ports []int
	for _, a := range addrs {
		_, port, _ := net.SplitHostPort(a)
		n, _ := strconv.Atoi(port)
		ports = append(ports, n)
	}
	return ports
}
