package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/gate"
	"redline/internal/plan"
	"redline/internal/report"
	"redline/internal/runs"
	"redline/result"
)

// compareFlags are what `redline compare` takes.
type compareFlags struct {
	connectFlags
	storeFlags
	rerun          bool
	binaries       []string
	rounds         int
	seedFlag       seedFlag
	margin         string
	failIf         []string
	allowUndecided bool
	output         string
}

func newCompareCommand(p *Process) *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare A [B]",
		Short: "Say what changed from A to B, with intervals; gates for CI",
		Long: `Say what changed from A to B, with intervals. A and B are ids of stored runs, each
with the setting that is meant behind a colon: RUN:consumers=4. Within one run settings
are paired by round. One argument compares every setting of a run with its baseline.

Two runs made apart carry the drift of the machine between them: their intervals are
widened by the spread between runs of the same plan, and without two more of these
nothing can be told. --rerun runs both settings interleaved instead, or with --binary
twice the same setting by two builds of redline.

--fail-if 'consume.records_per_second < -5%' exits with 3 when the whole interval lies
beyond, with 5 when it straddles (--allow-undecided makes that 0).`,
		Example: `  redline compare 20261124-120000-seed
  redline compare main:consumers=1 main:consumers=4 -o md
  redline compare main branch --fail-if 'consume.records_per_second < -5%'
  redline compare --rerun main --binary old/redline --binary new/redline`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), p, args)
		},
	}
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	flags.BoolVar(&f.rerun, "rerun", false, "run both settings anew, interleaved")
	flags.StringArrayVar(&f.binaries, "binary", nil, "with --rerun: a build of redline that does the trials; give two")
	flags.IntVar(&f.rounds, "rounds", 0, "with --rerun: rounds (default: enough for the comparisons)")
	f.seedFlag.add(cmd, "with --rerun: draw the order from this number (default: a new one)")
	flags.StringVar(&f.margin, "margin", "", "the largest difference that counts as none (default: the run's)")
	flags.StringArrayVar(&f.failIf, "fail-if", nil, "`GATE` that must not hold, such as 'consume.records_per_second < -5%'; may be repeated")
	flags.BoolVar(&f.allowUndecided, "allow-undecided", false, "exit with 0 when a gate cannot be decided")
	addOutput(cmd, &f.output, "benchfmt")
	cmd.ValidArgsFunction = f.storedRuns(p)
	return cmd
}

// measures are what settings are compared by.
var measures = []analysis.Measure{analysis.Rate, analysis.CPU, analysis.P99}

// compared is one side of a comparison.
type compared struct {
	run  result.Run
	arms []int
	// picked says that a setting was named.
	picked bool
}

func (f *compareFlags) run(ctx context.Context, p *Process, args []string) error {
	gates, margin, err := f.check()
	if err != nil {
		return err
	}
	sides := make([]compared, 0, 2)
	for _, arg := range args {
		side, err := f.side(p, arg)
		if err != nil {
			return err
		}
		sides = append(sides, side)
	}
	if margin == 0 {
		margin = sides[0].run.Plan.Margin
	}
	r := result.CompareReport{Header: newHeader(result.CompareSchema), Comparisons: []result.Comparison{}}
	switch {
	case f.rerun:
		err = f.again(ctx, p, sides, margin, &r)
	default:
		err = f.stored(p, sides, margin, &r)
	}
	if err != nil {
		return err
	}
	r.Gates, err = analysis.Forbid(gates, r.Comparisons)
	if err != nil {
		return usagef("%w", err)
	}
	if err := f.print(p, r, sides); err != nil {
		return err
	}
	return f.verdict(r.Gates)
}

func (f *compareFlags) check() ([]gate.Gate, float64, error) {
	margin, err := percent(f.margin)
	if err != nil {
		return nil, 0, usagef("--margin %s: %w", f.margin, err)
	}
	switch {
	case len(f.binaries) != 0 && (len(f.binaries) != 2 || !f.rerun):
		return nil, 0, usagef("--binary goes with --rerun, and is given twice")
	case f.rounds != 0 && (!f.rerun || f.rounds < 1 || f.rounds > 10_000):
		return nil, 0, usagef("--rounds %d goes with --rerun, from 1 to 10000", f.rounds)
	}
	for _, binary := range f.binaries {
		if info, err := os.Stat(binary); err != nil || info.IsDir() {
			return nil, 0, usagef("--binary %s: there is no such program", binary)
		}
	}
	var gates []gate.Gate
	for _, text := range f.failIf {
		g, err := gate.Parse(text)
		if err != nil {
			return nil, 0, usagef("--fail-if: %w", err)
		}
		gates = append(gates, g)
	}
	return gates, margin, nil
}

// side reads RUN or RUN:axis=value.
func (f *compareFlags) side(p *Process, arg string) (compared, error) {
	id, selector, picked := strings.Cut(arg, ":")
	stored, err := f.read(p, id)
	if err != nil {
		return compared{}, err
	}
	arms, err := analysis.Select(stored, selector)
	if err != nil {
		return compared{}, usagef("%w", err)
	}
	return compared{stored, arms, picked}, nil
}

// stored compares what was measured before.
func (f *compareFlags) stored(p *Process, sides []compared, margin float64, r *result.CompareReport) error {
	a := sides[0]
	r.Runs = []string{a.run.Plan.Run}
	if len(sides) == 1 {
		r.Comparisons = analysis.Compare(a.run, analysis.Against(a.run, a.arms), measures, margin)
		return nil
	}
	b := sides[1]
	if a.run.Plan.Run == b.run.Plan.Run {
		if len(a.arms) != 1 || len(b.arms) != 1 {
			return usagef("within run %s name one setting on each side, such as %[1]s:%s", a.run.Plan.Run, selectorOf(a.run.Plan.Arms[0]))
		}
		r.Comparisons = analysis.Compare(a.run, []analysis.Pair{{A: b.arms[0], B: a.arms[0]}}, measures, margin)
		return nil
	}
	r.Runs = append(r.Runs, b.run.Plan.Run)
	pairs, err := paired(a, b)
	if err != nil {
		return err
	}
	same, err := f.history(p, a.run.Plan)
	if err != nil {
		return err
	}
	r.Comparisons, r.Warnings = analysis.Apart(a.run, b.run, pairs, measures, margin, func(arm int, m analysis.Measure) (float64, int) {
		return analysis.Spread(same, arm, m)
	})
	return nil
}

// paired are the arms of two runs that belong together: those that were named, or
// those that were asked the same.
func paired(a, b compared) ([]analysis.Pair, error) {
	if a.picked && b.picked && len(a.arms) == 1 && len(b.arms) == 1 {
		return []analysis.Pair{{A: b.arms[0], B: a.arms[0]}}, nil
	}
	var pairs []analysis.Pair
	for _, pair := range analysis.Counterparts(a.run, b.run) {
		if slices.Contains(b.arms, pair.A) && slices.Contains(a.arms, pair.B) {
			pairs = append(pairs, pair)
		}
	}
	if len(pairs) == 0 {
		return nil, usagef("runs %s and %s have no setting in common: name one of each, such as %[1]s:%[3]s", a.run.Plan.Run, b.run.Plan.Run, selectorOf(a.run.Plan.Arms[0]))
	}
	return pairs, nil
}

func selectorOf(arm result.Arm) string {
	for name, value := range arm.Values {
		return name + "=" + value
	}
	return "workload=" + arm.Workload
}

// history are the stored runs of the same plan.
func (f *compareFlags) history(p *Process, of result.Plan) ([]result.Run, error) {
	folder, err := runs.Existing(f.folder(p))
	if err != nil {
		return nil, err
	}
	summaries, err := folder.List()
	if err != nil {
		return nil, err
	}
	var same []result.Run
	for _, s := range summaries {
		if s.Fingerprint != runs.Fingerprint(of) {
			continue
		}
		if stored, err := folder.Read(s.ID); err == nil {
			same = append(same, stored)
		}
	}
	return same, nil
}

// again runs both settings, or both builds, interleaved.
func (f *compareFlags) again(ctx context.Context, p *Process, sides []compared, margin float64, r *result.CompareReport) error {
	arms, base, err := f.arms(sides)
	if err != nil {
		return err
	}
	made, err := plan.Again(base, arms, plan.Want{Seed: f.seedFlag.draw(), Created: time.Now().UTC(), Rounds: f.rounds, Margin: margin})
	if err != nil {
		return err
	}
	made.Command = connection.MaskArgs(p.Args)
	if err := f.takeUp(p, made.Kafka); err != nil {
		return err
	}
	if made.Kafka = f.kafka; made.Kafka == "" {
		if made.Kafka, err = f.external(p); err != nil {
			return err
		}
	}
	folder, err := f.storeFlags.open(p)
	if err != nil {
		return err
	}
	writer, err := folder.Create(made)
	if err != nil {
		return err
	}
	defer writer.Close() //nolint:errcheck // every trial was on disk before
	fmt.Fprintf(p.Stderr, "run %s\n", writer.Dir())
	places := &places{connectFlags: f.connectFlags, p: p}
	run := experiment.Run{Open: places.open}
	if len(f.binaries) > 0 {
		run.Execute = places.elsewhere
	}
	err = carry(ctx, p, "", "compare", writer, nil, run)
	if err := interrupted(ctx, errors.Join(err, places.close())); err != nil {
		return err
	}
	stored, err := folder.Read(writer.ID())
	if err != nil {
		return err
	}
	r.Runs = []string{writer.ID()}
	all := make([]int, len(arms))
	for i := range all {
		all[i] = i
	}
	r.Comparisons = analysis.Compare(stored, analysis.Against(stored, all), measures, margin)
	page := analysis.Report(stored, r.Version, margin)
	r.Warnings = append(r.Warnings, page.Warnings...)
	sides[0] = compared{run: stored, arms: all}
	return writePage(writer, page)
}

// buildAxis tells the builds of redline apart in an arm's values.
const buildAxis = "redline"

// arms are what is run again: pairs of neighbours, the second held against the first.
func (f *compareFlags) arms(sides []compared) ([]result.Arm, result.Plan, error) {
	a := sides[0]
	var arms []result.Arm
	add := func(arm result.Arm, name, value string, against int) {
		values := map[string]string{name: value}
		for k, v := range arm.Values {
			values[k] = v
		}
		arm.Values, arm.Against = values, against
		arms = append(arms, arm)
	}
	switch {
	case len(f.binaries) == 2:
		for _, i := range a.arms {
			add(a.run.Plan.Arms[i], buildAxis, f.binaries[0], -1)
			add(a.run.Plan.Arms[i], buildAxis, f.binaries[1], len(arms)-1)
		}
	case len(sides) != 2:
		return nil, result.Plan{}, usagef("--rerun takes two settings, or one and --binary twice")
	default:
		pairs, err := paired(a, sides[1])
		if a.run.Plan.Run == sides[1].run.Plan.Run && len(a.arms) == 1 && len(sides[1].arms) == 1 {
			pairs, err = []analysis.Pair{{A: sides[1].arms[0], B: a.arms[0]}}, nil
		}
		if err != nil {
			return nil, result.Plan{}, err
		}
		for _, pair := range pairs {
			add(a.run.Plan.Arms[pair.B], "side", "A", -1)
			add(sides[1].run.Plan.Arms[pair.A], "side", "B", len(arms)-1)
		}
	}
	return arms, a.run.Plan, nil
}

// elsewhere does a trial by the build that its arm names.
func (s *places) elsewhere(ctx context.Context, spec experiment.Spec, _ func(float64)) (result.Trial, error) {
	spec.Connection = s.now.Connection.Handover()
	return elsewhere(ctx, spec.Arm.Values[buildAxis], spec)
}

func (f *compareFlags) print(p *Process, r result.CompareReport, sides []compared) error {
	switch f.output {
	case "md":
		report.ComparisonsMarkdown(p.Stdout, r.Comparisons, r.Warnings)
	case "benchfmt":
		for i, side := range sides {
			if i > 0 && side.run.Plan.Run == sides[0].run.Plan.Run {
				continue
			}
			if err := report.Benchfmt(p.Stdout, analysis.Report(side.run, r.Version, 0)); err != nil {
				return err
			}
		}
	default:
		return show(p, f.output, view{
			text:   func(w io.Writer) { report.Comparisons(w, r.Comparisons, r.Warnings) },
			table:  func() report.Table { return report.ComparisonTable(r.Comparisons) },
			object: r,
		})
	}
	return nil
}

// verdict is the exit code of the gates.
func (f *compareFlags) verdict(gates []result.Gate) error {
	err := gateFailure(gates)
	var failure *Failure
	if errors.As(err, &failure) && failure.Code == ExitUndecided && f.allowUndecided {
		return nil
	}
	return err
}
