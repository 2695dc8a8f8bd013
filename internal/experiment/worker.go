package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/exec"
	"redline/internal/client/libraries"
	"redline/internal/latency"
	"redline/internal/plan"
	"redline/internal/workload"
	"redline/internal/workload/ladder"
	"redline/result"
)

// worker is who does the work of an arm: one of the three.
type worker struct {
	library  client.Library
	external client.External
	rung     string
}

// workerOf finds the client of an arm. The error is a sentence; it wraps
// client.ErrCannot where the client exists but not here.
func workerOf(arm result.Arm) (worker, error) {
	if arm.Command != "" {
		external, err := exec.New(arm.Client, arm.Command)
		return worker{external: external}, err
	}
	if name, found := strings.CutPrefix(arm.Client, plan.RungPrefix); found {
		if _, known := ladder.Find(arm.Workload, name); !known {
			return worker{}, noRung(arm.Workload, name)
		}
		return worker{rung: name}, nil
	}
	if external, found := libraries.External(arm.Client); found {
		return worker{external: external}, nil
	}
	library, err := libraries.Open(arm.Client)
	return worker{library: library}, err
}

// noRung is the error for a rung that the ladder of a workload has not.
func noRung(workload, name string) error {
	var names []string
	for _, rung := range ladder.Rungs(workload) {
		names = append(names, plan.RungPrefix+rung.Name)
	}
	for _, other := range []string{result.Consume, result.Produce} {
		if _, known := ladder.Find(other, name); known {
			return client.Cannot(plan.RungPrefix+name, workload, "take one of "+strings.Join(names, ", "))
		}
	}
	return fmt.Errorf("there is no rung %q; take one of %s", name, strings.Join(names, ", "))
}

// Check says whether the client of an arm can do what is asked of it. The error is a
// sentence: it wraps client.ErrCannot where another client has to do it, and
// client.ErrProperty where a property is wrong.
func Check(arm result.Arm) error {
	handler, err := plan.ParseHandler(arm.Setting.Handler)
	if err != nil {
		return err
	}
	if handler.Kind == plan.HandleJSON && arm.Setting.Payload != "json" {
		return errors.New("handler json decodes values as JSON, and these are none: set payload to json, too")
	}
	who, err := workerOf(arm)
	switch {
	case err != nil:
		return err
	case who.rung != "":
		return checkRung(arm, who.rung, handler)
	case who.external != nil:
		return checkExternal(arm, who.external, handler)
	}
	options := client.Options{Profile: client.Profile(arm.Profile), Properties: Properties(arm)}
	if arm.Workload == result.Produce {
		return who.library.CheckProducer(options)
	}
	return who.library.CheckConsumer(options)
}

func checkRung(arm result.Arm, rung string, handler plan.Handler) error {
	if rung == "handler" && handler.Kind == plan.HandleNone {
		return client.Cannot(plan.RungPrefix+rung, "do anything without a handler", "give one with --handler, such as burn=2us")
	}
	return ladder.Check(arm.Workload, rung, rungProperties(arm))
}

// rungProperties are what is set on a rung: it has acknowledgements of its own.
func rungProperties(arm result.Arm) map[string]string {
	properties := map[string]string{}
	if arm.Workload == result.Produce && arm.Setting.Compression != "" {
		properties["compression.type"] = arm.Setting.Compression
	}
	maps.Copy(properties, arm.Setting.Properties)
	return properties
}

func checkExternal(arm result.Arm, external client.External, handler plan.Handler) error {
	if handler.Kind != plan.HandleNone && arm.Command == "" {
		return client.Cannot(arm.Client, "do anything with records: it has no handler", "take handler none")
	}
	s := arm.Setting
	return external.Check(client.Task{
		Options:  client.Options{Profile: client.Profile(arm.Profile), Properties: Properties(arm)},
		Workload: arm.Workload, Instances: s.Instances, Partitions: s.Partitions, RecordSize: s.RecordBytes, Handler: s.Handler,
	})
}

// Lighter says what the client of an arm does less for a record than others do.
func Lighter(arm result.Arm) []string {
	who, err := workerOf(arm)
	if err != nil {
		return nil
	}
	if who.external != nil {
		return who.external.Lighter(arm.Workload)
	}
	if library, ok := who.library.(client.Lighter); ok {
		return library.Lighter(arm.Workload)
	}
	return nil
}

// Adds is what the rung of an arm does beyond the one before it, in words; empty for a
// client.
func Adds(arm result.Arm) string {
	rung, _ := ladder.Find(arm.Workload, strings.TrimPrefix(arm.Client, plan.RungPrefix))
	if !strings.HasPrefix(arm.Client, plan.RungPrefix) {
		return ""
	}
	return rung.Adds
}

// Version is that of the client of an arm; empty for a rung, which is redline itself.
func Version(arm result.Arm) string {
	who, err := workerOf(arm)
	switch {
	case err != nil || who.rung != "":
		return ""
	case who.external != nil:
		return who.external.Version()
	}
	return who.library.Version()
}

// work is a workload that goes on, whoever does it.
type work interface {
	running
	// Rewinds is how often reading began anew so far.
	Rewinds() int64
	// Settings are those in force.
	Settings() map[string]string
	// finish ends it within the bound of ctx, and fills in what only its end tells. With
	// whole the window was counted to its end, and what was sent is waited for.
	finish(ctx context.Context, whole bool, trial *result.Trial) error
}

// consumeWork is a library's consumers.
type consumeWork struct {
	*workload.Consuming
}

func (w consumeWork) finish(ctx context.Context, _ bool, trial *result.Trial) error {
	consumed, err := w.Stop(ctx)
	trial.Errors = consumed.Errors
	return err
}

// produceWork is a library's producers.
type produceWork struct {
	*workload.Producing
	// latency and lag are those when the window opened.
	latency, lag *latency.Histogram
	offered      float64 // records per second; 0: a closed loop
}

func (*produceWork) Rewinds() int64 { return 0 }

func (w *produceWork) opened() { w.latency, w.lag = w.Latency(), w.Lag() }

func (w *produceWork) closed(trial *result.Trial) (err error) {
	if w.offered > 0 {
		lag := w.Lag().Since(w.lag)
		trial.Offered = &result.Offered{RecordsPerSecond: w.offered, Records: lag.Count(), LagP99: float64(lag.Quantile(0.99)) / 1e6}
	}
	trial.LatencyHDR, err = w.Latency().Since(w.latency).Encode()
	return err
}

func (w *produceWork) finish(ctx context.Context, whole bool, trial *result.Trial) error {
	if whole {
		// What is not answered in time is counted as indeterminate by Stop.
		_ = w.Drain(ctx)
	}
	_, err := w.Stop(ctx)
	for _, n := range w.Errors() {
		trial.Errors += n
	}
	return err
}

// climbWork is a rung of the ladder.
type climbWork struct {
	*ladder.Climb
	workload string
	ledger   *audit.Ledger
}

func (w climbWork) finish(ctx context.Context, _ bool, trial *result.Trial) error {
	err := w.Stop(ctx)
	trial.Errors = w.Errors()
	switch account := w.ledger.Account(true); {
	case account.Once+account.Acked > 0: // its records are in the books
	case w.workload == result.Produce:
		trial.Account.Acked = w.Records()
	default:
		trial.Account.Once = w.Records()
	}
	return err
}

// externalWork is a process of somebody else's.
type externalWork struct {
	client.Process
	workload string
}

// Settings are those that it tells, with what it says that it is.
func (w externalWork) Settings() map[string]string {
	told := maps.Clone(w.Process.Settings())
	if named, ok := w.Process.(interface{ Version() string }); ok {
		if told == nil {
			told = map[string]string{}
		}
		told["client.software"] = named.Version()
	}
	return told
}

// finish takes what it counted into the account as it is: nobody else has seen it.
func (w externalWork) finish(ctx context.Context, _ bool, trial *result.Trial) error {
	told, err := w.Stop(ctx)
	trial.Errors, trial.Claimed = told.Errors, told.RecordsPerSecond
	if w.workload == result.Produce {
		trial.Account.Acked = told.Records
	} else {
		trial.Account.Once = told.Records
	}
	return err
}

// handling is what is done with records, and how long that took in all.
type handling struct{ nanoseconds atomic.Int64 }

// timed makes a handler whose time is counted.
func (h *handling) timed(handle func(client.Batch)) func(client.Batch) {
	return func(b client.Batch) {
		began := time.Now()
		handle(b)
		h.nanoseconds.Add(int64(time.Since(began)))
	}
}
