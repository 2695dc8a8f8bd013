package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/journal"
	"redline/internal/observe"
	"redline/internal/plan"
	"redline/internal/report"
	"redline/internal/runs"
	"redline/result"
)

// storeFlags say where runs are stored.
type storeFlags struct{ dir string }

// runsEnv is the environment's word for --runs.
const runsEnv = "REDLINE_RUNS"

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "runs", "", "`folder` of stored runs (default runs, or $"+runsEnv+")")
}

func (f *storeFlags) open(p *Process) (*runs.Folder, error) { return runs.Open(f.folder(p)) }

func (f *storeFlags) folder(p *Process) string {
	switch {
	case f.dir != "":
		return f.dir
	case p.Getenv(runsEnv) != "":
		return p.Getenv(runsEnv)
	}
	return "runs"
}

// runFlags are what `redline run` takes.
type runFlags struct {
	connectFlags
	storeFlags
	question string
	showPlan bool
	set      []string
	time     time.Duration
	rounds   int
	seedFlag seedFlag
	effect   string
	power    float64
	noise    string
	margin   string
	resume   string
	listen   string
	handler  string
	clients  []string
	programs []string
	output   string
}

func newRunCommand(p *Process) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run FILE.yaml|NAME",
		Short: "Answer a question by interleaved trials, each stored as it ends",
		Long: `Answer a question by interleaved trials, each stored as it ends.

The question is a YAML file ("redline schema experiment" describes it) or the name
of a built-in suite ("redline suites"). Each round tries every setting once, in an
order drawn from the seed and reversed in the next round; settings are compared
within rounds. A run that was cut off goes on with --resume.`,
		Example: `  redline run acks
  redline run compression --plan
  redline run my-question.yaml --set consumers=1,2 -o md
  redline run clients --clients franz,sarama --plan
  redline run --resume 20261124-120000-seed`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.question = args[0]
			}
			return f.run(cmd.Context(), p)
		},
	}
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	flags.BoolVar(&f.showPlan, "plan", false, "print what would be tried, in which order, and how long it takes; run nothing")
	flags.StringSliceVar(&f.clients, "clients", nil, "of the question's clients, try only these; rungs of a ladder stay")
	flags.StringArrayVar(&f.programs, "client", nil, "add a program of yours as a client: `NAME=exec:COMMAND` (docs/exec-client.md); may be repeated")
	flags.StringVar(&f.handler, "handler", "", "do this with each record consumed: none, json, burn=2us, sleep=50us or alloc=1KiB")
	flags.StringArrayVar(&f.set, "set", nil, "`axis=value[,value…]` in the place of the file's; may be repeated")
	flags.DurationVar(&f.time, "time", 0, "fit rounds and windows into this time")
	flags.IntVar(&f.rounds, "rounds", 0, "how often each setting is tried (default: enough for the comparisons)")
	f.seedFlag.add(cmd, "draw order and bytes from this number (default: a new one)")
	flags.StringVar(&f.effect, "effect", "", "plan as many rounds as find a difference of this size, such as 5%")
	flags.Float64Var(&f.power, "power", 0.9, "with --effect: the probability to find it")
	flags.StringVar(&f.noise, "noise", "5%", "with --effect: standard deviation of the ratio of one pair of trials")
	flags.StringVar(&f.margin, "margin", "", "the largest difference that counts as none (default: the question's, 3%)")
	flags.StringVar(&f.resume, "resume", "", "go on with the run of this `ID`: do exactly what is missing")
	flags.StringVar(&f.listen, "listen", "", "serve Prometheus metrics and pprof on this `address`, such as 127.0.0.1:9095")
	addOutput(cmd, &f.output, experimentFormats...)
	cmd.ValidArgsFunction = asArgument(suites)
	complete(cmd, "handler", "none", "json", "burn=2us", "sleep=50us", "alloc=1KiB")
	completeBy(cmd, "resume", f.storedRuns(p))
	return cmd
}

func (f *runFlags) run(ctx context.Context, p *Process) error {
	if f.resume != "" {
		return f.goOn(ctx, p)
	}
	made, err := f.makePlan(p)
	if err != nil {
		return err
	}
	if f.showPlan {
		return show(p, f.output, view{text: func(w io.Writer) { report.ExperimentPlan(w, made) }, object: made})
	}
	folder, err := f.storeFlags.open(p)
	if err != nil {
		return err
	}
	writer, err := folder.Create(made)
	if err != nil {
		return err
	}
	return f.carry(ctx, p, folder, writer, nil)
}

// goOn takes up a run where it stopped.
func (f *runFlags) goOn(ctx context.Context, p *Process) error {
	if f.question != "" || len(f.set)+len(f.clients)+len(f.programs) > 0 || f.handler != "" || f.time != 0 || f.rounds != 0 || f.seedFlag.given() {
		return usagef("--resume %s goes on with the plan of that run: leave the question, --set, --clients, --client, --handler, --time, --rounds and --seed out", f.resume)
	}
	dir, id := runs.Find(f.folder(p), f.resume)
	folder, err := runs.Existing(dir)
	if err != nil {
		return err
	}
	writer, stored, err := folder.Resume(id)
	if err != nil {
		return err
	}
	if err := f.takeUp(p, stored.Plan.Kafka); err != nil {
		return err
	}
	for _, d := range stored.Damaged {
		fmt.Fprintf(p.Stderr, "%s: it was left out, and what it held is done again\n", d)
	}
	return f.carry(ctx, p, folder, writer, stored.Trials)
}

// makePlan reads the question and plans it; nothing is started or connected.
func (f *runFlags) makePlan(p *Process) (result.Plan, error) {
	q, err := f.read()
	if err != nil {
		return result.Plan{}, err
	}
	if err := f.change(q); err != nil {
		return result.Plan{}, usagef("%w", err)
	}
	want, err := f.want(p, q.Kafka)
	if err != nil {
		return result.Plan{}, err
	}
	made, err := plan.Make(q, want)
	if err != nil {
		return result.Plan{}, usagef("%w", err)
	}
	made.Command = connection.MaskArgs(p.Args)
	for i := range made.Arms {
		made.Arms[i].Adds, made.Arms[i].Lighter = experiment.Adds(made.Arms[i]), experiment.Lighter(made.Arms[i])
	}
	return made, nil
}

// change takes what the flags say in the place of the question's own.
func (f *runFlags) change(q *plan.Question) error {
	set := f.set
	if f.handler != "" {
		set = append(slices.Clip(set), "handler="+f.handler)
		if f.handler == plan.HandleJSON {
			set = append(set, "payload=json") // there has to be some to decode
		}
	}
	if len(f.clients)+len(f.programs) > 0 {
		programs, err := programsOf(f.programs)
		if err != nil {
			return err
		}
		if err := q.Clients(f.clients, programs); err != nil {
			return err
		}
	}
	return q.Set(set...)
}

// programsOf reads NAME=exec:COMMAND.
func programsOf(given []string) ([]plan.Program, error) {
	var all []plan.Program
	for _, text := range given {
		name, command, found := strings.Cut(text, "=exec:")
		if !found || name == "" || strings.TrimSpace(command) == "" {
			return nil, fmt.Errorf("--client %q is no program: type NAME=exec:COMMAND; to choose among the question's clients take --clients", text)
		}
		all = append(all, plan.Program{Name: name, Command: command})
	}
	return all, nil
}

// read gives the question: a file where there is one, else a suite of that name.
func (f *runFlags) read() (*plan.Question, error) {
	if f.question == "" {
		return nil, usagef("say what to run: a file, or one of %s", strings.Join(suiteNames(), ", "))
	}
	name := filepath.Base(f.question)
	data, err := readQuestion(f.question)
	if errors.Is(err, os.ErrNotExist) && name == f.question && filepath.Ext(name) == "" {
		var suite plan.Suite
		suite, err = plan.FindSuite(f.question)
		name, data = suite.Name+".yaml", suite.YAML
	}
	if err != nil {
		return nil, usagef("cannot read the question: %w", err)
	}
	q, err := plan.Parse(name, data, experiment.Check)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return q, nil
}

// maxQuestion is more than a question may have: plan.Parse says so.
const maxQuestion = 4 << 20

// readQuestion reads a file, but not without bound.
func readQuestion(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxQuestion))
}

func suiteNames() []string {
	var names []string
	for _, s := range plan.Suites() {
		names = append(names, s.Name)
	}
	return names
}

// want is what the flags say beside the question.
func (f *runFlags) want(p *Process, asked string) (plan.Want, error) {
	w := plan.Want{Seed: f.seedFlag.draw(), Created: time.Now().UTC(), Time: f.time, Rounds: f.rounds, Power: f.power}
	for _, share := range []struct {
		flag, text string
		to         *float64
	}{{"--effect", f.effect, &w.Effect}, {"--noise", f.noise, &w.Noise}, {"--margin", f.margin, &w.Margin}} {
		value, err := percent(share.text)
		if err != nil {
			return w, usagef("%s %s: %w", share.flag, share.text, err)
		}
		*share.to = value
	}
	if f.time < 0 || f.rounds < 0 || f.power <= 0 || f.power >= 1 {
		return w, usagef("--time %v, --rounds %d and --power %g: times and rounds are above 0, a power lies between 0 and 1", f.time, f.rounds, f.power)
	}
	if brokers, err := f.external(p); err != nil || brokers != "" {
		w.External, w.Kafka = true, brokers
		w.MaxFill = externalFill(brokers)
		return w, err
	}
	if f.kafka == "" {
		f.kafka, f.resolved = asked, nil
	}
	w.Kafka = f.kafka
	kind, _, err := broker.ParseKind(f.kafka)
	if err != nil {
		return w, usagef("--kafka: %w", err)
	}
	switch kind {
	case broker.Null:
		return w, nil
	case broker.Embedded:
		w.MaxFill = memoryFill()
		return w, nil
	}
	w.FreeDisk, err = freeDisk(f.data)
	return w, err
}

// carry runs what is missing of a stored run, and reports.
func (f *runFlags) carry(ctx context.Context, p *Process, folder *runs.Folder, writer *runs.Writer, done []result.Trial) error {
	defer writer.Close() //nolint:errcheck // every trial was on disk before
	fmt.Fprintf(p.Stderr, "run %s\n", writer.Dir())
	places := &places{connectFlags: f.connectFlags, p: p}
	err := carry(ctx, p, f.listen, "run", writer, done, experiment.Run{Open: places.open, Store: storeOf(p, f.output, writer)})
	err = interrupted(ctx, errors.Join(err, places.close()))
	return errors.Join(err, f.tell(p, folder, writer, err))
}

// tell prints what is known, and leaves the page beside the run.
func (f *runFlags) tell(p *Process, folder *runs.Folder, writer *runs.Writer, cause error) error {
	stored, err := folder.Read(writer.ID())
	if err != nil {
		return err
	}
	r := analysis.Report(stored, observe.Environment().Redline, 0)
	if cause != nil {
		r.Error, r.ErrorKind = asFields(cause)
	}
	if len(stored.Trials) > 0 {
		if err := writePage(writer, r); err != nil {
			return err
		}
	}
	if err := printExperiment(p, f.output, r); err != nil {
		return err
	}
	if cause != nil {
		if len(stored.Missing()) > 0 {
			fmt.Fprintf(p.Stderr, "what was measured is stored: \"redline run --resume %s\" does what is missing\n", writer.ID())
		}
		return nil
	}
	return gateFailure(r.Gates)
}

// carry carries out the plan of a stored run: role is the command's name for the
// monitor, run says where to measure.
func carry(ctx context.Context, p *Process, listen, role string, writer *runs.Writer, done []result.Trial, run experiment.Run) (err error) {
	state, err := broker.StateFolder()
	if err != nil {
		return err
	}
	undo, err := journal.Open(filepath.Join(state, "journal"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo.Close()) }()
	live := experiment.NewLive(role, writer.Plan())
	stopMetrics, err := serveMetrics(ctx, p, listen, live)
	if err != nil {
		return err
	}
	defer stopMetrics()
	display := p.display()
	defer display.Close()
	run.Plan, run.Done = writer.Plan(), done
	if run.Store == nil {
		run.Store = writer
	}
	run.Journal, run.Display, run.Live = undo, display, live
	return accountFailure(run.Carry(ctx))
}

// storeOf stores the trials of a run, and under -o jsonl prints each as well.
func storeOf(p *Process, output string, writer *runs.Writer) experiment.Store {
	if output != "jsonl" {
		return writer
	}
	return tellingStore{writer, newLineWriter(p.Stdout)}
}

// tellingStore prints each trial that it stores. That the reader has gone shows at the end.
type tellingStore struct {
	*runs.Writer
	lines lineWriter
}

func (s tellingStore) Append(t result.Trial) error {
	if err := s.Writer.Append(t); err != nil {
		return err
	}
	_ = s.lines.write(result.TrialDone{Schema: result.TrialDoneSchema, Run: s.ID(), Of: len(s.Plan().Trials), Trial: t})
	return nil
}

// percent reads "5%" or "0.05" as a share; empty is 0.
func percent(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, hundredths := strings.CutSuffix(strings.TrimSpace(text), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if hundredths {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, errors.New("type a share of 0 to 100 %, such as 5%")
	}
	return share, nil
}

// gateFailure is the error of thresholds that were not met or could not be told.
func gateFailure(gates []result.Gate) error {
	var failed, undecided []string
	for _, g := range gates {
		switch g.Result {
		case result.NotMet:
			failed = append(failed, fmt.Sprintf("%s: %s", g.Row, g.Text))
		case result.Undecided:
			undecided = append(undecided, fmt.Sprintf("%s: %s", g.Row, g.Text))
		}
	}
	switch {
	case len(failed) > 0:
		return &Failure{ExitGate, fmt.Errorf("not met: %s", strings.Join(failed, "; "))}
	case len(undecided) > 0:
		return &Failure{ExitUndecided, fmt.Errorf("the intervals are too wide to tell: %s. More rounds make them narrower", strings.Join(undecided, "; "))}
	}
	return nil
}
