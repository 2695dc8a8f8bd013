// Package archtest holds the import order of the rooms: what go list says must
// be what docs/architecture.md says.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// order lists the rooms from the top: each may import only what stands below
// it. Rooms between braces of one line stand side by side.
var order = [][]string{
	{"redline"},
	{"redline/internal/cli"},
	{"redline/internal/doctor", "redline/internal/experiment", "redline/internal/report"},
	{"redline/internal/plan", "redline/internal/analysis"},
	{"redline/internal/runs", "redline/internal/gate"},
	{"redline/internal/stats"},
	{"redline/internal/monitor"},
	{"redline/internal/workload/ladder"},
	{"redline/internal/workload"},
	{"redline/internal/observe"},
	{"redline/internal/client/libraries"},
	{"redline/internal/client/franz", "redline/internal/client/confluent", "redline/internal/client/direct", "redline/internal/client/sarama", "redline/internal/client/segmentio", "redline/internal/client/null", "redline/internal/client/exec", "redline/internal/client/java", "redline/internal/client/clienttest"},
	{"redline/internal/client"},
	{"redline/internal/broker"},
	{"redline/internal/cluster"},
	{"redline/internal/connection"},
	{"redline/internal/security"},
	{"redline/internal/journal"},
	{"redline/internal/payload"},
	{"redline/internal/audit"},
	{"redline/internal/pace", "redline/internal/latency", "redline/internal/term", "redline/internal/spin", "redline/internal/schema", "redline/internal/secret", "redline/internal/security/securitytest", "redline/internal/client/exec/exectest", "redline/internal/nearest"},
	{"redline/result"},
	{"redline/direct"},
	{"redline/direct/batch", "redline/direct/wire"},
}

// bans are imports forbidden whatever the order says, each with its reason.
var bans = []struct{ who, what, why string }{
	{"redline/internal/workload", "redline/internal/stats", "a workload measures; what it means is computed from its results, later and again"},
	{"redline/internal/report", "redline/internal/workload", "a report never starts load"},
	{"redline/internal/report", "redline/internal/client", "a report never starts load"},
	{"redline/internal/analysis", "redline/internal/workload", "an answer is a function of stored trials alone"},
	{"redline/internal/plan", "redline/internal/workload", "a plan is made before anything starts"},
	{"redline/internal/stats", "time", "statistics are a function of samples alone"},
	{"redline/direct", "redline/internal", "it is imported by programs that want nothing else of redline"},
	{"redline/direct", "redline/result", "it is imported by programs that want nothing else of redline"},
	{"redline/result", "redline/internal", "other programs read results with this package alone"},
	{"redline/internal/pace", "context", "a schedule is pure: it reads no clock and waits for nothing"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "redline/...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestRoomsImportOnlyWhatStandsBelowThem(t *testing.T) {
	level := map[string]int{}
	for i, rooms := range order {
		for _, room := range rooms {
			level[room] = i
		}
	}
	for _, p := range list(t) {
		if p.ImportPath == "redline/internal/archtest" || strings.HasPrefix(p.ImportPath, "redline/test/") || strings.HasPrefix(p.ImportPath, "redline/examples/") {
			continue
		}
		mine, known := level[p.ImportPath]
		if !known {
			t.Errorf("%s is no room of the house: give it a place in order, and in docs/architecture.md", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if theirs, ours := level[imported]; ours && theirs <= mine {
				t.Errorf("%s imports %s, which does not stand below it", p.ImportPath, imported)
			}
		}
	}
}

func TestBannedImportsAreAbsent(t *testing.T) {
	for _, p := range list(t) {
		for _, ban := range bans {
			if p.ImportPath != ban.who {
				continue
			}
			for _, imported := range p.Imports {
				if imported == ban.what || strings.HasPrefix(imported, ban.what+"/") {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, ban.why)
				}
			}
		}
	}
}
