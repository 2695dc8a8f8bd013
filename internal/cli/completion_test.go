package cli

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
)

// offered is what a shell would offer for the last of some words, without what is
// said about each.
func offered(t *testing.T, words ...string) []string {
	t.Helper()
	got := adminTyped(t, nil, append([]string{"__complete"}, words...)...)
	var names []string
	for line := range strings.Lines(got.stdout) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(name, ":") {
			names = append(names, name)
		}
	}
	return names
}

func TestCompletionOffersWhatThereIs(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	k, address := fakeKafka(t, kfake.SeedTopics(2, "test-topic", "orders"))
	consumed(t, k, "t1")
	for words, want := range map[string][]string{
		"topic describe -b " + address + " ":        {"orders", "test-topic"},
		"topic describe -b " + address + " orders ": nil,
		"consume -b " + address + " --topic ":       {"orders", "test-topic"},
		"group describe -b " + address + " ":        {"t1"},
		"consume -b " + address + " --group ":       {"t1"},
		"topic list -o ":                            formats,
		"topic list --output=":                      formats,
		"run --progress ":                           {"auto", "bar", "plain", "none"},
		"consume --profile ":                        {"tuned", "defaults"},
		"broker down ":                              nil,
		"help broker ":                              {"down", "status", "up"},
	} {
		if diff := cmp.Diff(want, offered(t, strings.Split(words, " ")...)); diff != "" {
			t.Errorf("%s: %s", words, diff)
		}
	}
	for words, among := range map[string]string{"schema ": "topic", "suites show ": "compression", "run ": "seed", "consume --client ": "franz"} {
		if names := offered(t, strings.Split(words, " ")...); !strings.Contains(" "+strings.Join(names, " ")+" ", " "+among+" ") {
			t.Errorf("%s: %s is not among %q", words, among, names)
		}
	}
}

// A cluster that is silent, or gone, holds no shell up.
func TestCompletionGivesUpWithoutAWord(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	silent, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, address := range []string{silent.Addr().String(), nobodyListens(t), "127.0.0.1:notaport"} {
		began := time.Now()
		if names := offered(t, "topic", "describe", "-b", address, ""); names != nil {
			t.Errorf("%s: %q", address, names)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %v", address, took)
		}
	}
}

func TestEveryShellHasACompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := adminTyped(t, nil, "completion", shell); got.code != 0 || !strings.Contains(got.stdout, "redline") {
			t.Errorf("%s: %d, %s", shell, got.code, got.stderr)
		}
	}
}
