package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kfake"

	"redline/result"
)

func TestDoctorTellsOfTheMachineAndOfTheClusterThatWasNamed(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	_, address := fakeKafka(t, kfake.ClusterID("fake-cluster-id"))
	said := adminTyped(t, nil, "doctor", "-b", address, "-o", "json", "--runs", t.TempDir())
	if said.code != ExitOK {
		t.Fatalf("exit %d: %s", said.code, said.stderr)
	}
	var r result.DoctorReport
	if err := json.Unmarshal([]byte(said.stdout), &r); err != nil {
		t.Fatal(err)
	}
	has := func(id string, state result.Allowed) bool {
		return slices.ContainsFunc(r.Checks, func(c result.DoctorCheck) bool { return c.ID == id && (c.State == state || state == "") })
	}
	if r.Schema != result.DoctorSchema || r.Error != nil || !has("cpu.count", "") || !has("noise.canary", "") || !has("cluster.id", result.Yes) {
		t.Errorf("%+v", r)
	}
}

// Also of a cluster that is not there: what the machine allows is worth knowing then.
func TestDoctorPrintsTheMachineBeforeAClusterThatCannotBeReached(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	said := adminTyped(t, nil, "doctor", "-b", nobodyListens(t), "--runs", t.TempDir())
	if said.code != ExitUnreachable || !strings.Contains(said.stderr, "connection refused") {
		t.Errorf("exit %d: %s", said.code, said.stderr)
	}
	if !strings.HasPrefix(said.stdout, "Processor\n") || !strings.Contains(said.stdout, "\nNoise\n") || strings.Contains(said.stdout, "Cluster\n") {
		t.Errorf("printed %s", said.stdout)
	}
	for line := range strings.Lines(said.stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
