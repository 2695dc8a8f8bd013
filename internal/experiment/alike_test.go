package experiment

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/cluster"
	"redline/internal/workload"
	"redline/result"
)

// done is what a client did for the records of a topic.
type done struct {
	Records, Bytes int64
	Sum            uint64
	Account        result.Account
}

// readOnce has a library read a topic from its start to its end, in a group or not.
func readOnce(t *testing.T, at *Place, library client.Library, topic, group string) done {
	t.Helper()
	ranges, err := at.Cluster.Offsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ledger := audit.NewLedger(topic)
	starts, ends := map[int32]int64{}, map[int32]int64{}
	for p, o := range ranges {
		starts[p], ends[p] = o.Start, o.End
		ledger.Start(p, o.Start, o.Start)
		ledger.Expect(p, o.End)
	}
	arm := quickArm(result.Consume)
	arm.Client = library.Name()
	options := client.ConsumeOptions{Options: client.Options{Brokers: at.Brokers, Profile: client.Tuned, Properties: Properties(arm)}, Topic: topic}
	if group == "" {
		options.Assign = starts
	} else {
		options.Group, options.Reset = group, "earliest"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	consuming, err := workload.StartConsume(ctx, workload.Consume{Library: library, Options: options, Consumers: 2, Ledger: ledger, Until: ends})
	if err != nil {
		t.Fatal(err)
	}
	<-consuming.Done()
	if _, err := consuming.Stop(ctx); err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	account := ledger.Account(true)
	account.Books = nil
	return done{ledger.Records(), ledger.Bytes(), ledger.ValueSum(), account}
}

// able are the libraries of this build that reach a broker.
func able(t *testing.T) []client.Library {
	t.Helper()
	var all []client.Library
	for _, name := range libraries.Names() {
		library, err := libraries.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if library.CheckConsumer(client.Options{Profile: client.Tuned}) == nil {
			all = append(all, library)
		}
	}
	return all
}

// Every client reads the same records, each once, and sees the same bytes of them; what
// each produces, every other reads.
func TestEveryClientDoesTheSameWork(t *testing.T) {
	at := place(t)
	for i, writer := range able(t) {
		t.Run(writer.Name(), func(t *testing.T) {
			t.Parallel()
			topic := "alike-" + writer.Name()
			written := writeOnce(t, at, writer, topic)
			for _, reader := range able(t) {
				groups := []string{"", "group-" + reader.Name()}
				if i > 0 {
					groups = groups[:1] // members of groups read the first one's records
				}
				for _, group := range groups {
					if got := readOnce(t, at, reader, topic, group); got != written {
						t.Errorf("%s in group %q saw %+v of %+v", reader.Name(), group, got, written)
					}
				}
			}
		})
	}
}

// writeOnce has a library produce into a new topic, and reads with kgo itself what came
// of it.
func writeOnce(t *testing.T, at *Place, library client.Library, topic string) done {
	t.Helper()
	const records = 30_000
	if err := at.Cluster.CreateTopic(t.Context(), cluster.TopicSpec{Name: topic, Partitions: 3, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	arm := quickArm(result.Produce)
	arm.Client, arm.Setting.Partitions = library.Name(), 3
	options := client.Options{Brokers: at.Brokers, Profile: client.Tuned, Properties: Properties(arm)}
	ledger := audit.NewLedger(topic)
	producing, err := startProducing(t.Context(), library, options, topic, arm.Setting, 1, 1, ledger, records)
	if err != nil {
		t.Fatal(err)
	}
	<-producing.Done()
	if _, err := producing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if account := ledger.Account(true); account.Acked != records {
		t.Fatalf("%+v", account)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	truth := done{Account: result.Account{Once: records}}
	for truth.Records < records {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			truth.Records++
			truth.Bytes += int64(len(r.Value))
			truth.Sum += binary.LittleEndian.Uint64(r.Value)
		})
	}
	return truth
}
