package wire

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// fetched is a Fetch response with anything in it.
func fetched(t *rapid.T, version int16) *kmsg.FetchResponse {
	r := kmsg.NewPtrFetchResponse()
	r.Version = version
	r.ThrottleMillis, r.ErrorCode, r.SessionID = rapid.Int32().Draw(t, "throttle"), rapid.Int16().Draw(t, "code"), rapid.Int32().Draw(t, "session")
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = rapid.StringN(0, 300, 1000).Draw(t, "name")
		copy(topic.TopicID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for range rapid.IntRange(0, 4).Draw(t, "partitions") {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark = rapid.Int32().Draw(t, "partition"), rapid.Int16().Draw(t, "code"), rapid.Int64().Draw(t, "high")
			p.LastStableOffset, p.LogStartOffset = rapid.Int64().Draw(t, "stable"), rapid.Int64().Draw(t, "start")
			for range rapid.IntRange(0, 3).Draw(t, "aborted") {
				a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
				a.ProducerID, a.FirstOffset = rapid.Int64().Draw(t, "producer"), rapid.Int64().Draw(t, "first")
				p.AbortedTransactions = append(p.AbortedTransactions, a)
			}
			p.PreferredReadReplica = rapid.Int32().Draw(t, "replica")
			if rapid.Bool().Draw(t, "batches") {
				p.RecordBatches = rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "bytes")
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		r.Topics = append(r.Topics, topic)
	}
	if version >= 12 && rapid.Bool().Draw(t, "tags") {
		r.UnknownTags.Set(77, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "tag"))
	}
	return r
}

// reread reads a Fetch response of version 11 to 13 with a cursor, into what kmsg has.
func reread(b []byte, version int16) (*kmsg.FetchResponse, Cursor) {
	c := NewCursor(b)
	flexible := version >= 12
	items := func(size int) int {
		if flexible {
			return c.Items(c.Uvarint()-1, size)
		}
		return c.Items(int64(c.Int32()), size)
	}
	tags := func() {
		if flexible {
			c.Tags()
		}
	}
	r := kmsg.NewPtrFetchResponse()
	r.Version, r.ThrottleMillis, r.ErrorCode, r.SessionID = version, c.Int32(), c.Int16(), c.Int32()
	for range items(2) {
		topic := kmsg.NewFetchResponseTopic()
		switch {
		case version >= 13:
			topic.TopicID = c.UUID()
		case flexible:
			topic.Topic = string(c.Compact())
		default:
			topic.Topic = string(c.String())
		}
		for range items(30) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = c.Int32(), c.Int16(), c.Int64(), c.Int64(), c.Int64()
			for range items(16) {
				a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
				a.ProducerID, a.FirstOffset = c.Int64(), c.Int64()
				tags()
				p.AbortedTransactions = append(p.AbortedTransactions, a)
			}
			p.PreferredReadReplica = c.Int32()
			if flexible {
				p.RecordBatches = c.Compact()
			} else {
				p.RecordBatches = c.Bytes()
			}
			tags()
			topic.Partitions = append(topic.Partitions, p)
		}
		tags()
		r.Topics = append(r.Topics, topic)
	}
	tags()
	return r, c
}

func TestACursorReadsWhatKmsgWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(11, 13).Draw(t, "version")
		wrote := fetched(t, version)
		b := wrote.AppendTo(nil)
		read, c := reread(b, version)
		if c.Bad() || c.Left() != 0 {
			t.Fatalf("bad: %v, %d of %d bytes are left", c.Bad(), c.Left(), len(b))
		}
		wrote.UnknownTags = kmsg.Tags{}
		if got, want := read.AppendTo(nil), wrote.AppendTo(nil); !bytes.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", read, wrote)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, c := reread(b[:cut], version); !c.Bad() || c.Left() != 0 {
			t.Fatalf("%d of %d bytes are good", cut, len(b))
		}
	})
}

func TestACursorTellsNullFromNothing(t *testing.T) {
	for _, test := range []struct {
		b    []byte
		read func(*Cursor) []byte
		null bool
		bad  bool
	}{
		{[]byte{0xff, 0xff, 0xff, 0xff, 9}, (*Cursor).Bytes, true, false},
		{[]byte{0, 0, 0, 0, 9}, (*Cursor).Bytes, false, false},
		{[]byte{0xff, 0xff, 0xff, 0xfe, 9}, (*Cursor).Bytes, true, true},
		{[]byte{0x7f, 0xff, 0xff, 0xff, 9}, (*Cursor).Bytes, true, true},
		{[]byte{0xff, 0xff, 9}, (*Cursor).String, true, false},
		{[]byte{0, 0, 9}, (*Cursor).String, false, false},
		{[]byte{0x80, 0, 9}, (*Cursor).String, true, true},
		{[]byte{0, 9}, (*Cursor).Compact, true, false},
		{[]byte{1, 9}, (*Cursor).Compact, false, false},
		{[]byte{3, 9}, (*Cursor).Compact, true, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 9}, (*Cursor).Compact, true, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0x1f, 9}, (*Cursor).Compact, true, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0, 9}, (*Cursor).Compact, true, true},
		{nil, (*Cursor).Compact, true, true},
	} {
		c := NewCursor(test.b)
		got := test.read(&c)
		if (got == nil) != test.null || c.Bad() != test.bad || len(got) != 0 || !test.bad && c.Left() != 1 {
			t.Errorf("%x: got %v, bad %v, left %d", test.b, got, c.Bad(), c.Left())
		}
	}
}

func TestAnArrayHasNoMoreItemsThanFit(t *testing.T) {
	for _, test := range []struct {
		n    int64
		size int
		want int
		bad  bool
	}{
		{0, 4, 0, false}, {-1, 4, 0, false}, {-1 << 40, 4, 0, false}, {3, 4, 3, false}, {4, 4, 0, true}, {12, 1, 12, false},
		{13, 1, 0, true}, {12, 0, 12, false}, {13, 0, 0, true}, {1 << 40, 1, 0, true}, {1, 100, 0, true},
	} {
		c := NewCursor(make([]byte, 12))
		if got := c.Items(test.n, test.size); got != test.want || c.Bad() != test.bad {
			t.Errorf("%d items of %d bytes: got %d, bad %v", test.n, test.size, got, c.Bad())
		}
	}
}

func TestAViewCannotGrowIntoWhatFollows(t *testing.T) {
	b := []byte{2, 'x', 'y'}
	c := NewCursor(b)
	if _ = append(c.Compact(), 'z'); b[2] != 'y' {
		t.Error("it did")
	}
}

// FuzzCursor reads anything in any way, beside franz-go's reader.
func FuzzCursor(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, bytes.Repeat([]byte{1}, 100))
	f.Add([]byte{4, 4, 4}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0x80, 0, 5})
	f.Add([]byte{9, 9}, []byte{2, 0, 1, 0xaa, 7, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, fields, data []byte) {
		c, r := NewCursor(data), kbin.Reader{Src: data}
		for i, field := range fields {
			var ours, theirs any
			left := c.Left()
			switch field % 10 {
			case 0:
				ours, theirs = c.Int8(), r.Int8()
			case 1:
				ours, theirs = c.Int16(), r.Int16()
			case 2:
				ours, theirs = c.Int32(), r.Int32()
			case 3:
				ours, theirs = c.Int64(), r.Int64()
			case 4:
				ours, theirs = c.Uvarint(), int64(r.Uvarint())
			case 5:
				ours, theirs = c.UUID(), r.Uuid()
			case 6:
				ours, theirs = string(c.Bytes()), string(r.Bytes())
			case 7:
				// franz-go takes every negative length for null.
				peek := NewCursor(r.Src)
				if n := peek.Int16(); n < -1 {
					return
				}
				theirs = ""
				if s := r.NullableString(); s != nil {
					theirs = *s
				}
				ours = string(c.String())
			case 8:
				ours, theirs = string(c.Compact()), string(r.CompactBytes())
			case 9:
				c.Tags()
				kmsg.SkipTags(&r)
			}
			if ours != theirs || c.Bad() == r.Ok() || c.Left() != len(r.Src) {
				t.Fatalf("field %d of kind %d: %v against %v, bad %v against %v, left %d against %d", i, field%10, ours, theirs, c.Bad(), !r.Ok(), c.Left(), len(r.Src))
			}
			if c.Bad() && c.Left() > 0 || c.Left() > left {
				t.Fatalf("field %d of kind %d left %d of %d bytes", i, field%10, c.Left(), left)
			}
		}
	})
}
