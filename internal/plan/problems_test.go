package plan

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/result"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares got with a file of testdata, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, d)
	}
}

// asked asks the libraries themselves.
func asked(arm result.Arm) error {
	library, err := libraries.Open(arm.Client)
	if err != nil {
		return err
	}
	options := client.Options{Profile: client.Profile(arm.Profile), Properties: maps.Clone(arm.Setting.Properties)}
	if arm.Workload == result.Consume {
		return library.CheckConsumer(options)
	}
	put(&options.Properties, "acks", arm.Setting.Acks)
	put(&options.Properties, "compression.type", arm.Setting.Compression)
	return library.CheckProducer(options)
}

func TestEveryProblemIsSaidAtItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			q, err := Parse(filepath.Base(file), data, asked)
			var problems *Problems
			if !errors.As(err, &problems) || q != nil {
				t.Fatalf("%v, %v", q, err)
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, filepath.Base(file)+":") {
					t.Errorf("no position: %s", line)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
		})
	}
}

// hostile files must be refused quickly, and with a sentence.
func TestHostileFilesEndSoon(t *testing.T) {
	laughs := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), ", "))
	}
	var distinct strings.Builder
	for i := 0; distinct.Len() < maxBytes-20; i++ {
		fmt.Fprintf(&distinct, "k%d: 1\n", i)
	}
	axes := "question: ?\naxes:\n"
	for _, name := range []string{"consumers", "partitions"} {
		axes += "  " + name + ": [" + strings.TrimSuffix(strings.Repeat("1, ", 4000), ", ") + "]\n"
	}
	for name, tt := range map[string]struct{ data, want string }{
		"laughs":      {laughs, "no anchors, aliases or merge keys"},
		"brackets":    {strings.Repeat("[", maxBytes), "words and signs"},
		"deep":        {"question: " + strings.Repeat("[", 19_000), "more than 16 deep"},
		"dashes":      {strings.Repeat("- ", 9_000), "more than 16 deep"},
		"colons":      {strings.Repeat("? ", 9_000), "complex keys"},
		"keys":        {distinct.String(), "words and signs"},
		"less keys":   {distinct.String()[:50_000], "has no key"},
		"large":       {strings.Repeat("#", maxBytes+1), "at most 262144"},
		"long values": {axes, "axes multiply to 16,000,000 settings; at most 1,000"},
		"long line":   {"question: " + strings.Repeat("x", 100_000), "a text of 1 to 500 characters"},
		"indents":     {"question: x\n" + strings.Repeat(" ", 200) + "a: b", "indented by 200 columns"},
		"key":         {strings.Repeat("k", 100_000) + ": 1", "has no key"},
		"nul":         {"question: a\x00b", "control character"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse("f.yaml", []byte(tt.data), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: want %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 20_000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFirstLineOfManyProblemsStandsAlone(t *testing.T) {
	var data bytes.Buffer
	data.WriteString("question: ?\n")
	for i := range 200 {
		fmt.Fprintf(&data, "key%d: 1\n", i)
	}
	_, err := Parse("dir/many.yaml", data.Bytes(), nil)
	all := strings.Split(err.Error(), "\n")
	if len(all) != mostShown+1 || !strings.HasPrefix(all[0], `dir/many.yaml:2: the file has no key "key0"`) || all[mostShown] != "and 150 more" {
		t.Errorf("%d lines: %s … %s", len(all), all[0], all[len(all)-1])
	}
}
