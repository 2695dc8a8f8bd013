package java

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

// ownerVariable makes the test binary start the script in it as a tool, print its process
// id, and wait to be killed.
const ownerVariable = "REDLINE_TEST_JAVA_OWNER"

func own(script string) int {
	p, err := start(context.Background(), fakeDraft(script))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, p.PID())
	select {}
}

// fakeDraft is a producer, whose Java is a shell script.
func fakeDraft(script string) *draft {
	d, err := producer.draft("java", client.Task{Workload: "produce", Topic: "t", RecordSize: 10, Options: client.Options{Brokers: []string{"127.0.0.1:1"}}})
	if err != nil {
		panic(err)
	}
	d.java = []string{"/bin/sh", "-c", script}
	return d
}

// fake starts a script as a tool. No file of it may be left at the end.
func fake(t *testing.T, script string) *process {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	p, err := start(t.Context(), fakeDraft(script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = p.Stop(context.Background())
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return p
}

func wait(t *testing.T, p *process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}

const line = "10 records sent, 100.0 records/sec (1.00 MB/sec), 2.7 ms avg latency, 63.0 ms max latency."

func TestAStoppedToolHasToldWhatItsLinesSaid(t *testing.T) {
	p := fake(t, `echo "$0" "$@" >&2; echo "`+line+`"; echo "`+line+`"; exec sleep 60`)
	for p.Records() < 20 {
		select {
		case <-p.Reported():
		case <-p.Done():
			t.Fatal("it ended")
		}
	}
	if p.Bytes() != 200 || syscall.Kill(p.PID(), 0) != nil {
		t.Errorf("%d bytes, process %d", p.Bytes(), p.PID())
	}
	told, err := p.Stop(t.Context())
	if err != nil || told != (client.Told{Records: 20, Bytes: 200, RecordsPerSecond: 100}) {
		t.Errorf("told %+v, %v", told, err)
	}
	again, err := p.Stop(t.Context())
	if again != told || err != nil {
		t.Errorf("then told %+v, %v", again, err)
	}
	// The configuration and the security went by file.
	if said := strings.Join(p.words.last, "\n"); !strings.Contains(said, "--command-config=") || !strings.Contains(said, "--throughput=-1") {
		t.Errorf("its arguments: %s", said)
	}
}

func TestAToolThatDiesSaysWhy(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"exception": {`printf 'Failed to construct\norg.apache.kafka.common.KafkaException: Failed to construct kafka consumer\n\tat a.b.c\nCaused by: org.apache.kafka.common.config.ConfigException: No resolvable bootstrap urls\n\tat d\n' >&2; exit 1`,
			"ended by itself (exit status 1): Failed to construct kafka consumer: No resolvable bootstrap urls"},
		"nameless":  {`echo 'Exception in thread "main" java.lang.OutOfMemoryError' >&2; exit 3`, "(exit status 3): OutOfMemoryError"},
		"words":     {`echo 'Error: could not find Java' >&2; exit 2`, "(exit status 2): Error: could not find Java"},
		"silence":   {`exit 4`, "(exit status 4)"},
		"signal":    {`kill -KILL $$`, "(signal: killed)"},
		"too early": {`echo "` + line + `"`, "to send until it is stopped"},
		"escapes":   {`printf '\033[31mred\033[0m\n' >&2; exit 5`, "(exit status 5): [31mred[0m"},
	} {
		t.Run(name, func(t *testing.T) {
			p := fake(t, c.script)
			wait(t, p)
			_, err := p.Stop(t.Context())
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got %v, want … %s", err, c.want)
			}
		})
	}
}

func TestNonsenseEndsTheTool(t *testing.T) {
	p := fake(t, `echo "`+line+`"; echo "-5 records sent, many"; exec sleep 60`)
	wait(t, p)
	told, err := p.Stop(t.Context())
	if !errors.Is(err, errNonsense) || told.Records != 10 {
		t.Errorf("told %+v, %v", told, err)
	}
}

func TestAToolThatHangsIsKilledWhenTheTimeToStopIsOver(t *testing.T) {
	p := fake(t, `trap '' TERM; echo "`+line+`"; while :; do sleep 1; done`)
	<-p.Reported()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	told, err := p.Stop(ctx)
	if err != nil || told.Records != 10 || time.Since(began) > 3*time.Second {
		t.Errorf("told %+v, %v after %v", told, err, time.Since(began))
	}
}

func TestAToolEndsWithItsContext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := start(ctx, fakeDraft("sleep 60"))
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	cancel(enough)
	wait(t, p)
	if _, err := p.Stop(t.Context()); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func TestAFloodOfWordsIsBounded(t *testing.T) {
	p := fake(t, `i=0; while [ $i -lt 200 ]; do printf '%0100000d\n' $i >&2; printf '%0100000d\n' $i; i=$((i+1)); done; echo "`+line+`"; exec sleep 60`)
	<-p.Reported()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.words.last) > mostWords {
		t.Errorf("%d lines are kept", len(p.words.last))
	}
	for _, l := range p.words.last {
		if len(l) > longestWord+len("…") {
			t.Fatalf("a line of %d bytes is kept", len(l))
		}
	}
}

func TestAGrandchildDoesNotKeepTheToolAlive(t *testing.T) {
	p := fake(t, `sleep 60 & echo "`+line+`"; exit 7`)
	wait(t, p)
	if _, err := p.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v", err)
	}
}

func TestFailedRecordsAreCounted(t *testing.T) {
	p := fake(t, `printf 'org.apache.kafka.common.errors.TimeoutException: Expiring 3 record(s)\n\tat x\norg.apache.kafka.common.errors.TimeoutException: Expiring 3 record(s)\n' >&2; sleep 0.2; echo "`+line+`"; exec sleep 60`)
	<-p.Reported()
	told, err := p.Stop(t.Context())
	if err != nil || told.Errors != 2 {
		t.Errorf("told %+v, %v", told, err)
	}
}

func TestAProducerThatOnlyFailsIsNoProducer(t *testing.T) {
	p := fake(t, `printf 'org.apache.kafka.common.errors.SaslAuthenticationException: Authentication failed\n' >&2; echo said; exec sleep 60`)
	for said := false; !said; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		said = len(p.words.last) == 2
		p.mu.Unlock()
	}
	if _, err := p.Stop(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "sent nothing: Authentication failed") {
		t.Errorf("got %v", err)
	}
}

func TestTheToolAndItsSecretsDieWithUs(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	temp := t.TempDir()
	cmd.Env = append(os.Environ(), ownerVariable+"=exec sleep 60", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanln(bufio.NewReader(out), &pid); err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob(filepath.Join(temp, "redline-java-*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("folders: %v, %v", folders, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(folders[0])
		if syscall.Kill(pid, 0) != nil && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d: %v; folder: %v", pid, syscall.Kill(pid, 0), err)
		}
	}
}

// consumeDraft is a consumer of 2000 records on an embedded broker.
func consumeDraft(t *testing.T, script string) *draft {
	t.Helper()
	task := client.Task{Workload: "consume", Topic: "t", Ends: map[int32]int64{0: 1500, 2: 520}, Starts: map[int32]int64{2: 20}}
	task.Brokers = []string{clienttest.Broker(t, map[string]int32{"t": 3})}
	d, err := consumer.draft("java", task)
	if err != nil {
		t.Fatal(err)
	}
	d.java = []string{"/bin/sh", "-c", script}
	return d
}

// commit commits offsets as a consumer does at its end.
func commit(t *testing.T, d *draft, offsets map[int32]int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.task.Brokers...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	committed := kadm.Offsets{}
	for partition, at := range offsets {
		committed.AddOffset("t", partition, at, -1)
	}
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), d.groupID, committed); err != nil {
		t.Fatal(err)
	}
}

func TestAConsumerIsHeldToWhatThereIs(t *testing.T) {
	detail := func(n int) string {
		return fmt.Sprintf("echo '2026-11-26 22:30:26:470, 0, 0.0954, 1.0, %d, 100.0000, 0, 100, 1.0000, 100.0000';", n)
	}
	all := map[int32]int64{0: 1500, 2: 520}
	for name, c := range map[string]struct {
		script    string
		committed map[int32]int64
		want      string
	}{
		"all":           {detail(1000), all, ""},
		"more":          {detail(2001), all, "counts 2001 records where there are 2000"},
		"gave up":       {detail(1000) + "echo '" + gaveUp + "records: timeout (60000 ms) exceeded.'", all, "read 1000 of 2000 records and gave up"},
		"boasts":        {detail(1000), map[int32]int64{0: 1500}, "has committed 1500 of 2000 records"},
		"commits wrong": {detail(1000), map[int32]int64{0: 1500, 2: 521}, "has committed 2001 of 2000 records"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			d := consumeDraft(t, c.script)
			commit(t, d, c.committed)
			p, err := start(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			wait(t, p)
			told, err := p.Stop(t.Context())
			if c.want == "" && (err != nil || told.Records != 2000) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("told %+v, %v; want %q", told, err, c.want)
			}
		})
	}
}

func TestAGroupThatCannotBeDeletedIsNamed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	task := client.Task{Workload: "consume", Topic: "t", Ends: map[int32]int64{0: 10}}
	address, end := clienttest.StartBroker(t, map[string]int32{"t": 1})
	task.Brokers = []string{address}
	d, err := consumer.draft("java", task)
	if err != nil {
		t.Fatal(err)
	}
	d.java = []string{"/bin/sh", "-c", "exec sleep 60"}
	p, err := start(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	end()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Stop(ctx); !errors.Is(err, ErrGroupLeft) || !strings.Contains(err.Error(), d.groupID) {
		t.Errorf("got %v", err)
	}
}
