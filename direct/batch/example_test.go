package batch_test

import (
	"fmt"

	"redline/direct/batch"
)

// A batch is built, sent (which this example leaves out), and read.
func Example() {
	var builder batch.Builder
	var compressor batch.Compressor
	defer compressor.Close()

	// The storage of both is used again for batch after batch.
	buf, dst := make([]byte, 0, 1<<20), make([]byte, 0, 1<<20)
	builder.Begin(buf)
	builder.Append(1700000000000, []byte("anna"), []byte("hello"), []batch.Header{{Key: "lang", Value: []byte("en")}})
	copy(builder.Reserve(1700000000005, nil, 5, nil), "world")
	sealed, err := builder.Seal(batch.Zstd, &compressor, dst)
	if err != nil {
		fmt.Println(err)
		return
	}

	var decompressor batch.Decompressor
	defer decompressor.Close()
	for bytes := sealed; ; {
		b, rest, ok, err := batch.Cut(bytes)
		if err != nil || !ok {
			break
		}
		bytes = rest
		if !b.Intact() {
			fmt.Println("a byte was flipped on the way")
			break
		}
		records, err := decompressor.Records(&b)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(b.Len(), "records,", b.Codec())
		w := b.Walk(records)
		for w.Next() {
			fmt.Printf("%d at %d: %q %q\n", w.Offset, w.Timestamp, w.Key, w.Value)
			for key, value := range w.Headers() {
				fmt.Printf("\t%s: %s\n", key, value)
			}
		}
		if err := w.Err(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 2 records, zstd
	// 0 at 1700000000000: "anna" "hello"
	// 	lang: en
	// 1 at 1700000000005: "" "world"
}

// What an idempotent producer sends carries who it is, also when it was built before that
// was known.
func ExampleIdentify() {
	var builder batch.Builder
	builder.Begin(nil)
	builder.Append(1700000000000, nil, []byte("hello"), nil)
	sealed, err := builder.Seal(batch.None, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch.Identify(sealed, 4711, 0, 12)
	b, _, _, _ := batch.Cut(sealed)
	fmt.Println(b.ProducerID(), b.ProducerEpoch(), b.FirstSequence(), b.Intact())
	// Output: 4711 0 12 true
}
