package direct

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// consume makes a consumer of so many partitions, or of a group, and what ends it.
func (b *bubble) consume(partitions int32, cfg ConsumerConfig) (*Consumer, *ackBook, func()) {
	b.Helper()
	book := newAckBook(b)
	cfg.Kafka, cfg.Topic, cfg.OnError = append(b.reach[:len(b.reach):len(b.reach)], cfg.Kafka...), "topic", book.err
	if cfg.Group == "" {
		cfg.Assign = all(partitions, 0)
	}
	c, err := NewConsumer(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return c, book, b.ending(c.Close)
}

// fill writes n records to the partitions in turn.
func (b *bubble) fill(from, n, partitions int) {
	b.Helper()
	fill(b, b.cluster, from, n, partitions, b.reach...)
}

// errorless says what was told to OnError, where nothing should have been.
func (b *bubble) errorless(book *ackBook) {
	b.Helper()
	book.mu.Lock()
	defer book.mu.Unlock()
	if len(book.errs) > 0 {
		b.Errorf("something went wrong: %v", errors.Join(book.errs...))
	}
}

// fetches counts the fetches that the broker gets.
func (b *bubble) fetches() *atomic.Int64 {
	var n atomic.Int64
	b.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		n.Add(1)
		return nil, nil, false
	})
	return &n
}

func TestTheTailIsWaitedAt(t *testing.T) {
	for _, partitions := range []int32{1, 40} { // named, and in a session
		clocked(t, partitions, func(t *bubble) {
			fetches := t.fetches()
			t.fill(0, 100, int(partitions))
			c, book, end := t.consume(partitions, ConsumerConfig{FetchMaxWait: 5 * time.Second, Connections: 1})
			defer end()
			s := see(t)
			s.until(c, 100)
			time.Sleep(time.Second)
			before := fetches.Load()
			time.Sleep(time.Minute)
			if n := fetches.Load() - before; n < 11 || n > 13 {
				t.Errorf("%d partitions: %d fetches in a minute", partitions, n)
			}
			began := time.Now()
			t.fill(100, 10, int(partitions))
			s.until(c, 110)
			if took := time.Since(began); took > time.Second {
				t.Errorf("%d partitions: what was written came after %v", partitions, took)
			}
			s.once(110)
			t.errorless(book)
		})
	}
}

func TestAConsumerFindsAClusterThatWasGoneForHours(t *testing.T) {
	clocked(t, 2, func(t *bubble) {
		var down atomic.Bool
		conns := t.cuttable()
		dial := t.dial
		t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if down.Load() {
				return nil, errors.New("there is no way")
			}
			return dial(ctx, network, address)
		}
		t.fill(0, 100, 2)
		c, book, end := t.consume(2, ConsumerConfig{})
		defer end()
		s := see(t)
		s.until(c, 100)
		down.Store(true)
		conns.cut()
		before := t.dialed.Load()
		time.Sleep(2 * time.Hour)
		if n := t.dialed.Load() - before; n < 100 || n > 100_000 {
			t.Errorf("it was dialled %d times", n)
		}
		down.Store(false)
		t.fill(100, 100, 2)
		s.until(c, 200)
		s.once(200)
		book.mu.Lock()
		defer book.mu.Unlock()
		if len(book.errs) == 0 {
			t.Error("nobody was told")
		}
	})
}

func TestABrokerThatStaysSilentIsAskedOverAnotherConnection(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		t.fill(0, 100, 1)
		var mute atomic.Bool
		mute.Store(true)
		dial := t.dial
		t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if !mute.Load() {
				return conn, err
			}
			return &muted{Conn: conn, key: fetchKey}, err
		}
		began := time.Now()
		c, book, end := t.consume(1, ConsumerConfig{})
		defer end()
		time.Sleep(time.Second)
		synctest.Wait()
		mute.Store(false)
		s := see(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		b, err := c.Next(ctx)
		if took := time.Since(began); err != nil || took < silentFor || took > silentFor+5*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		s.take(b)
		s.until(c, 100)
		s.once(100)
		book.mu.Lock()
		defer book.mu.Unlock()
		if len(book.errs) != 1 || !strings.Contains(book.errs[0].Error(), "was not through after 30.5s") {
			t.Errorf("told: %v", errors.Join(book.errs...))
		}
	})
}

func TestAConsumerEndsWhenRefusalsLast(t *testing.T) {
	for what, lasts := range map[string]time.Duration{"they pass": 3 * time.Second, "they last": time.Hour} {
		clocked(t, 2, func(t *bubble) {
			t.authenticate()
			conns := t.cuttable()
			t.fill(0, 100, 2)
			c, book, end := t.consume(2, ConsumerConfig{})
			defer end()
			s := see(t)
			s.until(c, 100)
			refuse := t.refusing()
			refuse.Store(true)
			time.AfterFunc(lasts, func() { refuse.Store(false) })
			conns.cut()
			began := time.Now()
			if lasts < refusedFor {
				time.Sleep(lasts)
				t.fill(100, 100, 2)
				s.until(c, 200)
				s.once(200)
			} else if _, err := c.Next(t.Context()); !errors.Is(err, kerr.SaslAuthenticationFailed) || time.Since(began) < refusedFor || time.Since(began) > 2*refusedFor {
				t.Errorf("%s: after %v Next says: %v", what, time.Since(began), err)
			}
			if !book.met(kerr.SaslAuthenticationFailed) {
				t.Errorf("%s: nobody was told", what)
			}
		}, guarded(0)...)
	}
}

func TestAConsumerAtTheTailRenewsItsSession(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		var asked atomic.Int64
		t.reach = append(t.reach, kgo.SASL(plain.Plain(func(context.Context) (plain.Auth, error) {
			asked.Add(1)
			return plain.Auth{User: "me", Pass: "secret"}, nil
		})))
		t.fill(0, 10, 1)
		c, book, end := t.consume(1, ConsumerConfig{Connections: 1})
		defer end()
		s := see(t)
		s.until(c, 10)
		lanes := func() *lane {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.lanes[0][0]
		}
		first := lanes()
		time.Sleep(time.Hour)
		t.fill(10, 10, 1)
		s.until(c, 20)
		s.once(20)
		if lanes() != first || asked.Load() < 60 {
			t.Errorf("the connection is the same: %v; credentials were asked for %d times", lanes() == first, asked.Load())
		}
		t.errorless(book)
	}, guarded(time.Minute)...)
}

func TestAFetchSessionThatIsLostIsMadeAnew(t *testing.T) {
	const partitions = 40
	for _, lost := range []*kerr.Error{kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch} {
		clocked(t, partitions, func(t *bubble) {
			var lose, losses atomic.Int64
			t.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				t.cluster.KeepControl()
				request := r.(*kmsg.FetchRequest)
				if request.SessionID == 0 || lose.Load() == 0 {
					return nil, nil, false
				}
				lose.Add(-1)
				losses.Add(1)
				answer := request.ResponseKind().(*kmsg.FetchResponse)
				answer.ErrorCode = lost.Code
				return answer, nil, true
			})
			t.fill(0, 400, partitions)
			c, book, end := t.consume(partitions, ConsumerConfig{})
			defer end()
			s := see(t)
			s.until(c, 400)
			for round := range 3 {
				time.Sleep(time.Minute)
				lose.Store(1)
				t.fill(400+100*round, 100, partitions)
				s.until(c, 500+100*round)
			}
			s.once(700)
			if losses.Load() != 3 {
				t.Errorf("it was lost %d times", losses.Load())
			}
			t.errorless(book)
		})
	}
}

func TestARebalanceWaitsForTheBatchInHandAsLongAsTheGroupAllows(t *testing.T) {
	for _, timeout := range []time.Duration{10 * time.Second, 40 * time.Second} {
		clocked(t, 1, func(t *bubble) {
			t.fill(0, 100, 1)
			began := time.Now()
			took := make(chan time.Duration, 10)
			member := ConsumerConfig{
				Group: "group", Kafka: []kgo.Opt{kgo.RebalanceTimeout(timeout), kgo.Balancers(kgo.RangeBalancer())},
				OnRevoked: func([]int32) { took <- time.Since(began) },
			}
			first, _, end := t.consume(0, member)
			defer end()
			if _, err := first.Next(t.Context()); err != nil { // which stays in hand
				t.Fatal(err)
			}
			began = time.Now()
			member.OnRevoked = nil
			_, _, leave := t.consume(0, member)
			defer leave()
			const beat = 3 * time.Second // until the first one hears of it
			if waited := <-took; waited < timeout/2 || waited > timeout/2+beat+time.Second {
				t.Errorf("with a rebalance timeout of %v it was waited for %v", timeout, waited)
			}
		})
	}
}

// starts are both ways to begin.
func (b *bubble) starts(topic string) map[string]func() error {
	ctx := b.Context()
	return map[string]func() error{
		"consumer": func() error {
			c, err := NewConsumer(ctx, ConsumerConfig{Kafka: b.reach, Topic: topic, Assign: all(1, 0)})
			if err == nil {
				err = c.Close(ctx)
			}
			return err
		},
		"producer": func() error {
			p, err := NewProducer(ctx, ProducerConfig{Kafka: b.reach, Topic: topic})
			if err == nil {
				err = p.Close(ctx)
			}
			return err
		},
	}
}

func TestATopicThatWasJustMadeIsWaitedFor(t *testing.T) {
	clocked(t, 1, func(t *bubble) {
		for who, start := range t.starts("nowhere") {
			began := time.Now()
			if err := start(); !errors.Is(err, kerr.UnknownTopicOrPartition) || time.Since(began) < newTopicWithin || time.Since(began) > 2*newTopicWithin {
				t.Errorf("%s: after %v, of a topic that is not there: %v", who, time.Since(began), err)
			}
		}
		for _, who := range []string{"consumer", "producer"} {
			time.AfterFunc(time.Second, func() {
				if err := t.cluster.CreateTopic("for-"+who, 1, nil); err != nil {
					t.Error(err)
				}
			})
			if err := t.starts("for-" + who)[who](); err != nil {
				t.Errorf("%s: %v", who, err)
			}
		}
	})
}

func TestWhatIsWrongWithBrokersIsSaidAtOnce(t *testing.T) {
	for what, want := range map[string]string{"gone": "there is no way", "refusing": kerr.SaslAuthenticationFailed.Message} {
		clocked(t, 1, func(t *bubble) {
			t.authenticate()
			t.refusing().Store(what == "refusing")
			dial := t.dial
			t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if what == "gone" {
					return nil, errors.New("there is no way")
				}
				return dial(ctx, network, address)
			}
			for who, start := range t.starts("topic") {
				began := time.Now()
				if err := start(); err == nil || !strings.Contains(err.Error(), want) || time.Since(began) > time.Second {
					t.Errorf("%s: after %v: %v", who, time.Since(began), err)
				}
			}
		}, guarded(0)...)
	}
}
