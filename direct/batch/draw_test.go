package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// What is drawn here is encoded by the libraries alone, not by the code under test.

// drawn is a run of batches as a broker sends them, to be read from an offset.
type drawn struct {
	bytes []byte
	from  int64
}

// drawBatches makes batches of every shape: all codecs, keys, headers, nulls, gaps, control
// batches, both kinds of timestamps, and a tail that is cut off.
func drawBatches(t *rapid.T) drawn {
	var d drawn
	base := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1<<60)).Draw(t, "base")
	offset, last := base, base
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		var raw []byte
		raw, last = drawBatch(t, offset)
		d.bytes = append(d.bytes, raw...)
		offset = last + 1 + rapid.Int64Range(0, 3).Draw(t, "gap")
	}
	d.from = rapid.OneOf(rapid.Just(base), rapid.Int64Range(base, last)).Draw(t, "from")
	if rapid.Bool().Draw(t, "tail") {
		raw, _ := drawBatch(t, offset)
		d.bytes = append(d.bytes, raw[:rapid.IntRange(1, len(raw)-1).Draw(t, "cut")]...)
	}
	return d
}

func drawBatch(t *rapid.T, base int64) (raw []byte, last int64) {
	// What franz-go can show: its times end in the year 2262.
	anyTime := rapid.Int64Range(-1<<42, 1<<42)
	b := kmsg.RecordBatch{
		FirstOffset:          base,
		PartitionLeaderEpoch: rapid.Int32Range(-1, 9).Draw(t, "epoch"),
		Magic:                2,
		FirstTimestamp:       anyTime.Draw(t, "first time"),
		MaxTimestamp:         anyTime.Draw(t, "max time"),
		ProducerID:           rapid.Int64Range(-1, 1<<40).Draw(t, "producer"),
		ProducerEpoch:        rapid.Int16Range(-1, 99).Draw(t, "producer epoch"),
		FirstSequence:        rapid.Int32Range(-1, 1<<31-1).Draw(t, "sequence"),
	}
	var records []byte
	if rapid.IntRange(0, 4).Draw(t, "control") == 0 {
		b.Attributes |= controlBatch | transactional
		b.NumRecords = 1
		mark := rapid.SampledFrom([]Mark{Abort, Commit, 2}).Draw(t, "mark")
		records = appendRecord(nil, kmsg.Record{Key: []byte{0, 0, 0, byte(mark)}, Value: []byte{0, 0, 0, 0, 0, 7}})
	} else {
		records = drawRecords(t, &b)
		for _, flag := range []int16{logAppendTime, transactional} {
			if rapid.Bool().Draw(t, "flag") {
				b.Attributes |= flag
			}
		}
	}
	c := Codec(rapid.IntRange(0, 4).Draw(t, "codec"))
	b.Attributes |= int16(c)
	b.Records = drawCompressed(t, c, records)
	return sealed(b), base + int64(b.LastOffsetDelta)
}

// drawRecords makes the records of a batch, with gaps as compaction leaves them.
func drawRecords(t *rapid.T, b *kmsg.RecordBatch) []byte {
	var records []byte
	hole := rapid.SampledFrom([]int32{0, 0, 2, 300, 1 << 22}).Draw(t, "largest hole")
	delta := rapid.Int32Range(0, hole).Draw(t, "first hole")
	for range rapid.IntRange(0, 9).Draw(t, "records") {
		r := drawRecord(t)
		r.OffsetDelta = delta
		records = appendRecord(records, r)
		b.NumRecords++
		b.LastOffsetDelta = delta
		delta += 1 + rapid.Int32Range(0, hole).Draw(t, "hole")
	}
	b.LastOffsetDelta += rapid.Int32Range(0, hole).Draw(t, "last hole")
	return records
}

func drawRecord(t *rapid.T) kmsg.Record {
	some := func(name string) []byte {
		return rapid.SliceOfN(rapid.Byte(), 0, rapid.SampledFrom([]int{0, 3, 100, 9000}).Draw(t, "most")).Draw(t, name)
	}
	orNull := func(name string) []byte {
		if rapid.IntRange(0, 2).Draw(t, "null "+name) == 0 {
			return nil
		}
		return some(name)
	}
	r := kmsg.Record{
		Attributes:       rapid.Int8().Draw(t, "attributes"),
		TimestampDelta64: rapid.OneOf(rapid.Int64Range(-5, 1<<10), rapid.Int64Range(-1<<42, 1<<42)).Draw(t, "due"),
		Key:              orNull("key"),
		Value:            orNull("value"),
	}
	for i := range rapid.SampledFrom([]int{0, 0, 1, 3, 70}).Draw(t, "headers") {
		h := kmsg.Header{Key: fmt.Sprint(i)[1:]} // the first ten have empty keys
		if i < 3 {
			h.Value = orNull("header")
		}
		r.Headers = append(r.Headers, h)
	}
	return r
}

// drawCompressed compresses records as one of the clients does.
func drawCompressed(t *rapid.T, c Codec, records []byte) []byte {
	switch way := rapid.IntRange(0, 2).Draw(t, "client"); {
	case c == Snappy && way > 0 && len(records) > 0: // of none franz-go reads none
		return asJavaSnaps(records, rapid.IntRange(1, 2000).Draw(t, "block"))
	case c == LZ4 && way > 0:
		return drawLZ4(t, records)
	default:
		return compressed(c, records)
	}
}

// compressed is what franz-go makes of it.
func compressed(c Codec, records []byte) []byte {
	codec := map[Codec]kgo.CompressionCodec{
		None: kgo.NoCompression(), Gzip: kgo.GzipCompression(), Snappy: kgo.SnappyCompression(),
		LZ4: kgo.Lz4Compression(), Zstd: kgo.ZstdCompression(),
	}[c]
	compressor, err := kgo.DefaultCompressor(codec)
	if err != nil {
		panic(err)
	}
	if compressor == nil {
		return records
	}
	var to bytes.Buffer
	out, _ := compressor.Compress(&to, records)
	return bytes.Clone(out)
}

// asJavaSnaps cuts records into blocks behind a header of their own.
func asJavaSnaps(records []byte, block int) []byte {
	out := append(append([]byte{}, xerial...), 0, 0, 0, 1, 0, 0, 0, 1)
	for len(records) > 0 {
		n := min(block, len(records))
		snapped := s2.EncodeSnappy(nil, records[:n])
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(snapped))), snapped...)
		records = records[n:]
	}
	return out
}

func drawLZ4(t *rapid.T, records []byte) []byte {
	options := []lz4.Option{
		lz4.BlockSizeOption(rapid.SampledFrom([]lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb}).Draw(t, "block size")),
		lz4.BlockChecksumOption(rapid.Bool().Draw(t, "block checksum")),
		lz4.ChecksumOption(rapid.Bool().Draw(t, "checksum")),
	}
	if rapid.Bool().Draw(t, "size") {
		options = append(options, lz4.SizeOption(uint64(len(records))))
	}
	return lz4Frames(records, options...)
}

// lz4Frames is one frame of LZ4 as its library writes it.
func lz4Frames(records []byte, options ...lz4.Option) []byte {
	var to bytes.Buffer
	w := lz4.NewWriter(&to)
	if err := w.Apply(options...); err != nil {
		panic(err)
	}
	if _, err := w.Write(records); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return to.Bytes()
}

// appendRecord appends a record with its length.
func appendRecord(dst []byte, r kmsg.Record) []byte {
	inside := r.AppendTo(nil)[1:] // behind a length of 0
	return append(binary.AppendVarint(dst, int64(len(inside))), inside...)
}

// sealed is a batch with its length and CRC made good.
func sealed(b kmsg.RecordBatch) []byte {
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLength))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
	return raw
}

// plain is a batch of so many records with a value.
func plain(records int, value []byte) kmsg.RecordBatch {
	b := kmsg.RecordBatch{FirstOffset: 7, Magic: 2, NumRecords: int32(records), LastOffsetDelta: int32(records - 1), FirstTimestamp: 1000, MaxTimestamp: 2000}
	for i := range records {
		b.Records = appendRecord(b.Records, kmsg.Record{OffsetDelta: int32(i), TimestampDelta64: int64(i), Value: value})
	}
	return b
}

// with is a batch of records compressed with a codec.
func with(c Codec, b kmsg.RecordBatch, compressed []byte) kmsg.RecordBatch {
	b.Attributes |= int16(c)
	b.Records = compressed
	return b
}
