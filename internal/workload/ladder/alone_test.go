package ladder

import (
	"testing"

	"redline/internal/client/clienttest"
)

func TestASampleTimesEachStep(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": partitions})
	clienttest.Fill(t, address, "topic", partitions, 4000)
	sample, err := Take(t.Context(), readingSpec(t, address, ""), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if sample.Records != partitions*4000 {
		t.Errorf("the sample holds %d records", sample.Records)
	}
	for _, step := range []string{"crc", "decompress", "decode", "account"} {
		if ns, err := sample.Alone(step, 0); err != nil || ns > 1000 {
			t.Errorf("%s takes %f ns (%v)", step, ns, err)
		}
	}
	for _, step := range []string{"fetch", "group", "build", ""} {
		if _, err := sample.Alone(step, 0); err == nil {
			t.Errorf("%q was timed", step)
		}
	}
}
