package clienttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"redline/internal/client"
	"redline/internal/cluster"
)

// within is how soon a client must say what is wrong.
const within = 10 * time.Second

// Conformance holds a library to what the client package promises of all.
// typo is a property that it does not have, and nearest the one it should name.
func Conformance(t *testing.T, library client.Library, typo, nearest string) {
	t.Helper()
	tests := map[string]func(*testing.T, client.Library){
		"a group delivers each record once":                  groupDeliversOnce,
		"assigned partitions deliver each record once":       assignedDeliversOnce,
		"a group goes on where it was closed":                groupResumes,
		"two members share the partitions":                   membersShare,
		"nothing stale comes after a rewind":                 rewinds,
		"a rewind before the first record holds":             rewindsUnread,
		"each send is acknowledged once and is there":        acknowledgesOnce,
		"a close in flight acknowledges each send once":      closeInFlight,
		"a full buffer waits for room or for the context":    fullBufferWaits,
		"a record too large fails and is never in the log":   tooLarge,
		"an unknown topic is said to a consumer":             unknownTopicConsumer,
		"an unknown topic is said to an assigned consumer":   unknownTopicAssigned,
		"an unknown topic is said to a producer":             unknownTopicProducer,
		"a topic deleted under the run is said":              topicDeleted,
		"a dead broker is said to a consumer":                deadBrokerConsumer,
		"a dead broker is said to a producer":                deadBrokerProducer,
		"a silent broker is said to a consumer":              silentBroker,
		"a web server is said to a consumer":                 webServer,
		"a running consumer outlives its broker, and closes": brokerLost,
		"what goes over the wire is counted":                 countsWire,
		"settings in force are said":                         saysSettings,
		"a bad value is named":                               namesBadValue,
		"what the workload sets is refused as a property":    refusesReserved,
		"a secured broker is written to and read":            secured,
		"a wrong password is said to a consumer":             wrongPasswordConsumer,
		"a wrong password is said to a producer":             wrongPasswordProducer,
		"a foreign certificate is said to a consumer":        foreignCertificate,
		"a missing certificate is said to a consumer":        missingCertificate,
		"a missing ACL is named":                             missingACL,
		"a refusal in the middle ends a consumer":            refusedConsumer,
		"a refusal in the middle ends a producer":            refusedProducer,
		"a refusal that passes is gone on from":              refusedForAMoment,
		"tokens rotate under a run":                          tokensRotate,
		"a token that cannot be had is said":                 tokenSourceFails,
	}
	tests["what is refused is refused beforehand"] = refusesBeforehand
	tests["an unknown property names the nearest"] = func(t *testing.T, l client.Library) { namesNearest(t, l, typo, nearest) }
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, library)
		})
	}
}

// seen is what a consumer delivered.
type seen struct {
	records int
	sum     uint64
	next    map[int32]int64
	wrong   string // the first departure from the order of a partition
}

// take reads a batch, expecting each partition without gaps.
func (s *seen) take(b client.Batch) {
	if s.next == nil {
		s.next = make(map[int32]int64)
	}
	n := 0
	b.Each(func(offset int64, key, value []byte) {
		n++
		s.records++
		s.sum += checksum(b.Partition(), offset, key, value)
		if offset != s.next[b.Partition()] && s.wrong == "" {
			s.wrong = fmt.Sprintf("partition %d: offset %d where %d was due", b.Partition(), offset, s.next[b.Partition()])
		}
		s.next[b.Partition()] = offset + 1
	})
	if n != b.Len() && s.wrong == "" {
		s.wrong = fmt.Sprintf("a batch of %d records gave %d", b.Len(), n)
	}
}

func (s *seen) check(t *testing.T, want Filled) {
	t.Helper()
	if s.wrong != "" {
		t.Error(s.wrong)
	}
	if s.records != want.Records() || s.sum != want.Sum {
		t.Errorf("delivered %d records with sum %x, want %d with %x", s.records, s.sum, want.Records(), want.Sum)
	}
}

// until polls until done says so or 15 s have passed.
func until(t *testing.T, c client.Consumer, s *seen, done func() bool) {
	t.Helper()
	ctx := bounded(t, 15*time.Second)
	for !done() {
		if err := c.Poll(ctx, s.take); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatalf("after 15 s only %d records", s.records)
		}
	}
}

func options(address string) client.Options {
	return client.Options{Brokers: []string{address}, ClientID: "conformance", Profile: client.Tuned}
}

func consume(t *testing.T, l client.Library, o client.ConsumeOptions) client.Consumer {
	t.Helper()
	c, err := l.Consumer(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closed(t *testing.T, c interface{ Close(context.Context) error }) {
	t.Helper()
	if err := c.Close(bounded(t, within)); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// fromStart assigns each partition at its first record.
func fromStart(partitions int32) map[int32]int64 {
	assign := make(map[int32]int64)
	for p := range partitions {
		assign[p] = 0
	}
	return assign
}

func groupDeliversOnce(t *testing.T, l client.Library) {
	for _, profile := range []client.Profile{client.Tuned, client.Defaults} {
		t.Run(string(profile), func(t *testing.T) {
			address := Broker(t, map[string]int32{"topic": 4})
			filled := Fill(t, address, "topic", 4, 2000)
			o := client.ConsumeOptions{Options: options(address), Topic: "topic", Group: "group", Reset: "earliest"}
			o.Profile = profile
			c := consume(t, l, o)
			var s seen
			until(t, c, &s, func() bool { return s.records >= filled.Records() })
			closed(t, c)
			s.check(t, filled)
			if lag := Lag(t, address, "group", "topic"); lag != 0 {
				t.Errorf("lag %d after Close", lag)
			}
		})
	}
}

func assignedDeliversOnce(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 4})
	filled := Fill(t, address, "topic", 4, 2000)
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Assign: fromStart(4)})
	var s seen
	until(t, c, &s, func() bool { return s.records >= filled.Records() })
	closed(t, c)
	s.check(t, filled)
}

func groupResumes(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 2})
	filled := Fill(t, address, "topic", 2, 3000)
	var s seen
	for _, upTo := range []int{1, 700, 2500, filled.Records()} {
		c := consume(t, l, client.ConsumeOptions{Options: with(options(address), "max.poll.records", "500", l), Topic: "topic", Group: "group", Reset: "earliest"})
		until(t, c, &s, func() bool { return s.records >= upTo })
		closed(t, c)
	}
	s.check(t, filled) // so that what the first one committed is what it handed out
	if lag := Lag(t, address, "group", "topic"); lag != 0 {
		t.Errorf("lag %d after Close", lag)
	}
}

// with sets a property where the library knows it.
func with(o client.Options, key, value string, l client.Library) client.Options {
	if l.Name() == "franz" {
		o.Properties = map[string]string{key: value}
	}
	return o
}

// events remembers what it was told.
type events struct {
	mu      sync.Mutex
	holds   map[int32]bool
	revoked int
	errors  []error
}

func (e *events) Assigned(partitions []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.holds == nil {
		e.holds = make(map[int32]bool)
	}
	for _, p := range partitions {
		e.holds[p] = true
	}
}

func (e *events) Revoked(partitions []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range partitions {
		e.revoked++
		delete(e.holds, p)
	}
}

func (e *events) Error(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errors = append(e.errors, err)
}

func (e *events) count() (holds, errors int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.holds), len(e.errors)
}

func membersShare(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 4})
	var heard [2]events
	var members [2]client.Consumer
	for i := range members {
		members[i] = consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Group: "group", Reset: "earliest", Events: &heard[i]})
	}
	ctx := bounded(t, 20*time.Second)
	var wg sync.WaitGroup
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range members {
		wg.Go(func() {
			for stop.Err() == nil {
				if err := members[i].Poll(stop, func(client.Batch) {}); err != nil {
					t.Errorf("member %d: %v", i, err)
					return
				}
				a, _ := heard[0].count()
				b, _ := heard[1].count()
				if a == 2 && b == 2 {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Errorf("after 20 s the members hold %v and %v", heard[0].holds, heard[1].holds)
	}
	for i := range members {
		closed(t, members[i])
	}
}

func rewinds(t *testing.T, l client.Library) {
	const each = 3000
	address := Broker(t, map[string]int32{"topic": 3})
	Fill(t, address, "topic", 3, each)
	c := consume(t, l, client.ConsumeOptions{Options: with(options(address), "max.poll.records", "97", l), Topic: "topic", Assign: fromStart(3)})
	defer closed(t, c)
	s := seen{}
	// Rewinding in the middle of what is buffered, to places before and after
	// it: take fails at the first record that is not the one due.
	for round := range 25 {
		stopAt := s.records + 1 + round*137%900
		until(t, c, &s, func() bool { return s.records >= stopAt })
		to := map[int32]int64{0: int64(round * 531 % each), 1: int64(round * 89 % each)}
		if round%3 == 0 {
			to[2] = int64(round * 211 % each)
		}
		if err := c.Rewind(to); err != nil {
			t.Fatal(err)
		}
		for partition, offset := range to {
			s.next[partition] = offset
		}
		if s.wrong != "" {
			t.Fatalf("round %d: %s", round, s.wrong)
		}
	}
	until(t, c, &s, func() bool { return s.next[0] == each && s.next[1] == each && s.next[2] == each })
	if s.wrong != "" {
		t.Error(s.wrong)
	}
	// At the end of the log too.
	if err := c.Rewind(fromStart(3)); err != nil {
		t.Fatal(err)
	}
	s = seen{}
	until(t, c, &s, func() bool { return s.records >= 3*each })
	if s.wrong != "" {
		t.Error(s.wrong)
	}
}

func rewindsUnread(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 2})
	filled := Fill(t, address, "topic", 2, 500)
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Assign: fromStart(2)})
	defer closed(t, c)
	if err := c.Rewind(map[int32]int64{0: 250}); err != nil {
		t.Fatal(err)
	}
	s := seen{next: map[int32]int64{0: 250}}
	until(t, c, &s, func() bool { return s.next[0] == 500 && s.next[1] == 500 })
	if s.wrong != "" || s.records != filled.Records()-250 {
		t.Errorf("%d records, %s", s.records, s.wrong)
	}
}

// producing is a producer with what its Acked was told.
type producing struct {
	client.Producer
	mu    sync.Mutex
	calls map[uint64]int // acknowledgements by tag
	errs  []error
	last  map[int32]int64
	wrong string
}

func produce(t *testing.T, l client.Library, o client.ProduceOptions) *producing {
	t.Helper()
	p := &producing{calls: make(map[uint64]int), last: make(map[int32]int64)}
	o.RecordSize = 16
	o.Acked = p.acked
	var err error
	if p.Producer, err = l.Producer(o); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *producing) acked(r *client.Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[r.Tag]++
	if r.Bytes != int(r.Tag)+16 || time.Since(r.Time) > within {
		p.wrong = fmt.Sprintf("record %d is acknowledged with %d bytes of %v", r.Tag, r.Bytes, r.Time)
	}
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	if last, ok := p.last[r.Partition]; ok && r.Offset != last+1 {
		p.wrong = fmt.Sprintf("partition %d: offset %d after %d", r.Partition, r.Offset, last)
	}
	p.last[r.Partition] = r.Offset
}

// fill makes the record of a number.
func fill(r *client.Record, n int64) {
	copy(r.Value, fmt.Sprintf("%016d", n))
	r.Time, r.Tag, r.Bytes = time.Now(), uint64(n), int(n)+16
}

func (p *producing) send(t *testing.T, ctx context.Context, n int64, partition int32) {
	t.Helper()
	r := p.Record()
	if len(r.Value) != 16 {
		t.Fatalf("a record of %d bytes was handed out, want 16", len(r.Value))
	}
	fill(r, n)
	r.Partition = partition
	if err := p.Send(ctx, r); err != nil {
		t.Fatal(err)
	}
}

// once checks that each of the numbers up to n was acknowledged once.
func (p *producing) once(t *testing.T, n int64) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if int64(len(p.calls)) != n {
		t.Errorf("%d of %d sends were acknowledged", len(p.calls), n)
	}
	for number, calls := range p.calls {
		if calls != 1 {
			t.Errorf("send %d was acknowledged %d times", number, calls)
			return
		}
	}
}

func acknowledgesOnce(t *testing.T, l client.Library) {
	for _, acks := range []string{"all", "1", "0"} {
		for _, profile := range []client.Profile{client.Tuned, client.Defaults} {
			t.Run("acks="+acks+" "+string(profile), func(t *testing.T) {
				address := Broker(t, map[string]int32{"topic": 3})
				o := options(address)
				o.Properties = map[string]string{"acks": acks}
				o.Profile = profile
				p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
				const n = 20_000
				ctx := bounded(t, 20*time.Second)
				for i := range int64(n) {
					p.send(t, ctx, i, int32(i%3))
				}
				if err := p.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				p.once(t, n)
				if len(p.errs) > 0 {
					t.Errorf("%d errors, first: %v", len(p.errs), p.errs[0])
				}
				// Without idempotence a retried batch may come after later ones.
				if p.Settings()["enable.idempotence"] == "true" && p.wrong != "" {
					t.Error(p.wrong)
				}
				closed(t, p)
				size := Size(t, address, "topic")
				// With acks=0 a record counts as acknowledged once it is written to the
				// connection: the broker may still have to read it.
				for wait := time.Now().Add(10 * time.Second); acks == "0" && size < n && time.Now().Before(wait); size = Size(t, address, "topic") {
					time.Sleep(10 * time.Millisecond)
				}
				if size != n {
					t.Errorf("%d records in the log, want %d", size, n)
				}
			})
		}
	}
}

func closeInFlight(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 3})
	o := options(address)
	o.Properties = map[string]string{"linger.ms": "20"}
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	const n = 5000
	ctx := bounded(t, within)
	for i := range int64(n) {
		p.send(t, ctx, i, int32(i%3))
	}
	closed(t, p)
	p.once(t, n)
	appended := Size(t, address, "topic")
	failed := 0
	for _, err := range p.errs {
		if l.Outcome(err) == client.Failed {
			failed++
		}
	}
	if acked := int64(n - len(p.errs)); appended < acked || appended > n-int64(failed) {
		t.Errorf("%d in the log with %d acknowledged and %d surely failed of %d", appended, acked, failed, n)
	}
}

func fullBufferWaits(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 1})
	o := options(address)
	o.Properties = map[string]string{"queue.buffering.max.messages": "100", "linger.ms": "1"}
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	ctx := bounded(t, within)
	for i := range int64(5000) {
		p.send(t, ctx, i, 0)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p.once(t, 5000)
	closed(t, p)

	// Nothing is acknowledged by a broker that is silent.
	o.Brokers = []string{silent(t)}
	p = produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	sent := int64(0)
	for ; ; sent++ {
		r := p.Record()
		fill(r, sent)
		if err := p.Send(short, r); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the buffer is full: %v", err)
			}
			break
		}
		if sent > 101 {
			t.Fatal("the buffer of 100 records never filled")
		}
	}
	ended, end := context.WithTimeout(ctx, 500*time.Millisecond)
	defer end()
	_ = p.Close(ended) // it may say that it did not wait for the broker
	p.once(t, sent)
}

func tooLarge(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 1})
	p := produce(t, l, client.ProduceOptions{Options: options(address), Topic: "topic"})
	ctx := bounded(t, within)
	r := p.Record()
	r.Value = make([]byte, 2<<20)
	fill(r, 0)
	if err := p.Send(ctx, r); err != nil {
		t.Fatal(err)
	}
	p.send(t, ctx, 1, 0)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p.once(t, 2)
	if len(p.errs) != 1 || l.Outcome(p.errs[0]) != client.Failed {
		t.Errorf("2 MiB against a limit of 1 MiB: %v", p.errs)
	}
	closed(t, p)
	if size := Size(t, address, "topic"); size != 1 {
		t.Errorf("%d records in the log, want the one that fits", size)
	}
}

// says polls until an error, which must come in time.
func says(t *testing.T, c client.Consumer, want ...string) error {
	t.Helper()
	began := time.Now()
	ctx := bounded(t, within+3*time.Second)
	for ctx.Err() == nil {
		err := c.Poll(ctx, func(client.Batch) {})
		if err == nil {
			continue
		}
		if took := time.Since(began); took > within {
			t.Errorf("said only after %v", took)
		}
		t.Logf("after %v: %v", time.Since(began).Round(10*time.Millisecond), err)
		mentions(t, err, want...)
		return err
	}
	t.Fatal("nothing was said")
	return nil
}

func mentions(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not mention %q: %v", part, err)
		}
	}
}

func unknownTopicConsumer(t *testing.T, l client.Library) {
	c := consume(t, l, client.ConsumeOptions{Options: options(Broker(t, nil)), Topic: "nowhere", Group: "group"})
	defer closed(t, c)
	_ = says(t, c, `"nowhere"`, "redline topic create")
}

func unknownTopicAssigned(t *testing.T, l client.Library) {
	c := consume(t, l, client.ConsumeOptions{Options: options(Broker(t, nil)), Topic: "nowhere", Assign: fromStart(2)})
	defer closed(t, c)
	_ = says(t, c, `"nowhere"`, "redline topic create")
}

func topicDeleted(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 2})
	filled := Fill(t, address, "topic", 2, 100)
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Assign: fromStart(2)})
	defer closed(t, c)
	var s seen
	until(t, c, &s, func() bool { return s.records >= filled.Records() })
	DeleteTopic(t, address, "topic")
	_ = says(t, c, `"topic"`)
}

// fails sends one record and waits for what becomes of it.
func fails(t *testing.T, l client.Library, address string) error {
	t.Helper()
	p := produce(t, l, client.ProduceOptions{Options: options(address), Topic: "nowhere"})
	defer closed(t, p)
	ctx := bounded(t, within)
	began := time.Now()
	p.send(t, ctx, 0, 0)
	if err := p.Flush(ctx); err != nil {
		t.Fatalf("within %v nothing was said: %v", within, err)
	}
	p.once(t, 1)
	if len(p.errs) != 1 {
		t.Fatal("the record was acknowledged")
	}
	t.Logf("after %v: %v", time.Since(began).Round(10*time.Millisecond), p.errs[0])
	if l.Outcome(p.errs[0]) != client.Failed {
		t.Error("nothing was ever appended, yet the outcome is not Failed")
	}
	return p.errs[0]
}

func unknownTopicProducer(t *testing.T, l client.Library) {
	mentions(t, fails(t, l, Broker(t, nil)), `"nowhere"`, "redline topic create")
}

func deadBrokerProducer(t *testing.T, l client.Library) {
	address := unused(t)
	if err := fails(t, l, address); !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("not ErrUnreachable: %v", err)
	}
}

func deadBrokerConsumer(t *testing.T, l client.Library) {
	address := unused(t)
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Group: "group"})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }() // it cannot commit, and may say so
	if err := says(t, c, address); !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("not ErrUnreachable: %v", err)
	}
}

func silentBroker(t *testing.T, l client.Library) {
	address := silent(t)
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Assign: fromStart(1)})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }()
	if err := says(t, c, address); !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("not ErrUnreachable: %v", err)
	}
}

func webServer(t *testing.T, l client.Library) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	c := consume(t, l, client.ConsumeOptions{Options: options(address), Topic: "topic", Assign: fromStart(1)})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }()
	if err := says(t, c, address); !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("not ErrUnreachable: %v", err)
	}
}

func brokerLost(t *testing.T, l client.Library) {
	address, end := StartBroker(t, map[string]int32{"topic": 1})
	defer end()
	filled := Fill(t, address, "topic", 1, 100)
	var heard events
	o := options(address)
	o.Properties = map[string]string{"session.timeout.ms": "6000"}
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Group: "group", Events: &heard})
	var s seen
	until(t, c, &s, func() bool { return s.records >= filled.Records() })
	end()
	ctx := bounded(t, 12*time.Second)
	for ctx.Err() == nil {
		if err := c.Poll(ctx, func(client.Batch) {}); err != nil {
			t.Fatalf("it gave up: %v", err)
		}
		if _, errors := heard.count(); errors > 0 {
			break
		}
	}
	if _, errors := heard.count(); errors == 0 {
		t.Error("no event tells that the broker is gone")
	}
	began := time.Now()
	_ = c.Close(bounded(t, 2*time.Second)) // the last commit cannot succeed
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v with 2 s given", took)
	}
}

func countsWire(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 1})
	var wire client.Wire
	o := options(address)
	o.Wire = &wire
	ctx := bounded(t, 15*time.Second)
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	for i := range int64(10_000) {
		p.send(t, ctx, i, 0)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	// Some libraries bring their counts up to date ten times a second.
	for wire.Produces.Load() == 0 || wire.Written.Load() < 160_000 {
		if ctx.Err() != nil {
			t.Fatalf("160,000 bytes of values sent, %d written and %d produce requests counted", wire.Written.Load(), wire.Produces.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
	closed(t, p)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	defer closed(t, c)
	for wire.Fetches.Load() == 0 || wire.Read.Load() < 160_000 {
		if ctx.Err() != nil {
			t.Fatalf("160,000 bytes of values, %d read and %d fetches counted", wire.Read.Load(), wire.Fetches.Load())
		}
		if err := c.Poll(ctx, func(client.Batch) {}); err != nil {
			t.Fatal(err)
		}
	}
	if wire.Requests.Load() < wire.Fetches.Load()+wire.Produces.Load() || wire.RequestErrors.Load() != 0 {
		t.Errorf("%d requests in all, %d of them errors", wire.Requests.Load(), wire.RequestErrors.Load())
	}
}

func saysSettings(t *testing.T, l client.Library) {
	address := Broker(t, map[string]int32{"topic": 1})
	o := options(address)
	o.Properties = map[string]string{"fetch.min.bytes": "17"}
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Group: "group"})
	defer closed(t, c)
	settings := c.Settings()
	for key, want := range map[string]string{"fetch.min.bytes": "17", "isolation.level": settings["isolation.level"], "client.id": "conformance", "session.timeout.ms": "45000"} {
		if settings[key] != want || want == "" {
			t.Errorf("%s=%q in force, want %q", key, settings[key], want)
		}
	}
	o.Properties = map[string]string{"linger.ms": "7", "acks": "1"}
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	defer closed(t, p)
	settings = p.Settings()
	for key, want := range map[string]string{"linger.ms": "7", "acks": "1", "enable.idempotence": "false"} {
		if settings[key] != want {
			t.Errorf("%s=%q in force, want %q", key, settings[key], want)
		}
	}
}

// refuses says what making clients with a property comes to.
func refuses(t *testing.T, l client.Library, key, value string, want ...string) {
	t.Helper()
	o := options(unused(t))
	o.Properties = map[string]string{key: value}
	c, err := l.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Group: "group"})
	if err == nil {
		closed(t, c)
	}
	mentions(t, err, want...)
}

// refusesBeforehand wants the checks to say what making a client would.
func refusesBeforehand(t *testing.T, l client.Library) {
	good := client.Options{Profile: client.Tuned, Properties: map[string]string{}}
	if err := errors.Join(l.CheckConsumer(good), l.CheckProducer(good)); err != nil {
		t.Errorf("the profile itself is refused: %v", err)
	}
	bad := client.Options{Profile: client.Tuned, Properties: map[string]string{"no.such.property": "1"}}
	for _, err := range []error{l.CheckConsumer(bad), l.CheckProducer(bad)} {
		if !errors.Is(err, client.ErrProperty) || !errors.Is(err, client.ErrUnknownProperty) {
			t.Errorf("an unknown property: %v", err)
		}
	}
}

func namesNearest(t *testing.T, l client.Library, typo, nearest string) {
	refuses(t, l, typo, "1", typo, l.Name(), `"`+nearest+`"`)
}

func namesBadValue(t *testing.T, l client.Library) {
	refuses(t, l, "fetch.min.bytes", "many", "fetch.min.bytes", "many")
	refuses(t, l, "session.timeout.ms", "-3", "session.timeout.ms", "-3")
}

func refusesReserved(t *testing.T, l client.Library) {
	refuses(t, l, "group.id", "mine", "group.id", "--group")
	refuses(t, l, "bootstrap.servers", "elsewhere:9092", "bootstrap.servers", "-b")
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// silent is the address of somebody who takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}
