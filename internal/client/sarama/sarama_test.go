package sarama

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"redline/internal/client"
	"redline/internal/client/clienttest"
	"redline/internal/cluster"
	"redline/internal/secret"
	"redline/internal/security"
)

func TestMain(m *testing.M) { clienttest.Main(m) }

func TestConformance(t *testing.T) {
	clienttest.Conformance(t, Library, "fetch.max.byte", "fetch.max.bytes")
}

// Each row of the table must be usable: its default, as shown, is a value that
// it takes, and no spelling is given twice.
func TestEachPropertyTakesWhatItShows(t *testing.T) {
	clienttest.SpelledOnce(t, properties)
	for _, kind := range []client.Side{client.Consuming, client.Consuming | client.Grouping, client.Producing} {
		for _, tuned := range [][]client.Preset{nil, map[bool][]client.Preset{true: produceTuned, false: consumeTuned}[kind == client.Producing]} {
			d := newDraft(kind)
			if err := d.apply(tuned, nil); err != nil {
				t.Fatal(err)
			}
			again := newDraft(kind)
			if err := again.apply(nil, d.settings()); err != nil {
				t.Error(err)
			}
			if was, is := fmt.Sprint(d.settings()), fmt.Sprint(again.settings()); was != is {
				t.Errorf("%s became %s", was, is)
			}
		}
	}
}

func TestEachPresetIsInForce(t *testing.T) {
	for kind, tuned := range map[client.Side][]client.Preset{client.Consuming | client.Grouping: consumeTuned, client.Producing: produceTuned} {
		d, err := drafted(kind, client.Options{}, tuned, func(*sarama.Config) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range tuned {
			if got := d.settings()[p.Key]; got != p.Value || p.Reason == "" {
				t.Errorf("%s=%q in force, want %q because %q", p.Key, got, p.Value, p.Reason)
			}
		}
	}
}

func TestWhatDependsOnEachOtherIsSettled(t *testing.T) {
	for _, tt := range []struct {
		properties           map[string]string
		idempotent, inFlight string // empty: refused
	}{
		{nil, "true", "1"},
		{map[string]string{"acks": "all"}, "true", "1"},
		{map[string]string{"acks": "1"}, "false", "5"},
		{map[string]string{"acks": "0", "max.in.flight": "9"}, "false", "9"},
		{map[string]string{"enable.idempotence": "false"}, "false", "5"},
		{map[string]string{"acks": "1", "enable.idempotence": "true"}, "", ""},
		{map[string]string{"max.in.flight": "9"}, "", ""},
		{map[string]string{"retries": "0"}, "", ""},
		{map[string]string{"linger.ms": "0", "flush.bytes": "9"}, "", ""},
		{map[string]string{"check.crcs": "false"}, "", ""},
	} {
		d, err := produceDraft(client.Options{Properties: tt.properties})
		if err != nil {
			if tt.idempotent != "" || !errors.Is(err, client.ErrProperty) {
				t.Errorf("%v: %v", tt.properties, err)
			}
			continue
		}
		settings := d.settings()
		if got, n := settings["enable.idempotence"], settings["max.in.flight.requests.per.connection"]; got != tt.idempotent || n != tt.inFlight {
			t.Errorf("%v: idempotent %s with %s in flight", tt.properties, got, n)
		}
	}
}

func TestWhatSaramaRefusesIsRefusedBeforehand(t *testing.T) {
	for _, properties := range []map[string]string{
		{"partition.assignment.strategy": "uniform"},
		{"group.instance.id": "a b"},
		{"heartbeat.interval.ms": "50000"},
		{"check.crcs": "false"},
	} {
		err := Library.CheckConsumer(client.Options{Properties: properties})
		if !errors.Is(err, client.ErrProperty) || errors.Is(err, client.ErrUnknownProperty) || !strings.HasPrefix(err.Error(), "sarama cannot ") {
			t.Errorf("%v: %v", properties, err)
		}
	}
	err := Library.CheckConsumer(client.Options{Properties: map[string]string{"partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}})
	if err != nil {
		t.Error(err)
	}
}

func TestAWSIsRefusedBeforehand(t *testing.T) {
	aws := func(context.Context) (security.AWSCredentials, error) { return security.AWSCredentials{}, nil }
	o := client.Options{Security: security.Security{SASL: &security.SASL{Mechanism: security.AWSMSKIAM, AWS: aws}}}
	for _, err := range []error{Library.CheckConsumer(o), Library.CheckProducer(o)} {
		if !errors.Is(err, client.ErrProperty) || !strings.Contains(err.Error(), "sarama cannot authenticate with AWS_MSK_IAM") {
			t.Error(err)
		}
	}
}

func TestSettingsShowNoPassword(t *testing.T) {
	o := client.Options{Security: security.Security{SASL: &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New("hunter2-canary")}}}
	d, err := produceDraft(o)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprint(d.settings()); strings.Contains(shown, "canary") {
		t.Error(shown)
	}
}

func TestErrorsOfSaramaAreClassifiedLikeGosOwn(t *testing.T) {
	explained := sarama.Wrap(sarama.ErrSASLAuthenticationFailed, errors.New("no such user"))
	for _, tt := range []struct {
		err     error
		kind    cluster.Kind
		outcome client.Outcome
	}{
		{sarama.ErrSASLAuthenticationFailed, cluster.KindAuthentication, client.Indeterminate},
		{sarama.Wrap(sarama.ErrOutOfBrokers, errors.New("x"), explained), cluster.KindAuthentication, client.Indeterminate},
		{sarama.ErrUnsupportedSASLMechanism, cluster.KindMechanism, client.Indeterminate},
		{&sarama.ConsumerError{Err: sarama.ErrGroupAuthorizationFailed}, cluster.KindNotAuthorized, client.Indeterminate},
		{sarama.ErrTopicAuthorizationFailed, cluster.KindNotAuthorized, client.Failed},
		{sarama.ErrMessageSizeTooLarge, "", client.Failed},
		{sarama.ConfigurationError("too large"), "", client.Failed},
		{sarama.ErrInvalidPartition, "", client.Failed},
		{sarama.ErrNotEnoughReplicasAfterAppend, "", client.Indeterminate},
		{sarama.ErrRequestTimedOut, "", client.Indeterminate},
		{io.ErrUnexpectedEOF, cluster.KindClosed, client.Indeterminate},
		{client.NeverAppended(io.ErrUnexpectedEOF), cluster.KindClosed, client.Failed},
		{nil, "", client.Acked},
	} {
		err := asGo(tt.err)
		if got := cluster.KindOf(cluster.Classify(err)); got != string(tt.kind) {
			t.Errorf("%v: it is %q, want %q", tt.err, got, tt.kind)
		}
		if got := Library.Outcome(err); got != tt.outcome {
			t.Errorf("%v: outcome %v, want %v", tt.err, got, tt.outcome)
		}
	}
	if !errors.Is(asGo(explained), kerr.SaslAuthenticationFailed) || !errors.Is(asGo(explained), sarama.ErrSASLAuthenticationFailed) {
		t.Error("the code is lost")
	}
}

// read is a connection that gives bytes in pieces.
type read struct {
	net.Conn
	pieces [][]byte
}

func (r *read) Read(b []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; len(r.pieces[0]) == 0 {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}

// However answers are cut, they pass unchanged, and the first odd length ends the
// connection before sarama makes room for it.
func TestAnswersAreFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var whole []byte
		for range rapid.IntRange(0, 5).Draw(t, "answers") {
			answer := rapid.SliceOfN(rapid.Byte(), 4, 40).Draw(t, "answer")
			whole = append(binary.BigEndian.AppendUint32(whole, uint32(len(answer))), answer...)
		}
		good := len(whole)
		odd := rapid.Bool().Draw(t, "odd")
		if odd {
			size := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32Range(uint32(sarama.MaxResponseSize)+1, 1<<32-1)).Draw(t, "size")
			whole = binary.BigEndian.AppendUint32(whole, size)
		}
		var pieces [][]byte
		for rest := whole; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		d := newDraft(client.Consuming)
		conns := d.connections(client.Options{}, newWatch(client.Options{}, d, nil, nil))
		defer conns.cut()
		got, err := io.ReadAll(&connection{Conn: &read{pieces: pieces}, of: conns, address: "broker:1"})
		if odd != (err != nil) || odd && !strings.Contains(err.Error(), "broker:1") {
			t.Fatalf("odd %v: %v", odd, err)
		}
		if !bytes.HasPrefix(whole, got) || !odd && len(got) != len(whole) {
			t.Fatalf("%d bytes of %d, or others", len(got), len(whole))
		}
		if answered := conns.watch.Heard(); answered != (good > 0) && !odd {
			t.Fatalf("answered %v with %d bytes", answered, good)
		}
	})
}

// sarama makes objects of each record that it sends or hands out; the adapter must
// add none. The broker is in the same process and is counted too.
func TestProducingAllocatesNoMoreThanSarama(t *testing.T) {
	address := synthetic(t)
	bare, ours := newSending(t, address), newProducing(t, address)
	const records = 20_000
	send(t, ours, records)
	bare.send(records)
	theirs := allocated(records, func() { bare.send(records) })
	mine := allocated(records, func() { send(t, ours, records) })
	t.Logf("%.2f objects a record in a bare loop, %.2f here", theirs, mine)
	if mine > theirs {
		t.Errorf("%.2f objects a record, %.2f in a bare loop", mine, theirs)
	}
}

func TestConsumingAllocatesNoMoreThanSarama(t *testing.T) {
	address := synthetic(t, hundredBytes())
	bare, ours := newBare(t, address), newOurs(t, address)
	const records = 200_000
	ours.read(t, records)
	bare.read(records)
	theirs := allocated(records, func() { bare.read(records) })
	mine := allocated(records, func() { ours.read(t, records) })
	t.Logf("%.2f objects a record in a bare loop, %.2f here", theirs, mine)
	if mine > theirs+0.5 { // what one of them has read ahead is the other's
		t.Errorf("%.2f objects a record, %.2f in a bare loop", mine, theirs)
	}
}
