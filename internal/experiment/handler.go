package experiment

import (
	"context"
	"encoding/json"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/plan"
	"redline/internal/spin"
)

// handler makes for each consumer what the setting says is done with records; nil for
// nothing. ctx ends a handler that waits.
func (x *execution) handler(ctx context.Context) (func() func(client.Batch), error) {
	h, err := plan.ParseHandler(x.Arm.Setting.Handler)
	if err != nil {
		return nil, err
	}
	var make func() func(client.Batch)
	switch h.Kind {
	case plan.HandleBurn:
		if h.Nanoseconds == 0 {
			return nil, nil
		}
		perRecord := h.Nanoseconds / 1e3 * x.Rounds
		make = func() func(client.Batch) {
			return func(b client.Batch) { spin.Work(perRecord * float64(b.Len())).Do() }
		}
	case plan.HandleSleep:
		make = func() func(client.Batch) { return sleeper(ctx, time.Duration(h.Nanoseconds)) }
	case plan.HandleAlloc:
		make = func() func(client.Batch) { return allocator(int(h.Bytes)) }
	case plan.HandleJSON:
		make = decoder
	default:
		return nil, nil
	}
	return func() func(client.Batch) { return x.handling.timed(make()) }, nil
}

// sleeper waits for each record, as an application does that asks a database. A timer is
// up to a millisecond late: what a wait took too long is taken off the next ones.
func sleeper(ctx context.Context, d time.Duration) func(client.Batch) {
	timer := time.NewTimer(d)
	owed := time.Duration(0)
	wait := func(int64, []byte, []byte) {
		if owed += d; owed <= 0 || ctx.Err() != nil {
			return
		}
		began := time.Now()
		timer.Reset(owed)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		owed -= time.Since(began)
	}
	return func(b client.Batch) { b.Each(wait) }
}

// allocator makes so many bytes of garbage of each record, and touches all of them.
func allocator(size int) func(client.Batch) {
	var kept []byte // the last one, so that none is left out
	each := func(_ int64, _, value []byte) {
		kept = make([]byte, size)
		copy(kept, value)
	}
	return func(b client.Batch) { b.Each(each) }
}

// decoder decodes each value, behind its stamp, as an application does that knows
// what it expects. What is no JSON costs what it takes to see that.
func decoder() func(client.Batch) {
	var event struct {
		User   int64   `json:"user"`
		Action string  `json:"action"`
		Amount float64 `json:"amount"`
		OK     bool    `json:"ok"`
		Note   string  `json:"note"`
	}
	each := func(_ int64, _, value []byte) {
		if len(value) > audit.StampSize {
			value = value[audit.StampSize:]
		}
		_ = json.Unmarshal(value, &event)
	}
	return func(b client.Batch) { b.Each(each) }
}
