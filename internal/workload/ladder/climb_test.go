package ladder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/batch"
	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/clienttest"
	"redline/internal/payload"
	"redline/internal/secret"
	"redline/internal/security"
)

const partitions = 5

// started is a climb of a rung on brokers, stopped at the end of the test.
func climb(t *testing.T, s Spec) *Climb {
	t.Helper()
	c, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop(t, c) })
	return c
}

func stop(t *testing.T, c *Climb) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Stop(ctx)
}

// reading is a spec of consuming a topic that holds something.
func readingSpec(t *testing.T, address, rung string) Spec {
	t.Helper()
	s := Spec{
		Rung: rung, Workload: consume, Topic: "topic", Brokers: []string{address}, Connections: 2,
		Wire: new(client.Wire), Ledger: audit.NewLedger("topic"), Group: "ladder",
		Handle: func() func(client.Batch) { return func(client.Batch) {} },
	}
	s.Starts, s.Ends = ranges(t, address, s.Topic)
	for p, at := range s.Starts {
		s.Ledger.Start(p, at, at)
	}
	return s
}

func await(t *testing.T, c *Climb, what string, reached func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !reached(); time.Sleep(2 * time.Millisecond) {
		select {
		case <-c.Done():
			t.Fatalf("the climb ended before %s: %v", what, stop(t, c))
		default:
		}
		if time.Now().After(until) {
			t.Fatalf("no %s: %d records, %d rewinds", what, c.Records(), c.Rewinds())
		}
	}
}

func TestEveryRungReadsEveryRecordOfEveryPass(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions}, kfake.NumBrokers(3))
	const each = 3000
	clienttest.Fill(t, address, "topic", partitions, each)
	for _, r := range Rungs(consume) {
		t.Run(r.Name, func(t *testing.T) {
			s := readingSpec(t, address, r.Name)
			// Small fetches: responses end in the middle of batches.
			s.Properties = map[string]string{"fetch.max.bytes": "200000", "max.partition.fetch.bytes": "100000"}
			var handled atomic.Int64
			s.Handle = func() func(client.Batch) { return func(b client.Batch) { handled.Add(int64(b.Len())) } }
			c := climb(t, s)
			await(t, c, "third pass", func() bool { return c.Rewinds() >= 2 && c.Records() >= 2*partitions*each })
			if err := stop(t, c); err != nil {
				t.Fatal(err)
			}
			if bytes := c.Bytes(); bytes <= 0 {
				t.Errorf("%d bytes", bytes)
			}
			if r.Name == "handler" && handled.Load() != c.Records() {
				t.Errorf("the handler had %d records, %d were counted", handled.Load(), c.Records())
			}
			if c.step >= accounting {
				s.Ledger.Unstamped(true)
				if broken, why := s.Ledger.Broken(s.Ledger.Account(true)); broken {
					t.Error(why)
				}
			}
			if s.Wire.Read.Load() == 0 || s.Wire.Fetches.Load() == 0 || c.Errors() != 0 {
				t.Errorf("wire: %d read in %d fetches; %d errors", s.Wire.Read.Load(), s.Wire.Fetches.Load(), c.Errors())
			}
			if got := c.Settings(); got["connections"] != strconv.Itoa(len(c.lanes)) || len(c.lanes) < 2 || got["fetch.max.bytes"] != "200000" || c.step >= inflating && got["decompress"] == "" {
				t.Errorf("settings: %v", got)
			}
		})
	}
}

// What a rung counts in one pass is exactly what there is, whatever it looks at.
func TestAPassCountsWhatThereIs(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	const each = 2000
	filled := clienttest.Fill(t, address, "topic", 1, each)
	for _, rung := range []string{"fetch", "crc", "decompress", "decode", "account"} {
		s := readingSpec(t, address, rung)
		s.Connections = 1
		s.Starts[0] = 700 // in the middle of a batch
		s.Ledger.Start(0, 700, 700)
		c := climb(t, s)
		await(t, c, "rewind", func() bool { return c.Rewinds() > 3 })
		if err := stop(t, c); err != nil {
			t.Fatal(err)
		}
		// From decoding on, batch by batch is counted, and a rung may have been stopped
		// between two; a ledger's own books say whether it saw each record of each pass.
		s.Ledger.Unstamped(true)
		broken, why := s.Ledger.Broken(s.Ledger.Account(true))
		if over := c.Records() % (each - 700); over != 0 && c.step < decoding || broken {
			t.Errorf("%s counts %d records in %d passes of %d; %s", rung, c.Records(), c.Rewinds(), filled.Records()-700, why)
		}
	}
}

// A fetch names some partitions and is filled by fewer: all have their turn.
func TestEveryPartitionHasItsTurn(t *testing.T) {
	const many = 3*namedAtOnce + 1
	address := clienttest.Broker(t, map[string]int32{"topic": many})
	clienttest.Fill(t, address, "topic", many, 100)
	s := readingSpec(t, address, "fetch")
	s.Connections, s.Properties = 1, map[string]string{"fetch.max.bytes": "20000", "max.partition.fetch.bytes": "10000"}
	c := climb(t, s)
	await(t, c, "pass over all", func() bool {
		for _, p := range c.lanes[0].(*fetcher).partitions {
			if p.handed.Load() == 0 {
				return false
			}
		}
		return true
	})
}

func TestWhatWasHandedOutIsCommittedAtTheEnd(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "topic"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	address := cluster.ListenAddrs()[0]
	clienttest.Fill(t, address, "topic", partitions, 1000)
	var commits atomic.Int64
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		commits.Add(1)
		return nil, nil, false
	})
	began := time.Now()
	c := climb(t, readingSpec(t, address, "group"))
	before := commits.Load()
	if err := stop(t, c); err != nil {
		t.Fatal(err)
	}
	if commits.Load() == before && time.Since(began) < commitEvery {
		t.Error("nothing was committed")
	}
}

func TestAGroupCommitsAndIsDeleted(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 1000)
	c := climb(t, readingSpec(t, address, "group"))
	admin := admin(t, address)
	await(t, c, "commit", func() bool {
		committed, err := admin.FetchOffsets(t.Context(), "ladder")
		at, ok := committed.Lookup("topic", 0)
		return err == nil && ok && at.At > 0
	})
	if err := stop(t, c); err != nil {
		t.Fatal(err)
	}
	groups, err := admin.ListGroups(t.Context())
	if err != nil || len(groups) > 0 {
		t.Errorf("groups left: %v (%v)", groups, err)
	}
	if c.Errors() != 0 {
		t.Errorf("%d commits failed", c.Errors())
	}
}

func TestAnotherMemberEndsTheRung(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 1000)
	c := climb(t, readingSpec(t, address, "group"))
	other, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup("ladder"), kgo.ConsumeTopics("topic"), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	select {
	case <-c.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("it goes on")
	}
	other.Close()
	if err := stop(t, c); err == nil || !strings.Contains(err.Error(), "no other member") {
		t.Errorf("it ended with %v", err)
	}
}

// producing is a spec of producing to a topic.
func producingSpec(t testing.TB, address, rung string) Spec {
	t.Helper()
	s := Spec{
		Rung: rung, Workload: produce, Topic: "topic", Brokers: []string{address}, Connections: 2, Partitions: partitions, RecordBytes: 100,
		Wire: new(client.Wire), Ledger: audit.NewLedger("topic"), Properties: map[string]string{"batch.size": "20000", "max.request.size": "50000"},
	}
	acks, idempotent := Promised(rung)
	var err error
	if s.Payload, err = payload.New(payload.Config{Size: 100, Partitions: partitions, Run: 7, Acks: acks, Idempotent: idempotent}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryRungProducesWhatItCounts(t *testing.T) {
	for _, r := range Rungs(produce) {
		for _, codec := range codecs {
			if codec != batch.None && r.Name != "all" {
				continue
			}
			t.Run(r.Name+" "+codec.String(), func(t *testing.T) {
				address := clienttest.Broker(t, map[string]int32{"topic": partitions}, kfake.NumBrokers(3))
				s := producingSpec(t, address, r.Name)
				s.Properties["compression.type"] = codec.String()
				c := climb(t, s)
				await(t, c, "20,000 records", func() bool { return c.Records() >= 20_000 })
				if err := stop(t, c); err != nil {
					t.Fatal(err)
				}
				if there := clienttest.Size(t, address, "topic"); there != c.Records() || c.Bytes() != 100*there {
					t.Errorf("the topic holds %d records, acknowledged were %d of %d bytes", there, c.Records(), c.Bytes())
				}
				if s.Wire.Produces.Load() == 0 || s.Wire.Written.Load() == 0 {
					t.Errorf("wire: %d written in %d requests", s.Wire.Written.Load(), s.Wire.Produces.Load())
				}
				readBack(t, address, c)
			})
		}
	}
}

// readBack reads what a climb produced by franz-go, and closes the account.
func readBack(t *testing.T, address string, c *Climb) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics("topic"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ledger, idempotent := c.spec.Ledger, 0
	for p := range int32(partitions) {
		ledger.Start(p, 0, 0)
	}
	for n := int64(0); n < c.Records(); {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			reader := ledger.Reader(p.Partition)
			reader.Begin(-1)
			for _, r := range p.Records {
				reader.See(r.Offset, r.Value)
				if r.ProducerID >= 0 {
					idempotent++
				}
				if age := time.Since(r.Timestamp); age < 0 || age > time.Minute || r.Key != nil || len(r.Headers) > 0 {
					t.Errorf("a record of %v ago with key %q", age, r.Key)
				}
			}
			reader.End()
			n += int64(len(p.Records))
		})
	}
	account := ledger.Account(true)
	stamped := c.step >= stamping
	if broken, why := ledger.Broken(account); broken || stamped && (account.Once != c.Records() || account.Foreign > 0) || !stamped && account.Foreign != c.Records() {
		t.Errorf("the account: %s; %+v", why, account)
	}
	if c.step >= sequencing && int64(idempotent) != c.Records() || c.step < sequencing && idempotent > 0 {
		t.Errorf("%d records are of an idempotent producer", idempotent)
	}
}

func TestValuesWithoutRoomForAStampAreCounted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("one\ntwo and more\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	for _, config := range []payload.Config{{Size: 0}, {Size: 31}, {File: file}} {
		s := producingSpec(t, address, "stamp")
		config.Partitions = partitions
		var err error
		if s.Payload, err = payload.New(config); err != nil {
			t.Fatal(err)
		}
		c := climb(t, s)
		await(t, c, "1,000 records", func() bool { return c.Records() >= 1000 })
		if err := stop(t, c); err != nil {
			t.Fatal(err)
		}
		if account := s.Ledger.Account(true); account.Acked != c.Records() {
			t.Errorf("%+v: %d acknowledged, %d accounted", config, c.Records(), account.Acked)
		}
	}
}

func TestRefusalsAtTheStartAreSentences(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 10)
	for name, c := range map[string]struct {
		change func(*Spec)
		says   string
		kind   error
	}{
		"no handler":    {func(s *Spec) { s.Rung, s.Handle = "handler", nil }, "without a handler", client.ErrCannot},
		"no group":      {func(s *Spec) { s.Rung, s.Group = "group", "" }, "name of a consumer group", nil},
		"no ledger":     {func(s *Spec) { s.Rung, s.Ledger = "account", nil }, "needs a ledger", nil},
		"no connection": {func(s *Spec) { s.Connections = 0 }, "at least one connection", nil},
		"no topic":      {func(s *Spec) { s.Topic = "other" }, `"other"`, kerr.UnknownTopicOrPartition},
		"no records":    {func(s *Spec) { s.Starts = nil }, "no records to read", nil},
		"end":           {func(s *Spec) { s.Ends[0] = 0 }, "partition 0", nil},
		"partition":     {func(s *Spec) { s.Starts[99], s.Ends[99] = 0, 1 }, "partition 99", kerr.LeaderNotAvailable},
		"past the end":  {func(s *Spec) { s.Starts[0], s.Ends[0] = 1000, 2000 }, "offset 1000", kerr.OffsetOutOfRange},
		"broker":        {func(s *Spec) { s.Brokers = []string{"127.0.0.1:1"} }, "who leads", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := readingSpec(t, address, "fetch")
			c.change(&s)
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			climb, err := Start(ctx, s)
			if err == nil {
				_ = stop(t, climb)
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.says) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Error(err)
			}
		})
	}
}

func TestARungAuthenticates(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions}, kfake.EnableSASL(), kfake.User("PLAIN", "alice", "right"))
	s := producingSpec(t, address, "all")
	s.Security.SASL = &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New("right")}
	c := climb(t, s)
	await(t, c, "records", func() bool { return c.Records() > 0 })
	if err := stop(t, c); err != nil {
		t.Error(err)
	}
}

// A broker that moves, refuses or dies ends the rung, with a sentence that names it.
func TestTroubleEndsARung(t *testing.T) {
	notLeader := func(cluster *kfake.Cluster) {
		cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			request := r.(*kmsg.FetchRequest)
			answer := request.ResponseKind().(*kmsg.FetchResponse)
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic = request.Topics[0].Topic
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.ErrorCode = request.Topics[0].Partitions[0].Partition, kerr.NotLeaderForPartition.Code
			topic.Partitions = append(topic.Partitions, part)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
	}
	tooLarge := func(cluster *kfake.Cluster) {
		cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			request := r.(*kmsg.ProduceRequest)
			answer := request.ResponseKind().(*kmsg.ProduceResponse)
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = request.Topics[0].Topic
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode = request.Topics[0].Partitions[0].Partition, kerr.MessageTooLarge.Code
			part.ErrorMessage = kmsg.StringPtr("far too large")
			topic.Partitions = append(topic.Partitions, part)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
	}
	for name, c := range map[string]struct {
		rung, workload string
		trouble        func(*kfake.Cluster)
		says           string
		kind           error
	}{
		"leader":         {"decode", consume, notLeader, "do not follow a leader", kerr.NotLeaderForPartition},
		"dead, reading":  {"account", consume, (*kfake.Cluster).Close, "fetching topic", nil},
		"too large":      {"stamp", produce, tooLarge, "far too large", kerr.MessageTooLarge},
		"dead, writing":  {"all", produce, (*kfake.Cluster).Close, "producing to topic", nil},
		"dead, resender": {"resend", produce, (*kfake.Cluster).Close, "producing to topic", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "topic"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			address := cluster.ListenAddrs()[0]
			s := producingSpec(t, address, "stamp")
			if c.workload == consume {
				clienttest.Fill(t, address, "topic", partitions, 1000)
				s = readingSpec(t, address, c.rung)
			}
			s.Rung = c.rung
			running := climb(t, s)
			await(t, running, "records", func() bool { return running.Records() > 0 })
			c.trouble(cluster)
			select {
			case <-running.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on")
			}
			if err := stop(t, running); err == nil || !strings.Contains(err.Error(), c.says) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("it ended with %v", err)
			}
			if c.workload == produce && running.step >= stamping {
				account := s.Ledger.Account(true)
				if account.Acked != running.Records() || account.Indeterminate == 0 {
					t.Errorf("%d acknowledged; the account: %+v", running.Records(), account)
				}
			}
		})
	}
}

func TestTheContextEndsAClimb(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 1000)
	for _, s := range []Spec{readingSpec(t, address, "handler"), producingSpec(t, address, "all")} {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := Start(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case <-c.Done():
		case <-time.After(5 * time.Second):
			t.Fatal("it goes on")
		}
		if err := stop(t, c); err != nil {
			t.Error(err)
		}
	}
}
