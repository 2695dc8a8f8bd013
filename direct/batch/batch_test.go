package batch

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func TestABatchSaysWhatItsHeaderSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, last := drawBatch(t, rapid.Int64Range(0, 1<<60).Draw(t, "base"))
		b, rest, ok, err := Cut(append(raw[:len(raw):len(raw)], "rest"...))
		if err != nil || !ok || string(rest) != "rest" || !bytes.Equal(b.Raw(), raw) {
			t.Fatalf("not cut off as it was sent: %v, %v, %q left", err, ok, rest)
		}
		var k kmsg.RecordBatch
		if err := k.ReadFrom(raw); err != nil {
			t.Fatal(err)
		}
		type header struct {
			First, Last, FirstTime, MaxTime, Producer int64
			Epoch, Sequence                           int32
			ProducerEpoch, Attributes                 int16
			Len                                       int
		}
		a := header{b.FirstOffset(), b.LastOffset(), b.FirstTimestamp(), b.MaxTimestamp(), b.ProducerID(), b.LeaderEpoch(), b.FirstSequence(), b.ProducerEpoch(), int16(b.attributes), b.Len()}
		want := header{k.FirstOffset, last, k.FirstTimestamp, k.MaxTimestamp, k.ProducerID, k.PartitionLeaderEpoch, k.FirstSequence, k.ProducerEpoch, k.Attributes, int(k.NumRecords)}
		if a != want || !bytes.Equal(b.Bytes(), k.Records) {
			t.Fatalf("%+v, where there is %+v", a, want)
		}
	})
}

func TestABatchIsCutOffWholeOrNotAtAll(t *testing.T) {
	raw := sealed(plain(2, []byte("value")))
	for n := range raw {
		b, rest, ok, err := Cut(raw[:n])
		if ok || err != nil || len(rest) != n || b.Raw() != nil {
			t.Fatalf("%d of %d bytes: a batch of %d, %d left, %v", n, len(raw), len(b.Raw()), len(rest), err)
		}
	}
}

func TestAHeaderThatCannotBeIsAnError(t *testing.T) {
	be := binary.BigEndian
	for name, change := range map[string]func(b []byte){
		"message format 0":             func(b []byte) { b[magicAt] = 0 },
		"message format 1":             func(b []byte) { b[magicAt] = 1 },
		"message format 3":             func(b []byte) { b[magicAt] = 3 },
		"a length below the header's":  func(b []byte) { be.PutUint32(b[lengthAt:], headerSize-afterLength-1) },
		"a negative length":            func(b []byte) { be.PutUint32(b[lengthAt:], 1<<31) },
		"a negative offset":            func(b []byte) { b[0] = 0x80 },
		"an offset that turns over":    func(b []byte) { be.PutUint64(b, 1<<63-1) },
		"a last offset that turns":     func(b []byte) { be.PutUint64(b, 1<<63-2) },
		"a last offset before":         func(b []byte) { be.PutUint32(b[lastDeltaAt:], 1<<32-1) },
		"fewer than no records":        func(b []byte) { be.PutUint32(b[countAt:], 1<<32-1) },
		"more records than offsets":    func(b []byte) { be.PutUint32(b[countAt:], 3) },
		"more records than bytes":      func(b []byte) { be.PutUint32(b[countAt:], 1<<30); be.PutUint32(b[lastDeltaAt:], 1<<30) },
		"2^31 records and no offsets":  func(b []byte) { be.PutUint32(b[countAt:], 1<<31-1) },
		"2^31 records, and as offsets": func(b []byte) { be.PutUint32(b[countAt:], 1<<31-1); be.PutUint32(b[lastDeltaAt:], 1<<31-1) },
	} {
		raw := sealed(plain(2, []byte("value")))
		change(raw)
		if b, rest, ok, err := Cut(raw); err == nil || ok || b.Raw() != nil || len(rest) != len(raw) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

func TestAFlippedBitIsFound(t *testing.T) {
	raw := sealed(plain(2, []byte("value")))
	for bit := crcAt * 8; bit < len(raw)*8; bit++ {
		raw[bit/8] ^= 1 << (bit % 8)
		if (&Batch{raw: raw}).Intact() {
			t.Errorf("bit %d is flipped and the batch intact", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestAMarkIsRead(t *testing.T) {
	control := func(records ...[]byte) *Batch {
		b := kmsg.RecordBatch{Magic: 2, Attributes: controlBatch, NumRecords: int32(len(records)), Records: bytes.Join(records, nil)}
		return only(t, sealed(b))
	}
	record := func(key ...byte) []byte {
		return appendRecord(nil, kmsg.Record{Key: key, Value: []byte{0, 0, 0, 0, 0, 0}})
	}
	for _, c := range []struct {
		name string
		b    *Batch
		mark Mark
		bad  bool
	}{
		{"abort", control(record(0, 0, 0, 0)), Abort, false},
		{"commit", control(record(0, 0, 0, 1)), Commit, false},
		{"commit in a newer version", control(record(0, 1, 0, 1, 9)), Commit, false},
		{"mark 2", control(record(0, 0, 0, 2)), 2, false},
		{"no mark", control(), NoMark, false},
		{"a key too short", control(record(0, 0, 0)), NoMark, true},
		{"no key", control(record()), NoMark, true},
		{"a version that cannot be", control(record(0xff, 0xff, 0, 1)), NoMark, true},
		{"no record", control([]byte{0, 0, 0, 0, 0, 0, 0}), NoMark, true},
		{"no control batch", only(t, sealed(plain(1, []byte("v")))), NoMark, true},
	} {
		mark, err := c.b.Mark(c.b.Bytes())
		if mark != c.mark || (err != nil) != c.bad {
			t.Errorf("%s is read as %s: %v", c.name, mark, err)
		}
	}
	if Mark(2).String() != "mark 2" || Abort.String() != "abort" || Commit.String() != "commit" || NoMark.String() != "no mark" {
		t.Error("marks have other names")
	}
}

func TestACodecHasKafkasName(t *testing.T) {
	for c, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		parsed, err := ParseCodec(name)
		if err != nil || parsed != Codec(c) || parsed.String() != name {
			t.Errorf("%s is %s: %v", name, parsed, err)
		}
	}
	for _, name := range []string{"", "GZIP", "lz5", "producer"} {
		if c, err := ParseCodec(name); err == nil {
			t.Errorf("%q is %s", name, c)
		}
	}
	if Codec(7).String() != "codec 7" {
		t.Error(Codec(7))
	}
}

// remade is bytes whose batches have a good CRC, as far as there are batches.
func remade(raw []byte) []byte {
	raw = bytes.Clone(raw)
	for rest := raw; ; {
		b, next, ok, err := Cut(rest)
		if err != nil || !ok {
			return raw
		}
		binary.BigEndian.PutUint32(b.raw[crcAt:], crc32.Checksum(b.raw[attributesAt:], castagnoli))
		rest = next
	}
}
