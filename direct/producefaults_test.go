package direct

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"redline/direct/batch"
)

// failing makes the next n produce requests with a batch of the partitions fail.
func failing(cluster *kfake.Cluster, n int, err *kerr.Error, partitions ...int32) *kfake.FaultHandle {
	return cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: partitions, Err: err, Count: n})
}

func TestEveryErrorThatPassesIsSurvived(t *testing.T) {
	for _, fault := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas,
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError, kerr.CorruptMessage,
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping,
		kerr.ConcurrentTransactions, kerr.ThrottlingQuotaExceeded, kerr.FencedLeaderEpoch,
	} {
		t.Run(fault.Message, func(t *testing.T) {
			cluster := fake(t, 4)
			p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 2000, Linger: time.Millisecond})
			sendNumbers(t, p, 0, 1000)
			hit := failing(cluster, 2, fault, 1)
			sendNumbers(t, p, 1000, 3000)
			flush(t, p)
			if hit.Hits() < 2 {
				t.Fatalf("the error came %d times", hit.Hits())
			}
			if n, failed := book.records(); n != 4000 || failed > 0 {
				t.Fatalf("%d records were told of, and %d failed", n, failed)
			}
			for deadline := time.Now().Add(5 * time.Second); !book.met(fault); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nobody was told of the error")
				}
			}
			onceInOrder(t, readAll(t, cluster, "topic"), 4000, 4)
		})
	}
}

func TestAnErrorThatStaysFailsItsBatchAlone(t *testing.T) {
	for _, c := range []struct {
		fault  *kerr.Error
		landed Landing
	}{
		{kerr.InvalidRecord, NotInLog}, {kerr.TopicAuthorizationFailed, NotInLog}, {kerr.InvalidTimestamp, NotInLog},
		{kerr.UnsupportedCompressionType, NotInLog}, {kerr.PolicyViolation, NotInLog}, {kerr.UnknownServerError, InDoubt},
	} {
		t.Run(c.fault.Message, func(t *testing.T) {
			cluster := fake(t, 2)
			p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 2000, Linger: time.Millisecond})
			sendNumbers(t, p, 0, 1000)
			flush(t, p)
			failing(cluster, 1, c.fault, 1)
			sendNumbers(t, p, 1000, 2000)
			err := flushed(t, p)
			if !errors.Is(err, c.fault) || !strings.Contains(err.Error(), "records failed") {
				t.Errorf("Flush says: %v", err)
			}
			var bad []Ack
			for _, a := range book.all {
				if a.Err != nil {
					bad = append(bad, a)
				}
			}
			if len(bad) != 1 || !errors.Is(bad[0].Err, c.fault) || bad[0].Landed != c.landed || bad[0].Partition != 1 {
				t.Fatalf("what failed: %+v", bad)
			}
			all := readAll(t, cluster, "topic")
			// Which numbers are missing is what the Ack says.
			next := bad[0].First
			at := 0
			for i, r := range all[1] {
				if i == int(next) {
					at = bad[0].Records
				}
				if want := 2*(i+at) + 1; int(numberOf(r.Value)) != want {
					t.Fatalf("record %d of partition 1 is %d, and not %d", i, numberOf(r.Value), want)
				}
			}
			if n, _ := book.records(); len(all[0])+len(all[1])+bad[0].Records != n || n != 3000 {
				t.Errorf("%d and %d records are there, %d failed, %d were told of", len(all[0]), len(all[1]), bad[0].Records, n)
			}
			if err := flushed(t, p); err != nil {
				t.Errorf("Flush tells it again: %v", err)
			}
		})
	}
}

func TestALeaderThatMovesIsWrittenTo(t *testing.T) {
	for _, acks := range []Acks{AcksAll, AcksLeader} {
		t.Run(acks.String(), func(t *testing.T) {
			cluster := fake(t, 3)
			p, book := produceTo(t, cluster, ProducerConfig{Acks: acks, BatchBytes: 2000, Linger: time.Millisecond, InFlight: map[bool]int{true: 5, false: 1}[acks == AcksAll]})
			for round := range 10 {
				sendNumbers(t, p, round*600, 600)
				if err := cluster.MoveTopicPartition("topic", int32(round%3), int32(round/3%3)); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, p)
			if n, failed := book.records(); n != 6000 || failed > 0 {
				t.Fatalf("%d records were told of, and %d failed", n, failed)
			}
			onceInOrder(t, readAll(t, cluster, "topic"), 6000, 3)
			if !book.met(kerr.NotLeaderForPartition) {
				t.Error("no leader moved")
			}
		})
	}
}

func TestCutConnectionsLoseAndDoubleNothing(t *testing.T) {
	for _, codec := range []batch.Codec{batch.None, batch.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			const partitions, n = 8, 40_000
			cluster := fake(t, partitions)
			var net cuttable
			p, book := produceTo(t, cluster, ProducerConfig{
				Kafka: []kgo.Opt{kgo.Dialer(net.dial)}, BatchBytes: 3000, Linger: time.Millisecond, Connections: 2, Compression: codec,
			})
			ctx, stop := context.WithCancel(t.Context())
			var cutting sync.WaitGroup
			cuts := 0
			cutting.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(time.Duration(5+rand.IntN(30)) * time.Millisecond)
					net.cut()
					cuts++
				}
			})
			for i := range 20 {
				sendNumbers(t, p, i*n/20, n/20)
				time.Sleep(10 * time.Millisecond)
			}
			stop()
			cutting.Wait()
			flush(t, p)
			if sent, failed := book.records(); sent != n || failed > 0 {
				t.Fatalf("%d records were told of, and %d failed", sent, failed)
			}
			onceInOrder(t, readAll(t, cluster, "topic"), n, partitions)
			if cuts < 3 || len(book.errs) == 0 {
				t.Errorf("%d cuts, %d errors told", cuts, len(book.errs))
			}
		})
	}
}

func TestErrorsOfAllKindsAtOnceLoseAndDoubleNothing(t *testing.T) {
	const partitions, n = 6, 30_000
	cluster := fake(t, partitions)
	var net cuttable
	p, book := produceTo(t, cluster, ProducerConfig{Kafka: []kgo.Opt{kgo.Dialer(net.dial)}, BatchBytes: 3000, Linger: time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	var making sync.WaitGroup
	making.Go(func() {
		faults := []*kerr.Error{
			kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError,
		}
		for ctx.Err() == nil {
			time.Sleep(time.Duration(2+rand.IntN(10)) * time.Millisecond)
			switch rand.IntN(4) {
			case 0:
				net.cut()
			case 1:
				if err := cluster.MoveTopicPartition("topic", rand.Int32N(partitions), rand.Int32N(3)); err != nil {
					t.Error(err)
				}
			default:
				failing(cluster, 1, faults[rand.IntN(len(faults))], rand.Int32N(partitions))
			}
		}
	})
	for i := range 20 {
		sendNumbers(t, p, i*n/20, n/20)
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	making.Wait()
	flush(t, p)
	if sent, failed := book.records(); sent != n || failed > 0 {
		t.Fatalf("%d records were told of, and %d failed", sent, failed)
	}
	onceInOrder(t, readAll(t, cluster, "topic"), n, partitions)
}

func TestAtMostOnceDoublesNothing(t *testing.T) {
	const partitions, n = 4, 20_000
	cluster := fake(t, partitions)
	var net cuttable
	p, book := produceTo(t, cluster, ProducerConfig{
		Kafka: []kgo.Opt{kgo.Dialer(net.dial)}, Acks: AcksLeader, AtMostOnce: true, BatchBytes: 3000, Linger: time.Millisecond, InFlight: 1,
	})
	for i := range 20 {
		sendNumbers(t, p, i*n/20, n/20)
		time.Sleep(5 * time.Millisecond)
		net.cut()
	}
	_ = flushed(t, p)
	sent, failed := book.records()
	if sent != n || failed == 0 {
		t.Fatalf("%d records were told of, and %d failed", sent, failed)
	}
	count := map[uint64]int{}
	for _, records := range readAll(t, cluster, "topic") {
		for _, r := range records {
			count[numberOf(r.Value)]++
		}
	}
	for _, a := range book.all {
		for i := range a.Records {
			number := (a.First+uint64(i))*partitions + uint64(a.Partition)
			if times := count[number]; times > 1 || a.Err == nil && times == 0 || a.Landed == NotInLog && times > 0 {
				t.Fatalf("record %d is %d times in the log, and was told %v: %v", number, times, a.Landed, a.Err)
			}
		}
	}
}

func TestABrokerThatForgetsTheProducerIsToldItAnew(t *testing.T) {
	cluster := fake(t, 1)
	p, book := produceTo(t, cluster, ProducerConfig{})
	p.identity.Store(&produceIdentity{p.identity.Load().id, lastProduceEpoch})
	first := *p.identity.Load()
	sendNumbers(t, p, 0, 10)
	flush(t, p)
	failing(cluster, 1, kerr.OutOfOrderSequenceNumber)
	sendNumbers(t, p, 10, 10)
	flush(t, p)
	if now := *p.identity.Load(); now.id == first.id || now.epoch != 0 {
		t.Errorf("behind the last epoch of %v it is %v", first, now)
	}
	if !book.met(errSequencesLost) {
		t.Error("nobody was told")
	}
	sendNumbers(t, p, 20, 10)
	failing(cluster, 1, kerr.UnknownProducerID)
	flush(t, p)
	if now := *p.identity.Load(); now.epoch != 1 {
		t.Errorf("it is %v", now)
	}
	onceInOrder(t, readAll(t, cluster, "topic"), 30, 1)
}

func TestABatchThatIsTooLargeIsSplit(t *testing.T) {
	for _, codec := range []batch.Codec{batch.None, batch.LZ4} {
		t.Run(codec.String(), func(t *testing.T) {
			cluster := fake(t, 1)
			if err := cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": "40000"}); err != nil {
				t.Fatal(err)
			}
			p, book := produceTo(t, cluster, ProducerConfig{Topic: "small", Compression: codec, Linger: time.Second})
			value := make([]byte, 500)
			for i := range 1000 {
				for j := range value {
					value[j] = byte(rand.Int())
				}
				if err := p.Send(t.Context(), Record{Value: append(eight(i), value...)}); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, p)
			if n, failed := book.records(); n != 1000 || failed > 0 {
				t.Fatalf("%d records were told of, and %d failed", n, failed)
			}
			onceInOrder(t, readAll(t, cluster, "small"), 1000, 1)
			if p.all()[0].most >= defaultBatchBytes {
				t.Error("nothing was learnt")
			}
			if err := p.Send(t.Context(), Record{Value: make([]byte, 50_000)}); err != nil {
				t.Fatal(err)
			}
			if err := flushed(t, p); codec == batch.None && (!errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "a record of 50000 bytes")) {
				t.Errorf("one record that is too large: %v", err)
			}
		})
	}
}

func TestABatchFailsAfterItsTimeAndNoEarlier(t *testing.T) {
	const timeout = 400 * time.Millisecond
	cluster := fake(t, 2)
	p, book := produceTo(t, cluster, ProducerConfig{DeliveryTimeout: timeout})
	hit := failing(cluster, -1, kerr.NotEnoughReplicas, 1)
	began := time.Now()
	sendNumbers(t, p, 0, 100)
	err := flushed(t, p)
	if took := time.Since(began); took < timeout || took > 10*timeout {
		t.Errorf("it took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kerr.NotEnoughReplicas) {
		t.Errorf("it says: %v", err)
	}
	if n, failed := book.records(); n != 100 || failed != 50 {
		t.Errorf("%d records were told of, and %d failed", n, failed)
	}
	hit.Remove()
	sendNumbers(t, p, 100, 100)
	flush(t, p)
	if all := readAll(t, cluster, "topic"); len(all[0]) != 100 || len(all[1]) != 50 {
		t.Errorf("%d and %d records are there", len(all[0]), len(all[1]))
	}
}

func TestASilentBrokerIsGivenUp(t *testing.T) {
	cluster := fake(t, 3)
	wake := make(chan struct{})
	var silent atomic.Bool
	silent.Store(true)
	cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if silent.Load() {
			cluster.SleepControl(func() { <-wake })
		}
		return nil, nil, false
	})
	p, book := produceTo(t, cluster, ProducerConfig{RequestTimeout: 200 * time.Millisecond})
	sendNumbers(t, p, 0, 300)
	time.Sleep(500 * time.Millisecond)
	silent.Store(false)
	close(wake)
	flush(t, p)
	if n, failed := book.records(); n != 300 || failed > 0 {
		t.Fatalf("%d records were told of, and %d failed", n, failed)
	}
	if len(book.errs) == 0 {
		t.Error("nobody was told")
	}
	onceInOrder(t, readAll(t, cluster, "topic"), 300, 3)
}

func TestABrokerThatIsGoneComesBack(t *testing.T) {
	cluster := fake(t, 3)
	p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 2000, Linger: time.Millisecond})
	sendNumbers(t, p, 0, 300)
	node := cluster.LeaderFor("topic", 0)
	if err := cluster.RemoveNode(node); err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, p, 300, 300)
	if _, _, err := cluster.AddNode(node, 0); err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, p, 600, 300)
	flush(t, p)
	if n, failed := book.records(); n != 900 || failed > 0 {
		t.Fatalf("%d records were told of, and %d failed", n, failed)
	}
	onceInOrder(t, readAll(t, cluster, "topic"), 900, 3)
}

func TestSendWaitsForRoom(t *testing.T) {
	cluster := fake(t, 2)
	wake := make(chan struct{})
	silence(cluster, wake)
	p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 4096, MaxBuffered: 32 << 10, Linger: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	sent := 0
	var err error
	for ; err == nil; sent++ {
		err = p.Send(ctx, Record{Partition: int32(sent % 2), Value: append(eight(sent), make([]byte, 92)...)})
	}
	sent--
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "MaxBuffered") {
		t.Errorf("it says: %v", err)
	}
	if sent*100 > 32<<10 || sent*100 < 16<<10 {
		t.Errorf("it took %d records", sent)
	}
	if p.memory.out > 32<<10 {
		t.Errorf("%d bytes are out", p.memory.out)
	}
	close(wake) // and those who wait go on, whatever Linger says
	for i := sent; i < sent+2000; i++ {
		if err := p.Send(t.Context(), Record{Partition: int32(i % 2), Value: append(eight(i), make([]byte, 92)...)}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, p)
	if n, failed := book.records(); n != sent+2000 || failed > 0 {
		t.Errorf("%d of %d records were told of, and %d failed", n, sent+2000, failed)
	}
	onceInOrder(t, readAll(t, cluster, "topic"), sent+2000, 2)
	if p.memory.out != 0 {
		t.Errorf("%d bytes are out", p.memory.out)
	}
}

func TestATopicThatIsMadeAnewEndsTheProducer(t *testing.T) {
	cluster := fake(t, 1)
	p, book := produceTo(t, cluster, ProducerConfig{})
	sendNumbers(t, p, 0, 10)
	flush(t, p)
	if err := cluster.DeleteTopic("topic"); err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, p, 10, 10)
	for !book.met(kerr.UnknownTopicOrPartition) {
		time.Sleep(time.Millisecond)
	}
	if err := cluster.CreateTopic("topic", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := flushed(t, p); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("Flush says: %v", err)
	}
	if err := p.Send(t.Context(), Record{}); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("Send says: %v", err)
	}
	if n, failed := book.records(); n != 20 || failed != 10 {
		t.Errorf("%d records were told of, and %d failed", n, failed)
	}
	if all := readAll(t, cluster, "topic"); len(all[0]) > 0 {
		t.Errorf("the other topic got %d records", len(all[0]))
	}
}

// An idle producer asks for nothing, so that only the topic's id can tell.
func TestATopicThatIsMadeAnewGetsNothingOfAnIdleProducer(t *testing.T) {
	cluster := fake(t, 2)
	p, book := produceTo(t, cluster, ProducerConfig{})
	sendNumbers(t, p, 0, 10)
	flush(t, p)
	if err := cluster.DeleteTopic("topic"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.CreateTopic("topic", 2, nil); err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, p, 10, 10)
	if err := flushed(t, p); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("Flush says: %v", err)
	}
	if n, failed := book.records(); n != 20 || failed != 10 {
		t.Errorf("%d records were told of, and %d failed", n, failed)
	}
	if all := readAll(t, cluster, "topic"); len(all[0])+len(all[1]) > 0 {
		t.Errorf("the namesake got %d and %d records", len(all[0]), len(all[1]))
	}
}

// answering makes brokers answer produce requests by hand, n times.
func answering(cluster *kfake.Cluster, n int, answer func(*kmsg.ProduceRequest, *kmsg.ProduceResponse)) *atomic.Int64 {
	var hits atomic.Int64
	cluster.ControlKey(produceKey, func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if hits.Add(1) > int64(n) {
			return nil, nil, false
		}
		request := r.(*kmsg.ProduceRequest)
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range request.Topics {
			made := kmsg.NewProduceResponseTopic()
			made.Topic, made.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = partition.Partition, kerr.NotEnoughReplicas.Code
				made.Partitions = append(made.Partitions, p)
			}
			response.Topics = append(response.Topics, made)
		}
		answer(request, response)
		return response, nil, true
	})
	return &hits
}

func TestAnswersThatCannotBeAreNotBelieved(t *testing.T) {
	other := kmsg.NewProduceResponseTopicPartition()
	for name, answer := range map[string]func(*kmsg.ProduceRequest, *kmsg.ProduceResponse){
		"missing": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) { r.Topics[0].Partitions = nil },
		"nothing": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) { r.Topics = nil },
		"another topic": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
			r.Topics[0].Topic, r.Topics[0].TopicID = "other", [16]byte{1}
		},
		"twice": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
		},
		"no such partition": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
			other.Partition = 1 << 30
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, other)
		},
		"negative": func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
			other.Partition = -1
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := fake(t, 2)
			p, book := produceTo(t, cluster, ProducerConfig{})
			hits := answering(cluster, 2, answer)
			sendNumbers(t, p, 0, 100)
			flush(t, p)
			if hits.Load() < 3 || len(book.errs) == 0 {
				t.Errorf("%d answers, %d errors", hits.Load(), len(book.errs))
			}
			onceInOrder(t, readAll(t, cluster, "topic"), 100, 2)
		})
	}
}

func TestAQuotaIsHonoured(t *testing.T) {
	cluster := fake(t, 1)
	p, _ := produceTo(t, cluster, ProducerConfig{Linger: time.Millisecond, NoIdempotence: true})
	answering(cluster, 1, func(_ *kmsg.ProduceRequest, r *kmsg.ProduceResponse) {
		r.Topics[0].Partitions[0].ErrorCode = 0
		r.ThrottleMillis = 300
	})
	sendNumbers(t, p, 0, 1)
	flush(t, p)
	began := time.Now()
	sendNumbers(t, p, 0, 1)
	flush(t, p)
	if took := time.Since(began); took < 250*time.Millisecond || took > 5*time.Second {
		t.Errorf("the next request took %v", took)
	}
	if p.Throttled() != 300*time.Millisecond {
		t.Errorf("it counted %v", p.Throttled())
	}
}

func TestSessionsAreRenewedWhileRecordsFlow(t *testing.T) {
	for _, acks := range []Acks{AcksAll, AcksNone} {
		t.Run(acks.String(), func(t *testing.T) {
			cluster := fake(t, 2, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "secret"), kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "300"}))
			var asked atomic.Int64
			mechanism := plain.Plain(func(context.Context) (plain.Auth, error) {
				asked.Add(1)
				return plain.Auth{User: "me", Pass: "secret"}, nil
			})
			auth := []kgo.Opt{kgo.SASL(mechanism)}
			book := newAckBook(t)
			p, err := NewProducer(t.Context(), ProducerConfig{Kafka: append(seeds(cluster), auth...), Topic: "topic", Acks: acks, Linger: time.Millisecond, OnAck: book.take, OnError: book.err})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for began := time.Now(); time.Since(began) < 1500*time.Millisecond; n += 10 {
				sendNumbers(t, p, n, 10)
				time.Sleep(2 * time.Millisecond)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if sent, failed := book.records(); sent != n || failed > 0 {
				t.Errorf("%d of %d records were told of, and %d failed", sent, n, failed)
			}
			if asked.Load() < 8 {
				t.Errorf("credentials were asked for %d times", asked.Load())
			}
			if len(book.errs) > 0 {
				t.Errorf("something went wrong: %v", errors.Join(book.errs...))
			}
		})
	}
}

func TestFlushEndsWithItsContext(t *testing.T) {
	cluster := fake(t, 1)
	wake := make(chan struct{})
	defer close(wake)
	silence(cluster, wake)
	p, _ := produceTo(t, cluster, ProducerConfig{RequestTimeout: time.Second, DeliveryTimeout: time.Second})
	sendNumbers(t, p, 0, 1)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, fmt.Errorf("enough"))
	defer cancel()
	if err := p.Flush(ctx); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("it says: %v", err)
	}
}
