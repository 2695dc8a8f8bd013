package exec

import (
	"context"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"redline/internal/client"
)

func counted(c counts) message {
	return message{Type: "count", Records: &c.records, Bytes: &c.bytes, Rewinds: c.rewinds}
}

// Whoever reads honestly is believed, however its instances share partitions, and
// however far each of them is.
func TestHonestReadersAreBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task := client.Task{Workload: consume, Starts: map[int32]int64{}, Ends: map[int32]int64{}}
		instances := rapid.IntRange(1, 4).Draw(t, "instances")
		type reader struct{ size, at int64 }
		readers := make([]reader, instances)
		for p := range rapid.Int32Range(int32(instances), 8).Draw(t, "partitions") {
			size := rapid.Int64Range(1, 50).Draw(t, "size")
			task.Starts[p] = rapid.Int64Range(0, 1000).Draw(t, "start")
			task.Ends[p] = task.Starts[p] + size
			readers[int(p)%instances].size += size
		}
		a := newAccount(task)
		if err := a.take(message{Type: "hello"}); err != nil {
			t.Fatal(err)
		}
		var c counts
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			r := &readers[rapid.IntRange(0, instances-1).Draw(t, "reader")]
			n := rapid.Int64Range(0, r.size-r.at).Draw(t, "records")
			r.at += n
			c.records, c.bytes = c.records+n, c.bytes+10*n
			if r.at == r.size {
				r.at = 0
				c.rewinds++
			}
			if err := a.take(counted(c)); err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
		}
	})
}

// A reader of one instance cannot count a record that it did not read.
func TestRecordsThatAreNotThereAreNotBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, passes := rapid.Int64Range(1, 1<<40).Draw(t, "size"), rapid.Int64Range(0, 1<<20).Draw(t, "passes")
		a := newAccount(client.Task{Workload: consume, Starts: map[int32]int64{0: 5}, Ends: map[int32]int64{0: 5 + size}})
		a.greeted = true
		most := counts{records: size * (passes + 1), rewinds: passes}
		if most.records < passes {
			t.Skip("fewer records than rewinds")
		}
		if err := a.take(counted(most)); err != nil {
			t.Fatal(err)
		}
		most.records++
		if err := a.take(counted(most)); err == nil {
			t.Fatalf("believed %+v of %d", most, size)
		}
	})
}

func TestAProducersBytesAreThoseOfItsRecords(t *testing.T) {
	for c, want := range map[counts]bool{
		{}:                           true,
		{records: 3, bytes: 300}:     true,
		{records: 3, bytes: 299}:     false,
		{records: 3, bytes: 301}:     false,
		{records: 0, bytes: 1}:       false,
		{records: 1, rewinds: 1}:     false,
		{records: math.MaxInt64 / 3}: false,
		{records: 1<<62 + 1<<60, bytes: (1<<62 + 1<<60) * 100 % (1 << 62)}: false, // it overflows
	} {
		a := newAccount(client.Task{Workload: produce, RecordSize: 100})
		a.greeted = true
		if err := a.take(counted(c)); (err == nil) != want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAReaderOfOnePassDoesNotRewind(t *testing.T) {
	a := newAccount(client.Task{Workload: consume, Once: true, Starts: map[int32]int64{0: 0}, Ends: map[int32]int64{0: 9}})
	a.greeted = true
	if err := a.take(counted(counts{records: 9, rewinds: 1})); err == nil || !strings.Contains(err.Error(), "was to read once") {
		t.Error(err)
	}
}

func FuzzWhatAChildSays(f *testing.F) {
	for _, lines := range []string{
		`{"type":"hello","protocol":1,"client":"kafka-python","version":"3.0.12","settings":{"a":1,"b":"x","c":null}}`,
		"{\"type\":\"hello\",\"protocol\":1,\"client\":\"a\",\"version\":\"b\"}\n{\"type\":\"count\",\"records\":3,\"bytes\":30,\"rewinds\":1}",
		"{\"type\":\"hello\",\"protocol\":1,\"client\":\"a\",\"version\":\"b\"}\n{\"type\":\"end\",\"records\":3,\"bytes\":30,\"sum\":\"5\",\"positions\":{\"0\":12},\"errors\":2}",
		`{"type":"error","message":"\u001b[2J"}`,
		`{"type":"count","records":1e3,"bytes":-1}`,
		`null`, `[]`, `{}{}`, "INFO connecting",
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		a := newAccount(client.Task{Workload: consume, Starts: map[int32]int64{0: 10}, Ends: map[int32]int64{0: 20}})
		for line := range strings.Lines(lines) {
			m, err := parseLine([]byte(line))
			before := a.counts
			if err == nil {
				err = a.take(m)
				for text, value := range m.settings {
					printable(t, text, maxText)
					printable(t, value, maxText)
				}
			}
			if err != nil {
				printable(t, err.Error(), 3*maxText)
				if a.counts != before {
					t.Fatalf("%v became %v in spite of %v", before, a.counts, err)
				}
				return
			}
			printable(t, m.Client+m.Version+m.Message+a.last, 4*maxText)
			if c := a.counts; c.records < before.records || c.records > 10*(c.rewinds+1) || c.rewinds > c.records || c.bytes < before.bytes {
				t.Fatalf("believed %+v after %+v", c, before)
			}
		}
	})
}

func printable(t *testing.T, text string, most int) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || utf8.RuneCountInString(text) > most {
		t.Fatalf("%q is not fit to be printed", text)
	}
}

func TestLastWordsAreTheOnesThatSayMost(t *testing.T) {
	for text, want := range map[string]string{
		"":        "",
		"\n \n":   "",
		"a\nb\n":  "b",
		"a\nb\n ": "b",
		"log\npanic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n": "panic: oh no",
		strings.Repeat("x", maxComplaint) + "\nlast":                 "last",
		strings.Repeat("é", maxText+1):                               strings.Repeat("é", maxText-1) + "…",
		"a\x1b[31mb\xff\x07":                                         "a[31mb�",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			var w lastWords
			for piece := range slices.Chunk([]byte(text), size) {
				_, _ = w.Write(piece)
			}
			if got := w.String(); got != want || len(w.kept) > maxComplaint {
				t.Errorf("%.40q in pieces of %d: got %.40q", text, size, got)
			}
		}
	}
}

// Differential: sh splits into the same words what it would not expand.
func TestWordsAreSplitAsAShellSplitsThem(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell to compare with")
	}
	letters := rapid.SampledFrom([]rune("ab \t'\"\\=é-/."))
	rapid.Check(t, func(t *rapid.T) {
		command := rapid.StringOfN(letters, 0, 20, -1).Draw(t, "command")
		out, failed := exec.CommandContext(context.Background(), sh, "-c", `printf '<%s>' `+command).Output()
		got, err := splitWords(command)
		if strings.HasSuffix(command, `\`) { // a shell leaves it as it is, and we say so
			return
		}
		if (err != nil) != (failed != nil) {
			t.Fatalf("%q: %v, the shell: %v", command, err, failed)
		}
		if len(got) == 0 {
			got = []string{""} // what printf makes of no words
		}
		if text := "<" + strings.Join(got, "><") + ">"; err == nil && text != string(out) {
			t.Fatalf("%q: got %s, the shell %s", command, text, out)
		}
	})
}

func TestNothingIsExpanded(t *testing.T) {
	got, err := splitWords(`./a $HOME "$HOME \$x" * ~ | > 'it'\''s' "" a\ b` + " c\\\nd \"e\\\nf\"")
	want := []string{"./a", "$HOME", "$HOME $x", "*", "~", "|", ">", "it's", "", "a b", "cd", "ef"}
	if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, %v", got, err)
	}
}
