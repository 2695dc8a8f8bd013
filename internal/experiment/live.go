package experiment

import (
	"slices"
	"strings"
	"sync/atomic"

	"redline/internal/monitor"
	"redline/result"
)

// Live is what the trials of an experiment have done so far, a trial at a time.
type Live struct {
	role, client                        string
	acked, ackedBytes, once, onceBytes  atomic.Int64
	lost, duplicated, reordered, failed atomic.Int64
}

// NewLive makes one for the trials of a command, with the clients of a plan.
func NewLive(role string, p result.Plan) *Live {
	var clients []string
	for _, arm := range p.Arms {
		if !slices.Contains(clients, arm.Client) {
			clients = append(clients, arm.Client)
		}
	}
	return &Live{role: role, client: strings.Join(clients, ",")}
}

// Snapshot makes Live the monitor's source.
func (l *Live) Snapshot() monitor.Snapshot {
	return monitor.Snapshot{
		Role: l.role, Client: l.client, Lag: -1, WireRead: -1, WireWritten: -1,
		ProducedRecords: l.acked.Load(), ProducedBytes: l.ackedBytes.Load(),
		ConsumedRecords: l.once.Load(), ConsumedBytes: l.onceBytes.Load(),
		Lost: l.lost.Load(), Duplicated: l.duplicated.Load(), Reordered: l.reordered.Load(),
		ProduceErrors: map[string]int64{"not acknowledged": l.failed.Load()},
	}
}

// add takes the account of a trial that has ended.
func (l *Live) add(a result.Account, recordSize, seenBytes int64) {
	if l == nil {
		return
	}
	l.acked.Add(a.Acked)
	l.ackedBytes.Add(a.Acked * recordSize)
	l.once.Add(a.Once)
	l.onceBytes.Add(seenBytes)
	l.lost.Add(a.Lost)
	l.duplicated.Add(a.Duplicated)
	l.reordered.Add(a.Reordered)
	l.failed.Add(a.Failed + a.Indeterminate)
}
