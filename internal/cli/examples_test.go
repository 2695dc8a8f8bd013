package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
)

// kafkaExamples lists the examples that start a real Kafka. test/kafka runs them.
var kafkaExamples = filepath.Join("..", "..", "test", "kafka", "testdata", "examples.txt")

// fixtures make what the examples of a command and of those below it speak of. They
// run in the folder of the examples, with their cluster.
var fixtures = map[string]string{
	"redline topic": `redline topic create orders`,
	"redline group": `redline topic create orders; redline produce --topic orders --num-records 100
		for g in payments billing invoices; do redline consume --topic orders --group $g --until-end; done`,
	"redline group delete": `redline topic create orders; redline produce --topic orders --num-records 100
		for g in payments billing invoices; do redline consume --topic orders --group $g --until-end; done`,
	"redline topic create": `true`,
	"redline topic delete": `redline topic create orders; redline topic create clicks`,
	"redline limit":        `redline topic create orders --partitions 4; redline produce --topic orders --num-records 500000`,
	"redline produce":      `redline topic create test-topic --partitions 4`,
	"redline consume": `redline topic create test-topic --partitions 4; redline produce --num-records 1000
		redline topic create orders; redline produce --topic orders --num-records 1000`,
	"redline": `redline topic create test-topic --partitions 4; redline produce --num-records 1000`,
	"redline run": question + `
		redline run q.yaml; mv runs/*-q runs/20261124-120000-seed; cp q.yaml my-question.yaml`,
	"redline report":  stored,
	"redline history": stored,
	"redline clean":   stored,
	"redline compare": stored + `
		redline run q.yaml; mv runs/*-q runs/main; redline run q.yaml; mv runs/*-q runs/branch
		mkdir old new; ln -s "$(command -v redline)" old/redline; ln -s "$(command -v redline)" new/redline`,
	"redline aa":           `redline aa --nulls 1 --tries 0 --effects 50%; mv runs/*-aa runs/20261124-120000-aa`,
	"redline broker down":  `redline broker up --port 0 --detach`,
	"redline context":      `true`,
	"redline context add":  `echo "bootstrap.servers=$REDLINE_BOOTSTRAP_SERVER" >client.properties`,
	"redline context list": contextsMade, "redline context show": contextsMade, "redline context use": contextsMade, "redline context check": contextsMade,
}

const contextsMade = `redline context add dev -b $REDLINE_BOOTSTRAP_SERVER; redline context add prod -b $REDLINE_BOOTSTRAP_SERVER
	unset REDLINE_BOOTSTRAP_SERVER; redline context use dev`

const question = `cat >q.yaml <<'END'
question: Do more consumers help?
base: {client: franz, partitions: 4, record-size: 100}
axes: {consumers: [1, 4]}
rounds: 6
timing: {settle: 0s, warmup: 20ms, window: 50ms}
fill: 1MiB
END`

const stored = question + `
	redline run q.yaml; mv runs/*-q runs/20261124-120000-seed`

// Shortness, for what an example does not say itself.
var shortly = []string{
	"REDLINE_DURATION=1s", "REDLINE_PORT=0", "REDLINE_EFFECTS=10%",
	"REDLINE_NULLS=1", "REDLINE_TRIES=1", "REDLINE_PAIRS=6", "REDLINE_POWER=0.5", "REDLINE_WARMUP=20ms", "REDLINE_WINDOW=50ms",
}

// longExamples are the commands whose examples take long.
var longExamples = []string{"redline", "redline aa", "redline compare", "redline doctor", "redline limit", "redline run"}

// examplesOf are the lines of a command's examples.
func examplesOf(cmd *cobra.Command) []string {
	var all []string
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func needsKafka(example string) bool { return strings.Contains(example, "--kafka local") }

func TestEveryCommandHasThreeExamples(t *testing.T) {
	var real []string
	each(t, func(cmd *cobra.Command) {
		all := examplesOf(cmd)
		if len(all) < 3 && !isCobras(cmd) && !cmd.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s has %d", cmd.CommandPath(), len(all))
		}
		for _, example := range all {
			if needsKafka(example) {
				real = append(real, example)
			}
		}
	})
	if *update {
		if err := os.MkdirAll(filepath.Dir(kafkaExamples), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(kafkaExamples, []byte(strings.Join(real, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := os.ReadFile(kafkaExamples)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(real, "\n")+"\n", string(listed)); diff != "" {
		t.Errorf("%s, which -update writes:\n%s", kafkaExamples, diff)
	}
}

// Each example is typed as it stands, those of a command one after the other.
func TestEveryExampleRuns(t *testing.T) {
	each(t, func(cmd *cobra.Command) {
		examples := slices.DeleteFunc(examplesOf(cmd), needsKafka)
		if isCobras(cmd) || len(examples) == 0 {
			return
		}
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if slices.Contains(longExamples, cmd.CommandPath()) && os.Getenv("REDLINE_EXAMPLES") == "" {
				t.Skip("its examples measure for half a minute: run scripts/test-full.sh, or set REDLINE_EXAMPLES=1")
			}
			t.Parallel()
			shell := newExampleShell(t)
			if code, out := shell.run(fixture(cmd), 2*time.Minute); code != 0 {
				t.Fatalf("the fixture ended with %d:\n%s", code, out)
			}
			for _, example := range examples {
				most, right := 2*time.Minute, []int{ExitOK, ExitGate, ExitUndecided} // a gate's verdict is an answer
				typed := strings.ReplaceAll(example, "localhost:9092", shell.kafka)
				if bound := until(example); bound > 0 {
					typed = "exec " + typed // the shell would not say how it ended
					most, right = bound, []int{ExitOK, ExitInterrupted}
				}
				if code, out := shell.run(typed, most); !slices.Contains(right, code) {
					t.Errorf("%s: exit code %d\n%s", example, code, out)
				}
			}
		})
	})
}

// fixture is that of the command, or of the nearest one above it.
func fixture(cmd *cobra.Command) string {
	for at := cmd; at.Parent() != nil; at = at.Parent() {
		if script, there := fixtures[at.CommandPath()]; there {
			return script
		}
	}
	if cmd.Parent() == nil {
		return fixtures["redline"]
	}
	return "true"
}

// until is when Ctrl-C is typed into an example that goes on for longer: a broker that
// is up, a suite, and a campaign of an hour. 0 is for all others.
func until(example string) time.Duration {
	switch {
	case strings.HasPrefix(example, "redline broker up"):
		return 3 * time.Second
	case strings.HasPrefix(example, "redline aa") && !strings.Contains(example, "--resume"):
		return 10 * time.Second
	case example == "redline run acks":
		return 10 * time.Second
	}
	return 0
}

// exampleShell is a shell in a folder of its own, with a cluster.
type exampleShell struct {
	t             *testing.T
	folder, kafka string
}

func newExampleShell(t *testing.T) *exampleShell {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	s := &exampleShell{t, t.TempDir(), kafka.ListenAddrs()[0]}
	t.Cleanup(func() { s.run("redline broker down", time.Minute) })
	return s
}

// run types a script, and Ctrl-C when its time is over. It gives the exit code and
// what was printed.
func (s *exampleShell) run(script string, most time.Duration) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "set -e\n"+script)
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), shortly...)
	if strings.HasPrefix(script, "redline limit") {
		cmd.Env = append(cmd.Env, "REDLINE_TIME=15s")
	}
	cmd.Env = append(cmd.Env, "HOME="+s.folder, "REDLINE_BOOTSTRAP_SERVER="+s.kafka,
		"REDLINE_STATE="+filepath.Join(s.folder, "state"), "REDLINE_CACHE="+filepath.Join(s.folder, "cache"))
	inGroup(cmd)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, context.DeadlineExceeded) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// inGroup makes Ctrl-C reach all that the shell started.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}
