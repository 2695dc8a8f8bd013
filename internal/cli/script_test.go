package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"redline/internal/broker"
	"redline/internal/runs"
	"redline/result"
)

var update = flag.Bool("update", false, "write golden files and scripts anew")

func TestMain(m *testing.M) {
	broker.MaybeChild()
	testscript.Main(m, map[string]func(){
		"redline": func() { os.Exit(checkedMain()) },
	})
}

// exitBroken is how a redline ends in tests whose JSON breaks its schema.
const exitBroken = 99

// checkedMain is Main that holds each JSON object which is printed against its schema.
func checkedMain() int {
	p := OSProcess()
	var printed bytes.Buffer
	if isObject(typedFormat(&p)) {
		p.Stdout = io.MultiWriter(p.Stdout, &printed)
	}
	code := Main(p)
	if err := checkObjects(printed.Bytes()); err != nil {
		fmt.Fprintln(os.Stderr, "what was printed breaks its schema:", err)
		return exitBroken
	}
	return code
}

// TestScripts types the commands of testdata/script as a user would. Each script
// has a Kafka of its own at $BROKER.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		Setup:               setupScript,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "await": cmdAwait, "fetch": cmdFetch, "within": cmdWithin,
			"rounds": cmdRounds,
		},
	})
}

// buildClient builds the example of a client of one's own for the script that runs it.
func buildClient(env *testscript.Env) error {
	if env.T().(testing.TB).Name() != "TestScripts/clients" {
		return nil
	}
	build := exec.Command("go", "build", "-o", filepath.Join(env.WorkDir, "go-client"), "redline/examples/exec-client/go") //nolint:noctx // ends with the test
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func setupScript(env *testscript.Env) error {
	if err := buildClient(env); err != nil {
		return err
	}
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		return err
	}
	env.Defer(kafka.Close)
	for key, value := range map[string]string{
		"BROKER":                   kafka.ListenAddrs()[0],
		"REDLINE_BOOTSTRAP_SERVER": kafka.ListenAddrs()[0],
		"REDLINE_STATE":            filepath.Join(env.WorkDir, "state"),
		"REDLINE_CACHE":            filepath.Join(env.WorkDir, "cache"),
		"HOME":                     env.WorkDir,
	} {
		env.Setenv(key, value)
	}
	return nil
}

// cmdExits runs a command and wants this exit code: exits CODE COMMAND ARG…
// Its streams are left in the files stdout and stderr.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	ts.Check(os.WriteFile(ts.MkAbs("stdout"), []byte(ts.ReadFile("stdout")), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), []byte(ts.ReadFile("stderr")), 0o666))
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdWithin is exits with a bound: within DURATION CODE COMMAND ARG…
func cmdWithin(ts *testscript.TestScript, neg bool, args []string) {
	bound, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	cmdExits(ts, neg, args[1:])
	if took := time.Since(began); took > bound {
		ts.Fatalf("took %v, want at most %v", took, bound)
	}
}

// cmdRounds wants that each setting that a limit confirmed was tried in so many rounds,
// and that the best ones are told by exactly those of their rounds that count, as a busy
// machine spoils some: rounds OUT.json RUNS ROUNDS
func cmdRounds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: rounds OUT.json RUNS ROUNDS")
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	var report result.LimitReport
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &report))
	folder, err := runs.Existing(ts.MkAbs(args[1]))
	ts.Check(err)
	run, err := folder.Read(report.Run)
	ts.Check(err)

	tried, counted := map[int]map[int]bool{}, map[int]int{}
	for _, trial := range run.Trials {
		if trial.Stage != result.StageConfirm {
			continue
		}
		if tried[trial.Arm] == nil {
			tried[trial.Arm] = map[int]bool{}
		}
		tried[trial.Arm][trial.Round] = true
		if trial.Counts() {
			counted[trial.Arm]++
		}
	}
	for arm, rounds := range tried {
		if len(rounds) != want {
			ts.Fatalf("arm %d was tried in %d rounds, want %d", arm, len(rounds), want)
		}
	}
	for workload, best := range map[string]*result.Reached{"consume": report.Limit.Consume, "produce": report.Limit.Produce} {
		if best == nil {
			ts.Fatalf("%s was not measured", workload)
		}
		arm := slices.IndexFunc(run.Plan.Arms, func(a result.Arm) bool {
			return a.Workload == workload && a.Values["connections"] == strconv.Itoa(best.Settings.Connections) &&
				maps.Equal(a.Setting.Properties, best.Settings.Properties)
		})
		if n := best.RecordsPerSecond.N; arm < 0 || n != counted[arm] || n == 0 {
			ts.Fatalf("%s: the best is arm %d, told by %d rounds; %v count", workload, arm, n, counted)
		}
	}
}

// cmdAwait waits until a file has a line that matches: await FILE REGEXP
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	pattern := regexp.MustCompile("(?m)" + args[1])
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	text, _ := os.ReadFile(ts.MkAbs(args[0]))
	ts.Fatalf("%s never came in %s:\n%s", args[1], args[0], text)
}

// cmdFetch gets the first URL named in a file and writes the answer to another:
// fetch FILE PATH OUT
func cmdFetch(ts *testscript.TestScript, neg bool, args []string) {
	base := regexp.MustCompile(`http://[0-9.:]+`).FindString(ts.ReadFile(args[0]))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		body := fetch(ctx, ts, base+args[1])
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o666))
		if len(args) < 4 || regexp.MustCompile(args[3]).Match(body) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func fetch(ctx context.Context, ts *testscript.TestScript, url string) []byte {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	ts.Check(err)
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	ts.Check(err)
	if !strings.HasPrefix(response.Status, "200") {
		ts.Fatalf("%s: %s", url, fmt.Sprint(response.Status))
	}
	return body
}
