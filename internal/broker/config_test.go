package broker

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/internal/security"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestParseKind(t *testing.T) {
	for spec, want := range map[string]struct {
		kind  Kind
		nodes int
	}{
		"embedded": {Embedded, 1}, "null": {Null, 1}, "local": {Local, 1}, "local:1": {Local, 1}, "local:3": {Local, 3}, "local:9": {Local, 9},
	} {
		kind, nodes, err := ParseKind(spec)
		if err != nil || kind != want.kind || nodes != want.nodes {
			t.Errorf("ParseKind(%q) = %q, %d, %v", spec, kind, nodes, err)
		}
	}
	for _, spec := range []string{"", "Embedded", "embedded:3", "null:1", "local:", "local:0", "local:-1", "local:10", "local:3x", "local: 3", "docker"} {
		_, _, err := ParseKind(spec)
		if err == nil || !strings.Contains(err.Error(), "embedded, local, or local:N") {
			t.Errorf("ParseKind(%q): error %v, want one that lists what there is", spec, err)
		}
	}
}

func TestAWrongConfigIsOneSentence(t *testing.T) {
	for says, c := range map[string]Config{
		"no broker kind":                {Kind: "docker"},
		"-1 nodes":                      {Nodes: -1},
		"10000 nodes":                   {Nodes: 10_000},
		"2 nodes: the null sink is one": {Kind: Null, Nodes: 2},
		"no version of Apache Kafka":    {Version: "latest"},
		`"4.3"`:                         {Version: "4.3"},
		`"4.3.1/../../etc"`:             {Version: "4.3.1/../../etc"},
		`"1 -agentlib:x" is no heap`:    {Heap: "1 -agentlib:x"},
		`"0" is no heap`:                {Heap: "0"},
		"port -1":                       {Port: -1},
		"port 65535 with 2 nodes":       {Port: 65535, Nodes: 2},
		"ports go from 1 to 65535 (0":   {Port: 70000},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error %v, want %q in it", c, err, says)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

func TestServerPropertiesAsGolden(t *testing.T) {
	one := localNode{ID: 1, Port: 9092, ControllerPort: 40001, LogDir: "/data/node-1", Voters: []string{"127.0.0.1:40001"}, Major: 4}
	three := one
	three.ID, three.Port, three.Voters = 2, 9093, []string{"127.0.0.1:40000", "127.0.0.1:40001", "127.0.0.1:40002"}
	old := three
	old.Major = 3
	for name, text := range map[string]string{
		"one-node":    security.JavaFile(one.properties(nil)),
		"three-nodes": security.JavaFile(three.properties(map[string]string{"num.io.threads": "16", "min.insync.replicas": "1"})),
		"kafka-3":     security.JavaFile(old.properties(nil)),
	} {
		path := filepath.Join("testdata", name+".properties")
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// Java's reader, as java.util.Properties documents it, for what we write.
func readProperty(line string) (key, value string) {
	var out strings.Builder
	inKey := true
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == '\\' && line[i+1] == 'u':
			n, _ := strconv.ParseUint(line[i+2:i+6], 16, 16)
			out.WriteRune(rune(n))
			i += 6
			continue
		case c == '\\':
			i++
			out.WriteString(map[byte]string{'n': "\n", 'r': "\r", 't': "\t"}[line[i]])
			if !strings.Contains("nrt", line[i:i+1]) {
				out.WriteByte(line[i])
			}
		case inKey && c == '=':
			key, inKey = out.String(), false
			out.Reset()
			for i+1 < len(line) && line[i+1] == ' ' {
				i++
			}
		default:
			out.WriteByte(c)
		}
		i++
	}
	return key, out.String()
}

func TestAnyPropertyArrivesAsTyped(t *testing.T) {
	text := rapid.StringMatching(`[ -~äλ\n\t\r]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		key, value := "k"+text.Draw(t, "key"), text.Draw(t, "value")
		line := security.JavaFile(map[string]string{key: value})
		if strings.Count(line, "\n") != 1 {
			t.Fatalf("more than a line: %q", line)
		}
		gotKey, gotValue := readProperty(strings.TrimSuffix(line, "\n"))
		if gotKey != key || gotValue != value {
			t.Fatalf("%q=%q came back as %q=%q from %q", key, value, gotKey, gotValue, line)
		}
	})
}

func TestClusterIDsAreNoFlags(t *testing.T) {
	for range 1000 {
		if id := newClusterID(); len(id) != 22 || id[0] == '-' {
			t.Fatalf("cluster id %q", id)
		}
	}
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := freePorts(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p == 0 || seen[p] {
			t.Errorf("port %d twice or none in %v", p, ports)
		}
		seen[p] = true
	}
}
