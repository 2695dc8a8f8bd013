package kafka_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The examples of the help that start an Apache Kafka are typed as they stand; package
// cli keeps the list, and types all the others.
func TestExamplesWithARealKafkaRun(t *testing.T) {
	if redline == "" {
		t.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	examples, err := os.ReadFile(filepath.Join("testdata", "examples.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(examples)) {
		example := strings.TrimSpace(line)
		t.Run(example, func(t *testing.T) {
			folder := t.TempDir()
			code, out := typed(t, folder, example)
			if down, said := typed(t, folder, "redline broker down"); down != 0 {
				t.Errorf("redline broker down: exit code %d\n%s", down, said)
			}
			if code != 0 {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// typed types a line, and Ctrl-C once a broker is up that goes on until then.
func typed(t *testing.T, folder, line string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+line)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(redline)+":"+os.Getenv("PATH"), "REDLINE_STATE="+filepath.Join(folder, "state"),
		"REDLINE_TIME=15s", "REDLINE_PORT=0", "REDLINE_HEAP=512m")
	var c command
	cmd.Stdout, cmd.Stderr = locked{&c, &c.stdout}, locked{&c, &c.stderr}
	cmd.WaitDelay = time.Minute
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			return cmd.ProcessState.ExitCode(), c.out() + c.talk()
		case <-tick.C:
			if strings.Contains(c.out()+c.talk(), "Ctrl-C ends it") {
				cancel()
			}
		}
	}
}
