package exec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"redline/internal/client"
	"redline/internal/journal"
	"redline/internal/secret"
	"redline/internal/security"
	"redline/internal/security/securitytest"
)

// acting is a client whose program does an act, with limits that tests can wait for.
func acting(t *testing.T, act string) *program {
	t.Helper()
	made, err := New("mine", words(os.Args[0], childRole, act))
	if err != nil {
		t.Fatal(err)
	}
	p := made.(*program)
	p.limits = limits{hello: 20 * time.Second, silence: 20 * time.Second}
	return p
}

// start starts a child that ends with the test.
func start(t *testing.T, act string, task client.Task) client.Process {
	t.Helper()
	p, err := acting(t, act).Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-p.Done() })
	return p
}

func bounded(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// wants fails unless err is one printable sentence with every text.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("%q has control characters", err)
	}
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestAChildWorksUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	p := start(t, "good", reading())
	if got := p.(interface{ Version() string }).Version(); got != "acting 1.0" {
		t.Errorf("the version is %q", got)
	}
	if got := p.Settings()["linger.ms"]; got != "5" {
		t.Errorf("linger.ms is %q", got)
	}
	if !journal.ProcessOf(p.PID()).Alive() {
		t.Errorf("no process %d", p.PID())
	}
	for p.Records() < 30 || p.Rewinds() < 3 || p.Bytes() < 300 {
		select {
		case <-p.Reported():
		case <-p.Done():
			t.Fatal("it ended")
		}
	}
	told, err := p.Stop(bounded(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if told.Records != p.Records() || told.Bytes != 10*told.Records || told.Errors != 0 || told.Sum == nil || *told.Sum != 1<<64-1 {
		t.Errorf("told %+v, counted %d", told, p.Records())
	}
	if again, err := p.Stop(bounded(t, time.Second)); err != nil || again != told {
		t.Errorf("a second Stop: %+v, %v", again, err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("stopped, and not done")
	}
}

func TestAChildThatReadsOnceEndsByItself(t *testing.T) {
	t.Parallel()
	task := reading()
	task.Once = true
	p := start(t, "once", task)
	<-p.Done()
	told, err := p.Stop(bounded(t, time.Second))
	if err != nil || told.Records != 90 || told.Bytes != 9 || told.Sum != nil {
		t.Errorf("told %+v, %v", told, err)
	}
}

func TestProblemsThatAChildGoesOnFromAreCounted(t *testing.T) {
	t.Parallel()
	p := start(t, "troubled", reading())
	told, err := p.Stop(bounded(t, 5*time.Second))
	if err != nil || told.Errors != 2 {
		t.Errorf("told %+v, %v", told, err)
	}
}

func TestAChildThatDoesNotBeginIsAnErrorOfStart(t *testing.T) {
	t.Parallel()
	for act, want := range map[string]string{
		"complains": "ended before it said hello (exit status 3); the last that it wrote to standard error: “ValueError: [31mno such broker”",
		"panics":    "ended before it said hello (exit status 2); the last that it wrote to standard error: “panic: no such broker”",
		"mute":      "said no hello within",
		"nonsense":  "printed what is no message (invalid character 'I' looking for beginning of value): “INFO connecting to [31mbroker”",
		"endless":   "printed a line of more than 1024 KiB",
		"future":    "speaks version 2 of the protocol, and redline version 1",
		"nameless":  "did not say in its hello which client and version it is",
		"hasty":     "said count before its hello",
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			c := acting(t, act)
			if act == "mute" {
				c.limits.hello = 300 * time.Millisecond
			}
			_, err := c.Start(t.Context(), reading())
			wants(t, err, "the client mine "+want)
		})
	}
}

func TestAChildThatErrsLaterIsEndedWithASentence(t *testing.T) {
	t.Parallel()
	for act, want := range map[string]string{
		"greets":    "said hello twice",
		"silent":    "was silent for",
		"falling":   "counted 9 records, 99 bytes and 0 rewinds after 10, 99 and 0: counts only grow",
		"negative":  "counted less than nothing: “{",
		"countless": `printed what is no message (json: unknown field "record")`,
		"boasting":  "counted 207 records with 1 rewinds, and there are 103 to read in a pass",
		"turning":   "began 3 passes anew after 2 records",
		"weightful": "counted 1 bytes in no record",
		"early":     "ended by itself, and was to go on until it is told to stop",
		"lost":      "ended at offset 104 of partition 0, which is none that it was to read",
		"unknown":   "ended at offset 0 of partition 5, which is none that it was to read",
		"sumless":   "told a sum that is no decimal number of 64 bits",
		"dies":      "ended without its last message, end (signal: killed)",
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			c := acting(t, act)
			if act == "silent" {
				c.limits.silence = time.Second
			}
			p, err := c.Start(t.Context(), reading())
			if err == nil {
				<-p.Done()
				_, err = p.Stop(bounded(t, time.Second))
			}
			wants(t, err, "the client mine "+want)
		})
	}
}

func TestWhatFollowsTheLastMessageIsLookedAtToo(t *testing.T) {
	t.Parallel()
	for act, want := range map[string]string{
		"afterlife": "said count after its end",
		"lingers":   "did not exit within",
		"fails":     "failed after its last message (exit status 4)",
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			c := acting(t, act)
			if act == "lingers" {
				c.limits.silence = time.Second
			}
			task := reading()
			task.Once = true
			p, err := c.Start(t.Context(), task)
			if err == nil {
				<-p.Done()
				_, err = p.Stop(bounded(t, time.Second))
			}
			wants(t, err, "the client mine "+want)
		})
	}
}

func TestACounterThatDiedIsBelievedUpToItsLastReport(t *testing.T) {
	t.Parallel()
	p := start(t, "dies", reading())
	<-p.Done()
	told, err := p.Stop(bounded(t, time.Second))
	wants(t, err, "signal: killed")
	if told.Records != 7 || told.Bytes != 70 {
		t.Errorf("told %+v", told)
	}
}

func TestAChildThatDoesNotStopIsKilledInTime(t *testing.T) {
	t.Parallel()
	p := start(t, "deaf", reading())
	ctx := bounded(t, 300*time.Millisecond)
	_, err := p.Stop(ctx)
	wants(t, err, "was told to stop and did not end in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not wrap the reason", err)
	}
	if journal.ProcessOf(p.PID()).Alive() {
		t.Error("it lives")
	}
}

func TestAChildEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := acting(t, "deaf").Start(ctx, reading())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.Done()
	_, err = p.Stop(bounded(t, time.Second))
	wants(t, err, "was ended before its work was")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap the reason", err)
	}
	if _, err := acting(t, "good").Start(ctx, reading()); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
}

func TestGrandchildrenEndWithTheChild(t *testing.T) {
	t.Parallel()
	p := start(t, "parent", reading())
	grandchild := process(t, p.Settings()["helper"])
	if !grandchild.Alive() {
		t.Fatal("there is no grandchild")
	}
	if _, err := p.Stop(bounded(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	eventually(t, "the end of the grandchild", func() bool { return !alive(grandchild) })
}

func TestAGrandchildThatLeftTheGroupHoldsNothingUp(t *testing.T) {
	t.Parallel()
	p := start(t, "leaving", reading())
	grandchild := process(t, p.Settings()["helper"])
	t.Cleanup(func() { _ = syscall.Kill(grandchild.PID, syscall.SIGKILL) })
	began := time.Now()
	if _, err := p.Stop(bounded(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("its end took %v", took)
	}
}

func process(t *testing.T, pid string) journal.Process {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return journal.ProcessOf(n)
}

// alive says whether p does anything yet: nobody may reap an orphan here.
func alive(p journal.Process) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	return p.Alive() && (err != nil || !strings.Contains(string(status), ") Z "))
}

func TestAChildDiesWithRedline(t *testing.T) {
	t.Parallel()
	owner := exec.CommandContext(t.Context(), os.Args[0], childRole, "owner")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child := process(t, strings.TrimSpace(line))
	if !child.Alive() {
		t.Fatal("there is no child")
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	eventually(t, "the end of the child", func() bool { return !alive(child) })
}

func TestAChildIsToldItsTaskInTheEnvironment(t *testing.T) {
	t.Setenv("REDLINE_SASL_PASSWORD", "hunter2-canary")
	t.Setenv("EXECTEST_KEPT", "kept")
	consuming := reading()
	consuming.Options = client.Options{Brokers: []string{"a:1", "b:2"}, ClientID: "me", Profile: client.Defaults, Properties: map[string]string{"fetch.max.bytes": "1 \"2\""}}
	consuming.Once, consuming.Handler, consuming.Every = true, "burn=5us", 250*time.Millisecond
	producing := client.Task{Workload: produce, Topic: "t", Partitions: 4, RecordSize: 100}
	for _, test := range []struct {
		task client.Task
		want map[string]string
	}{
		{consuming, map[string]string{
			"PROTOCOL": "1", "WORKLOAD": "consume", "BROKERS": "a:1,b:2", "CLIENT_ID": "me", "TOPIC": "t", "INSTANCES": "2",
			"PARTITIONS": `[{"partition":0,"start":3,"end":103},{"partition":1,"start":7,"end":10}]`,
			"PROFILE":    "defaults", "PROPERTIES": `{"fetch.max.bytes":"1 \"2\""}`, "HANDLER": "burn=5us", "ONCE": "true", "INTERVAL_MS": "250",
		}},
		{producing, map[string]string{
			"PROTOCOL": "1", "WORKLOAD": "produce", "BROKERS": "", "CLIENT_ID": "redline", "TOPIC": "t", "INSTANCES": "1",
			"PARTITIONS": "4", "RECORD_BYTES": "100", "PROFILE": "tuned", "PROPERTIES": "{}", "INTERVAL_MS": "100",
		}},
	} {
		p := start(t, "environment", test.task)
		got := p.Settings()
		if got["EXECTEST_KEPT"] != "kept" {
			t.Error("the caller's own environment is missing")
		}
		delete(got, "EXECTEST_KEPT")
		for name, value := range test.want {
			if got[ours+name] != value {
				t.Errorf("%s is %q, want %q", name, got[ours+name], value)
			}
			delete(got, ours+name)
		}
		if len(got) > 0 {
			t.Errorf("there is more: %v", got)
		}
		_, _ = p.Stop(bounded(t, 5*time.Second))
	}
}

func TestASecuredClusterIsToldInAFileThatGoesAtTheEnd(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	task := reading()
	task.Security = security.Security{
		TLS:  &security.TLS{Roots: securitytest.NewAuthority(t, "test authority").Roots()},
		SASL: &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New("pass word")},
	}
	p := start(t, "environment", task)
	settings := p.Settings()
	if !strings.HasPrefix(settings["REDLINE_CONNECTION_FILE"], temp) || settings["mode"] != "-rw-------<nil>" && settings["mode"] != "-rw------- <nil>" {
		t.Errorf("the file is %s, %s", settings["REDLINE_CONNECTION_FILE"], settings["mode"])
	}
	for _, want := range []string{`username="alice" password="pass word";`, "security.protocol=SASL_SSL", "ssl.truststore.location="} {
		if !strings.Contains(settings["file"], want) {
			t.Errorf("%q lacks %q", settings["file"], want)
		}
	}
	if _, err := p.Stop(bounded(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCheckSaysWhatCannotBe(t *testing.T) {
	c := acting(t, "good")
	if err := c.Check(reading()); err != nil {
		t.Error(err)
	}
	other := reading()
	other.Workload = "roundtrip"
	err := c.Check(other)
	if wants(t, err, `mine cannot do the workload "roundtrip"`); !errors.Is(err, client.ErrCannot) {
		t.Errorf("%v does not wrap ErrCannot", err)
	}
	token := reading()
	token.Security.SASL = &security.SASL{Mechanism: security.OAuthBearer}
	err = c.Check(token)
	if wants(t, err, "mine cannot be told how to connect", "OAUTHBEARER"); !errors.Is(err, client.ErrProperty) {
		t.Errorf("%v does not wrap ErrProperty", err)
	}
	many := reading()
	for p := range int32(5000) {
		many.Starts[p], many.Ends[p] = 0, 1000
	}
	_, err = c.Start(t.Context(), many)
	if wants(t, err, "5000 partitions"); !errors.Is(err, client.ErrCannot) {
		t.Errorf("%v does not wrap ErrCannot", err)
	}
	if got := c.Lighter(consume); len(got) != 1 || !strings.Contains(got[0], "counts are its own") {
		t.Errorf("lighter: %q", got)
	}
}

func TestNewRefusesWhatCannotBeStarted(t *testing.T) {
	for _, test := range []struct{ name, command, want string }{
		{"", "true", "cannot be the name of a client"},
		{"a b", "true", "cannot be the name of a client"},
		{strings.Repeat("x", 41), "true", "cannot be the name of a client"},
		{"mine", "", "has no command"},
		{"mine", "''", "has no command"},
		{"mine", "a 'b", "a quote in it is not closed"},
		{"mine", "redline-no-such-program -x", "give its path, such as ./redline-no-such-program"},
		{"mine", t.TempDir(), "cannot be started"},
	} {
		_, err := New(test.name, test.command)
		wants(t, err, test.want)
	}
	script := filepath.Join(t.TempDir(), "no interpreter")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o700); err != nil { //nolint:gosec // to be executed
		t.Fatal(err)
	}
	c, err := New("mine", words(script))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Start(t.Context(), reading())
	wants(t, err, "the client mine could not be started", "no such file or directory")
}
