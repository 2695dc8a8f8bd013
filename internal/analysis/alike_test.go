package analysis

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"redline/result"
)

func TestUnaskedDifferencesAreNoted(t *testing.T) {
	row := func(workload string, asked, inForce map[string]string) result.Row {
		return result.Row{Arm: result.Arm{Workload: workload, Setting: result.Setting{Properties: asked}}, InForce: inForce}
	}
	rows := []result.Row{
		row(result.Produce, nil, map[string]string{"acks": "-1", "linger.ms": "5", "batch.size": "1000000"}),
		row(result.Produce, nil, map[string]string{"acks": "all", "queue.buffering.max.ms": "0", "batch.size": "16384"}),
		row(result.Produce, map[string]string{"linger.ms": "9"}, map[string]string{"linger.ms": "9"}),
		row(result.Consume, nil, map[string]string{"check.crcs": "true"}),
		row(result.Consume, nil, map[string]string{"check.crcs": "false", "linger.ms": "0"}),
		row(result.Consume, nil, nil),
	}
	differ(rows)
	want := [][]string{nil, {"linger.ms is 0, not 5", "batch.size is 16384, not 1000000"}, nil, nil, {"check.crcs is false, not true"}, nil}
	for i, r := range rows {
		if d := cmp.Diff(want[i], r.Differs); d != "" {
			t.Errorf("row %d: %s", i, d)
		}
	}
}

func TestWaitingAddsUpWhatIsKnown(t *testing.T) {
	trial := func(w *result.Waiting) result.Trial { return result.Trial{Measured: result.Measured{Waiting: w}} }
	got := waiting([]result.Trial{
		trial(&result.Waiting{Fetches: 10, Requests: 12, Produces: -1, WaitedSeconds: 1, ReceivedSeconds: 1, IdleSeconds: 1, BusiestThread: 0.5, Connections: 1}),
		trial(nil),
		trial(&result.Waiting{Fetches: 20, Requests: 22, Produces: 1, WaitedSeconds: 2, ReceivedSeconds: -1, IdleSeconds: 3, BusiestThread: -1, Connections: 2}),
	})
	want := &result.Waiting{Fetches: 30, Requests: 34, Produces: -1, WaitedSeconds: 3, ReceivedSeconds: -1, IdleSeconds: 4, BusiestThread: 0.5, Connections: 2}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if waiting([]result.Trial{trial(nil)}) != nil {
		t.Error("nothing is known, and said to be")
	}
}
