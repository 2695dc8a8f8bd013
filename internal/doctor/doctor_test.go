package doctor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"redline/result"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed (-update writes it anew):\n%s", name, got)
	}
}

// lines are the checks that questions would make, were all answered with that state.
func lines[S any](questions []question[S], state result.Allowed) (all []result.DoctorCheck) {
	for _, q := range questions {
		all = append(all, q.check(finding{state: state, value: "value"}))
	}
	return all
}

func everyLine(state result.Allowed) []result.DoctorCheck {
	all := append(lines(machineQuestions, state), lines(noiseQuestions, state)...)
	return append(append(all, lines(clusterQuestions, state)...), NoCluster()...)
}

func TestEveryNoSaysWhatIsLostAndHowToAllowIt(t *testing.T) {
	for _, c := range everyLine(result.No) {
		if c.Area == "" || c.Name == "" || c.Lost == "" || c.Allow == "" {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range everyLine(result.Yes) {
		if c.State == result.Yes && c.Lost+c.Allow != "" {
			t.Errorf("%s: nothing is lost, and it says %q", c.ID, c.Lost+c.Allow)
		}
	}
}

// Programs look checks up by their ids: in a version of the schema they may be added,
// and none may go.
func TestTheIDsAreThoseOfTheSchema(t *testing.T) {
	var ids []string
	seen := map[string]bool{}
	for _, c := range everyLine(result.Yes) {
		if seen[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		seen[c.ID] = true
		ids = append(ids, c.ID)
	}
	golden(t, "ids.golden", strings.Join(ids, "\n")+"\n")
}

func TestWhatAFindingKnowsBetterStandsInTheCheck(t *testing.T) {
	q := question[int]{id: "a", lost: "lost", allow: "allow"}
	if c := q.check(finding{state: result.No, allow: "better"}); c.Lost != "lost" || c.Allow != "better" {
		t.Errorf("%+v", c)
	}
}

func TestTextIsTheGoldenOne(t *testing.T) {
	var b bytes.Buffer
	Text(&b, []result.DoctorCheck{
		{ID: "cpu.count", Area: "Processor", Name: "Several CPUs", State: result.Yes, Value: "8 × Some CPU @ 3.00GHz with a name that is so long that it does not fit on a line"},
		{ID: "cpu.quota", Area: "Processor", Name: "No CPU quota", State: result.No, Value: "the cgroup may use 1.5 of 8 CPUs", Lost: "when the quota is used up the kernel stops everything for the rest of its period", Allow: "leave out --cpus (docker)"},
		{ID: "kernel.psi", Area: "Kernel", Name: "Pressure (PSI)", State: result.NotHere, Value: "only Linux has it", Lost: "how long work waited"},
		{ID: "noise.steal", Area: "Noise", Name: "No CPU time stolen", State: result.Unknown, Value: "this system\ndoes not \x1b[31mshow it"},
	})
	golden(t, "text.golden", b.String())
}

func TestNoLineOfTextIsWiderThanATerminalOrSteersIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := result.DoctorCheck{
			Area: "Area", Name: rapid.String().Draw(t, "name"), Value: rapid.String().Draw(t, "value"),
			State: rapid.SampledFrom([]result.Allowed{result.Yes, result.No, result.Unknown, result.NotHere}).Draw(t, "state"),
			Lost:  rapid.StringN(0, 300, -1).Draw(t, "lost"), Allow: rapid.String().Draw(t, "allow"),
		}
		var b bytes.Buffer
		Text(&b, []result.DoctorCheck{c})
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%d columns: %q", n, line)
			}
			if strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q", line)
			}
		}
	})
}

func TestAnInterruptedMachineIsUnknownAndEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	began := time.Now()
	checks := Machine(ctx, Options{Runs: t.TempDir(), Data: t.TempDir(), Getenv: os.Getenv})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(checks) != len(machineQuestions)+len(noiseQuestions) {
		t.Errorf("%d checks", len(checks))
	}
	for _, c := range checks {
		if c.Value == "" || !strings.Contains("yes no unknown not here", string(c.State)) {
			t.Errorf("%+v", c)
		}
		if c.ID == "noise.canary" && (c.State != result.Unknown || !strings.Contains(c.Value, "interrupted")) {
			t.Errorf("%+v", c)
		}
	}
}
