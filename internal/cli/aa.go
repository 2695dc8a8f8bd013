package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/runs"
	"redline/result"
)

// aaFlags are what `redline aa` takes.
type aaFlags struct {
	connectFlags
	storeFlags
	nulls, pairs, tries int
	effects             string
	power               float64
	window, warmup      time.Duration
	seedFlag            seedFlag
	resume, output      string
}

func newAACommand(p *Process) *cobra.Command {
	var f aaFlags
	cmd := &cobra.Command{
		Use:   "aa",
		Short: "Compare a setting with itself and with slower copies: how often does redline err here?",
		Long: `Compare a setting with itself and with slower copies of itself: how often does redline
see a difference where there is none, and how often one that is there? The slower
copies burn CPU time for each record, calibrated to cost the rate a known share; they
get as many pairs as find them with the probability of --power at the noise that a
pilot finds. Takes about an hour as it stands.`,
		Example: `  redline aa
  redline aa --nulls 10 --tries 4 --effects 10%
  redline aa --resume 20261124-120000-aa`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), p)
		},
	}
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	flags.IntVar(&f.nulls, "nulls", 60, "comparisons of the setting with itself")
	flags.IntVar(&f.pairs, "pairs", 8, "pairs of trials in each of them")
	flags.StringVar(&f.effects, "effects", "5%,10%", "slowdowns to plant, with commas")
	flags.IntVar(&f.tries, "tries", 20, "comparisons with each slowdown")
	flags.Float64Var(&f.power, "power", 0.9, "probability to find a slowdown that its comparisons are planned for")
	flags.DurationVar(&f.warmup, "warmup", 300*time.Millisecond, "shortest warm-up of a trial")
	flags.DurationVar(&f.window, "window", 600*time.Millisecond, "what is counted of a trial")
	f.seedFlag.add(cmd, "draw the order from this number (default: a new one)")
	flags.StringVar(&f.resume, "resume", "", "go on with the campaign of this `ID`")
	addOutput(cmd, &f.output)
	completeBy(cmd, "resume", f.storedRuns(p))
	return cmd
}

func (f *aaFlags) check() ([]float64, error) {
	switch {
	case f.nulls < 0 || f.nulls > 1000 || f.tries < 0 || f.tries > 1000:
		return nil, usagef("--nulls %d and --tries %d: choose 0 to 1000", f.nulls, f.tries)
	case f.pairs < 6 || f.pairs > 1000:
		return nil, usagef("--pairs %d: choose 6 to 1000; fewer can never show a difference at p < 0.05", f.pairs)
	case f.power <= 0 || f.power >= 1:
		return nil, usagef("--power %g: choose a probability between 0 and 1", f.power)
	case f.window < 50*time.Millisecond || f.window > time.Minute || f.warmup < 20*time.Millisecond || f.warmup > time.Minute:
		return nil, usagef("--warmup %v and --window %v: choose 20ms and 50ms to 1m", f.warmup, f.window)
	}
	var effects []float64
	for _, text := range strings.Split(f.effects, ",") {
		effect, err := percent(text)
		if err != nil || effect > 0.5 {
			return nil, usagef("--effects %s: type shares up to 50%%, such as 5%%,10%%", f.effects)
		}
		if effect > 0 {
			effects = append(effects, effect)
		}
	}
	return effects, nil
}

func (f *aaFlags) run(ctx context.Context, p *Process) error {
	r := result.AAReport{Header: newHeader(result.AASchema), Planted: []result.Campaign{}}
	effects, err := f.check()
	if err == nil {
		err = f.measure(ctx, p, effects, &r)
	}
	if isText(f.output) && r.Run == "" { // there is nothing to show yet
		return err
	}
	return printReport(p, f.output, &r.Header, view{text: func(w io.Writer) { report.AA(w, r) }, object: &r}, err)
}

func (f *aaFlags) measure(ctx context.Context, p *Process, effects []float64, r *result.AAReport) (err error) {
	folder, err := f.storeFlags.open(p)
	if err != nil {
		return err
	}
	brokers, err := f.external(p)
	if err != nil {
		return err
	}
	if brokers == "" && f.kafka == "" {
		f.kafka, f.resolved = "embedded", nil
	}
	places := &places{connectFlags: f.connectFlags, p: p}
	defer func() { err = errors.Join(err, places.close()) }()
	writer, done, err := f.begin(ctx, p, folder, places, brokers, effects)
	if err != nil {
		return err
	}
	defer writer.Close() //nolint:errcheck // every trial was on disk before
	fmt.Fprintf(p.Stderr, "run %s\n", writer.Dir())
	err = interrupted(ctx, carry(ctx, p, "", "aa", writer, done, experiment.Run{Open: places.reopen}))
	stored, readErr := folder.Read(writer.ID())
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	*r = analysis.AA(stored, observe.Environment().Redline)
	return err
}

// begin takes up a campaign, or calibrates and plans one.
func (f *aaFlags) begin(ctx context.Context, p *Process, folder *runs.Folder, places *places, brokers string, effects []float64) (*runs.Writer, []result.Trial, error) {
	if f.resume != "" {
		writer, stored, err := folder.Resume(f.resume)
		return writer, stored.Trials, err
	}
	kafka := f.kafka
	fill := int64(mostFill)
	if kafka == "embedded" {
		fill = memoryFill()
	}
	if kafka == "" {
		kafka = brokers
	}
	aa := experiment.AA{
		Client: "franz", Partitions: 8, RecordSize: 100, FillBytes: fill,
		Timing: result.Timing{Warmup: f.warmup, Window: f.window}, Nulls: f.nulls, Pairs: f.pairs,
		Effects: effects, Tries: f.tries, Power: f.power, Seed: f.seedFlag.draw(), Created: time.Now().UTC(), Kafka: kafka,
	}
	display := p.display()
	defer display.Close()
	calibrated, err := aa.RunPilot(ctx, experiment.Run{Open: places.open, Display: display})
	if err != nil {
		return nil, nil, err
	}
	made := aa.Plan(calibrated)
	made.Command = connection.MaskArgs(p.Args)
	writer, err := folder.Create(made)
	return writer, nil, err
}

// reopen gives the Kafka that is open already, where there is one.
func (s *places) reopen(ctx context.Context, arm result.Arm) (*experiment.Place, error) {
	if s.now != nil {
		return s.now.place(), nil
	}
	return s.open(ctx, arm)
}
