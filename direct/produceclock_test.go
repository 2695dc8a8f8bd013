package direct

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"redline/direct/batch"
)

// bubble is a test in fake time.
type bubble struct {
	*testing.T
	cluster *kfake.Cluster
	reach   []kgo.Opt    // how it is reached
	dialed  atomic.Int64 // connections
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// clocked runs a test in fake time, with a cluster of a broker that is reached without
// sockets.
func clocked(t *testing.T, partitions int32, do func(*bubble), more ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var net0 kfake.VirtualNetwork
		cluster, err := kfake.NewCluster(append(more, kfake.NumBrokers(1), kfake.Ports(19092), kfake.ListenFn(net0.Listen), kfake.SeedTopics(partitions, "topic"))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		b := &bubble{T: t, cluster: cluster, dial: net0.DialContext}
		b.reach = []kgo.Opt{
			kgo.SeedBrokers(cluster.ListenAddrs()...),
			kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
				b.dialed.Add(1)
				return b.dial(ctx, network, address)
			}),
		}
		do(b)
	})
}

// cuttable makes all connections of the test be ones that can be cut.
func (b *bubble) cuttable() *cuttable {
	c := &cuttable{through: b.dial}
	b.dial = c.dial
	return c
}

// guarded are the options of a broker that knows one user, for so long at a time, 0 for
// ever.
func guarded(session time.Duration) []kfake.Opt {
	opts := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "secret")}
	if session > 0 {
		opts = append(opts, kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": fmt.Sprint(session.Milliseconds())}))
	}
	return opts
}

// authenticate makes the test's clients be the one that a guarded broker knows.
func (b *bubble) authenticate() {
	b.reach = append(b.reach, kgo.SASL(plain.Auth{User: "me", Pass: "secret"}.AsMechanism()))
}

// refusing makes the broker refuse credentials while it is set.
func (b *bubble) refusing() *atomic.Bool {
	var on atomic.Bool
	b.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		if !on.Load() {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	return &on
}

// ending is what ends a client.
func (b *bubble) ending(closing func(context.Context) error) func() {
	return func() {
		if err := closing(b.Context()); err != nil {
			b.Error(err)
		}
	}
}

// produce makes a producer, and what ends it.
func (b *bubble) produce(cfg ProducerConfig) (*Producer, *ackBook, func()) {
	b.Helper()
	book := newAckBook(b)
	cfg.Kafka, cfg.Topic, cfg.OnAck, cfg.OnError = b.reach, "topic", book.take, book.err
	p, err := NewProducer(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return p, book, b.ending(p.Close)
}

func TestABatchGoesAfterLingerExactly(t *testing.T) {
	clocked(t, 3, func(t *bubble) {
		p, book, end := t.produce(ProducerConfig{Linger: 50 * time.Millisecond})
		defer end()
		began := time.Now()
		if err := p.Send(t.Context(), Record{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		// Half of Linger is over for it when the first one goes, so it goes too.
		if err := p.Send(t.Context(), Record{Partition: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Millisecond)
		synctest.Wait()
		if n, _ := book.records(); n > 0 {
			t.Errorf("after %v one has gone", time.Since(began))
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n, _ := book.records(); n != 2 {
			t.Errorf("after %v %d are acknowledged", time.Since(began), n)
		}
	})
}

func TestAConnectionThatWasIdleIsReplacedQuietly(t *testing.T) {
	for _, acks := range []Acks{AcksAll, AcksNone} {
		clocked(t, 1, func(t *bubble) {
			p, book, end := t.produce(ProducerConfig{Acks: acks, AtMostOnce: true})
			defer end()
			for round := range 5 {
				sendNumbers(t, p, 10*round, 10)
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := t.dialed.Load()
				time.Sleep(produceIdle + time.Second)
				sendNumbers(t, p, 10*round+1000, 1)
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if t.dialed.Load() == before {
					t.Error("no connection was made")
				}
			}
			if len(book.errs) > 0 {
				t.Errorf("something went wrong: %v", errors.Join(book.errs...))
			}
		})
	}
}

func TestABatchFailsAfterTwoMinutesOfTrouble(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		p, book, end := t.produce(ProducerConfig{})
		defer end()
		hit := failing(t.cluster, -1, kerr.NotEnoughReplicas)
		began := time.Now()
		sendNumbers(t, p, 0, 10)
		err := p.Flush(t.Context())
		if took := time.Since(began); !errors.Is(err, kerr.NotEnoughReplicas) || took < 2*time.Minute || took > 2*time.Minute+2*time.Second {
			t.Errorf("after %v it says: %v", took, err)
		}
		if n := hit.Hits(); n < 100 || n > 200 {
			t.Errorf("it was tried %d times", n)
		}
		if n, failed := book.records(); n != 10 || failed != 10 || book.all[0].Landed != NotInLog {
			t.Errorf("%d were told of, %d failed: %+v", n, failed, book.all)
		}
		hit.Remove()
		sendNumbers(t, p, 10, 10)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// muted is a connection over which nothing comes any more once a request of a kind went out.
type muted struct {
	net.Conn
	key  uint16
	mute atomic.Bool
}

func (m *muted) Write(b []byte) (int, error) {
	if len(b) > 8 && binary.BigEndian.Uint16(b[4:]) == m.key && int(binary.BigEndian.Uint32(b)) >= len(b)-4 {
		m.mute.Store(true)
	}
	return m.Conn.Write(b)
}

func (m *muted) Read(b []byte) (int, error) {
	for {
		n, err := m.Conn.Read(b)
		if !m.mute.Load() || err != nil {
			return n, err
		}
	}
}

func TestABrokerThatStaysSilentLeavesBatchesInDoubt(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		dial := t.dial
		t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &muted{Conn: conn, key: produceKey}, err
		}
		p, book, _ := t.produce(ProducerConfig{})
		began := time.Now()
		sendNumbers(t, p, 0, 10)
		err := p.Close(t.Context())
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Minute+45*time.Second+2*time.Second {
			t.Errorf("after %v it says: %v", took, err)
		}
		if book.all[0].Landed != InDoubt || !strings.Contains(book.all[0].Err.Error(), "45s") || t.dialed.Load() < 4 {
			t.Errorf("over %d connections: %+v", t.dialed.Load(), book.all)
		}
	})
}

func TestAClusterThatIsGoneForHoursIsFoundAgain(t *testing.T) {
	clocked(t, 2, func(t *bubble) {
		var down atomic.Bool
		var last atomic.Pointer[net.Conn]
		dial := t.dial
		t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if down.Load() {
				return nil, errors.New("there is no way")
			}
			conn, err := dial(ctx, network, address)
			last.Store(&conn)
			return conn, err
		}
		p, book, end := t.produce(ProducerConfig{DeliveryTimeout: 3 * time.Hour})
		defer end()
		sendNumbers(t, p, 0, 10)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		down.Store(true)
		(*last.Load()).Close()
		sendNumbers(t, p, 10, 10)
		before := t.dialed.Load()
		time.Sleep(2 * time.Hour)
		if n := t.dialed.Load() - before; n < 100 || n > 100_000 {
			t.Errorf("it was dialled %d times", n)
		}
		down.Store(false)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if n, failed := book.records(); n != 20 || failed > 0 {
			t.Errorf("%d records were told of, and %d failed", n, failed)
		}
	})
}

func TestPartitionsAreFoundWithoutTrouble(t *testing.T) {
	for age, opts := range map[time.Duration][]kgo.Opt{
		5 * time.Minute: nil, 20 * time.Second: {kgo.MetadataMaxAge(20 * time.Second)},
	} {
		clocked(t, 1, func(t *bubble) {
			t.reach = append(t.reach, opts...)
			p, _, end := t.produce(ProducerConfig{})
			defer end()
			cl, err := kgo.NewClient(t.reach...)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if _, err := kadm.NewClient(cl).UpdatePartitions(t.Context(), 3, "topic"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(age - time.Second)
			if p.Partitions() != 1 {
				t.Errorf("before %v it asked", age)
			}
			time.Sleep(2 * time.Second)
			if p.Partitions() != 3 {
				t.Errorf("after %v %d partitions are known of", age, p.Partitions())
			}
		})
	}
}

func TestAnIdleSessionIsRenewedBeforeItIsUsed(t *testing.T) {
	for _, acks := range []Acks{AcksAll, AcksLeader} {
		clocked(t, 1, func(t *bubble) {
			t.authenticate()
			p, book, end := t.produce(ProducerConfig{Acks: acks, AtMostOnce: true})
			defer end()
			for round := range 5 {
				sendNumbers(t, p, 10*round, 10)
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(produceIdle - time.Second) // the session has ended meanwhile
			}
			if n, failed := book.records(); n != 50 || failed > 0 || len(book.errs) > 0 {
				t.Errorf("%d records were told of, %d failed: %v", n, failed, errors.Join(book.errs...))
			}
		}, guarded(time.Minute)...)
	}
}

func TestAProducerEndsWhenRefusalsLast(t *testing.T) {
	for what, lasts := range map[string]time.Duration{"they pass": 3 * time.Second, "they last": time.Hour} {
		clocked(t, 2, func(t *bubble) {
			t.authenticate()
			net := t.cuttable()
			p, book, _ := t.produce(ProducerConfig{})
			defer func() { _ = p.Close(t.Context()) }() // what failed was looked at
			sendNumbers(t, p, 0, 10)
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			refuse := t.refusing()
			refuse.Store(true)
			time.AfterFunc(lasts, func() { refuse.Store(false) })
			net.cut()
			began := time.Now()
			sendNumbers(t, p, 10, 10)
			err := p.Flush(t.Context())
			took := time.Since(began)
			if !book.met(kerr.SaslAuthenticationFailed) {
				t.Errorf("%s: nobody was told: %v", what, errors.Join(book.errs...))
			}
			if lasts < refusedFor {
				if n, failed := book.records(); err != nil || n != 20 || failed > 0 {
					t.Errorf("%s: %d were told of, %d failed: %v", what, n, failed, err)
				}
				return
			}
			if !errors.Is(err, kerr.SaslAuthenticationFailed) || took < refusedFor || took > 2*refusedFor {
				t.Errorf("%s: after %v Flush says: %v", what, took, err)
			}
			if err := p.Send(t.Context(), Record{}); !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Errorf("%s: Send says: %v", what, err)
			}
			if n, failed := book.records(); n != 20 || failed != 10 {
				t.Errorf("%s: %d were told of, %d failed", what, n, failed)
			}
		}, guarded(0)...)
	}
}

func TestAProducerEndsWhenAccessStaysAway(t *testing.T) {
	clocked(t, 2, func(t *bubble) {
		p, book, _ := t.produce(ProducerConfig{})
		defer func() { _ = p.Close(t.Context()) }() // what failed was looked at
		hit := failing(t.cluster, 3, kerr.TopicAuthorizationFailed)
		for i := range 3 { // these fail alone
			sendNumbers(t, p, i, 1)
			if err := p.Flush(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Fatalf("record %d: %v", i, err)
			}
			time.Sleep(time.Second)
		}
		sendNumbers(t, p, 4, 1)
		if err := p.Flush(t.Context()); err != nil || hit.Hits() != 3 {
			t.Fatalf("allowed again, after %d refusals: %v", hit.Hits(), err)
		}
		failing(t.cluster, -1, kerr.TopicAuthorizationFailed)
		began := time.Now()
		for p.Send(t.Context(), Record{}) == nil && time.Since(began) < time.Minute {
			time.Sleep(500 * time.Millisecond)
		}
		if took := time.Since(began); took < refusedFor || took > 2*refusedFor {
			t.Errorf("it ended after %v", took)
		}
		if err := p.Send(t.Context(), Record{}); !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), refusedFor.String()) {
			t.Errorf("Send says: %v", err)
		}
		if n, failed := book.records(); n < 10 || failed != n-1 {
			t.Errorf("%d were told of, %d failed", n, failed)
		}
	})
}

func TestAbortDropsWhatIsLeftAtOnce(t *testing.T) {
	for _, closing := range []bool{false, true} { // while Close waits
		clocked(t, 1, func(t *bubble) {
			dial := t.dial
			t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return &muted{Conn: conn, key: produceKey}, err
			}
			p, book, _ := t.produce(ProducerConfig{BatchBytes: 1100, Compression: batch.LZ4})
			began := time.Now()
			sendNumbers(t, p, 0, 1000)
			synctest.Wait()
			closed := make(chan error, 1)
			if closing {
				go func() { closed <- p.Close(t.Context()) }()
				synctest.Wait()
			}
			err := p.Abort(t.Context())
			if closing {
				err = errors.Join(err, <-closed)
			}
			if took := time.Since(began); took > 0 || !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "1000 records failed") {
				t.Errorf("after %v it says: %v", took, err)
			}
			kinds := map[Landing]int{}
			for _, a := range book.all {
				kinds[a.Landed] += a.Records
			}
			if n, failed := book.records(); n != 1000 || failed != 1000 || kinds[InDoubt] == 0 || kinds[NotInLog] == 0 || kinds[InLog] > 0 {
				t.Errorf("%d were told of, %d failed: %v", n, failed, kinds)
			}
			if err := p.Send(t.Context(), Record{}); !errors.Is(err, ErrClosed) {
				t.Errorf("Send says: %v", err)
			}
			if err := errors.Join(p.Abort(t.Context()), p.Close(t.Context()), p.Flush(t.Context())); err != nil {
				t.Errorf("again it says: %v", err)
			}
		})
	}
}

func TestAbortEndsWithItsContextWhateverOnAckDoes(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		wake := make(chan struct{})
		p, err := NewProducer(t.Context(), ProducerConfig{Kafka: t.reach, Topic: "topic", OnAck: func(Ack) { <-wake }})
		if err != nil {
			t.Fatal(err)
		}
		sendNumbers(t, p, 0, 10)
		time.Sleep(time.Second)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := p.Abort(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v it says: %v", time.Since(began), err)
		}
		if err := p.Abort(t.Context()); err == nil || !strings.Contains(err.Error(), "OnAck") || time.Since(began) != 3*time.Second+closeGrace {
			t.Errorf("after %v it says: %v", time.Since(began), err)
		}
		close(wake)
		if err := p.Abort(t.Context()); err != nil {
			t.Errorf("at last it says: %v", err)
		}
	})
}

func TestAQuotaDoesNotMakeABrokerSeemSilent(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		p, book, end := t.produce(ProducerConfig{})
		defer end()
		answering(t.cluster, 1, func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
			r.ThrottleMillis = 1<<31 - 1 // and more than anybody waits
		})
		began := time.Now()
		sendNumbers(t, p, 0, 1)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("it took %v", took)
		}
		if len(book.errs) != 1 || !errors.Is(book.errs[0], kerr.NotEnoughReplicas) {
			t.Errorf("what went wrong: %v", book.errs)
		}
	})
}
