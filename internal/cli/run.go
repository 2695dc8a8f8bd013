package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/broker"
	"redline/internal/client"
	"redline/internal/client/libraries"
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
	if f.question != "" || len(f.set) > 0 || f.time != 0 || f.rounds != 0 || f.seedFlag.given() {
		return usagef("--resume %s goes on with the plan of that run: leave the question, --set, --time, --rounds and --seed out", f.resume)
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
	if err := q.Set(f.set...); err != nil {
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
	return made, nil
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
	q, err := plan.Parse(name, data, checkArm)
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

// checkArm says whether the client of an arm can do what is asked of it.
func checkArm(arm result.Arm) error {
	library, err := libraries.Open(arm.Client)
	if err != nil {
		return err
	}
	if _, err := experiment.Handler(arm.Setting.Handler); err != nil {
		return err
	}
	options := client.Options{Profile: client.Profile(arm.Profile), Properties: experiment.Properties(arm)}
	if arm.Workload == result.Produce {
		return library.CheckProducer(options)
	}
	return library.CheckConsumer(options)
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
	if kind == broker.Embedded {
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

// places opens the Kafka for an arm, one at a time.
type places struct {
	connectFlags
	p   *Process
	now *session
}

func (s *places) open(ctx context.Context, arm result.Arm) (*experiment.Place, error) {
	if err := s.close(); err != nil {
		return nil, err
	}
	f := s.connectFlags
	if arm.Setting.Nodes > 0 && strings.HasPrefix(f.kafka, string(broker.Local)) {
		f.kafka = fmt.Sprintf("%s:%d", broker.Local, arm.Setting.Nodes)
	}
	f.brokerProperties = arm.Setting.Broker
	opened, err := f.open(ctx, s.p)
	if err != nil {
		return nil, err
	}
	s.now = opened
	if err := errors.Join(opened.guard(ctx), noClient(opened.Connection, "give it to every setting with --set")); err != nil {
		return nil, err
	}
	return opened.place(), nil
}

func (s *places) close() error {
	if s.now == nil {
		return nil
	}
	defer func() { s.now = nil }()
	return s.now.Close()
}

// place is a session as trials see it.
func (s *session) place() *experiment.Place {
	place := &experiment.Place{
		Cluster: s.Cluster, Brokers: s.Connection.Brokers, Security: s.Connection.Security, PIDs: s.pids(), Environment: s.environment(),
		// Brokers elsewhere use nothing of this machine.
		Known: s.Ours != nil || !s.Cluster.IsLoopback(),
	}
	if s.Broker != nil {
		place.Started, place.Died, place.Err = time.Now(), s.Broker.Done(), s.Broker.Err
	}
	return place
}

// external gives the addresses of the cluster that was named for this command; empty if
// none was. The current context is not enough: a question says itself where it is asked.
func (f *connectFlags) external(p *Process) (string, error) {
	if f.kafka != "" {
		return "", nil
	}
	named, err := f.named(p)
	if err != nil || !named {
		return "", err
	}
	c, err := f.resolve(p)
	if err != nil || c.Context != "" && f.context == "" {
		return "", err
	}
	return strings.Join(c.Brokers, ","), nil
}

// takeUp points at the Kafka of a plan unless another was named.
func (f *connectFlags) takeUp(p *Process, kafka string) error {
	brokers, err := f.external(p)
	if err == nil && brokers == "" && f.kafka == "" {
		f.resolved = nil
		f.asPlanned(kafka)
	}
	return err
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

// memoryFill and externalFill bound what is written for reading: an embedded broker
// keeps it in memory, another one on a disk that we may not be able to see.
func memoryFill() int64 {
	if free := observe.FreeMemory(); free > 0 {
		return min(mostFill/3, free/6)
	}
	return mostFill / 4
}

const mostFill = 1200 << 20

func externalFill(brokers string) int64 {
	states, err := broker.Status()
	if err != nil {
		return mostFill
	}
	addresses, err := connection.ParseBrokers(brokers)
	if err != nil {
		return mostFill
	}
	for _, state := range states {
		for _, address := range state.Brokers {
			if len(addresses) > 0 && address == addresses[0] && state.Storage == "memory" {
				return memoryFill()
			}
		}
	}
	return mostFill
}

// freeDisk is what is free where a local Kafka keeps its data; 0 when not known.
func freeDisk(data string) (int64, error) {
	if data == "" {
		state, err := broker.StateFolder()
		if err != nil {
			return 0, err
		}
		data = state
	}
	return observe.FreeDisk(data), nil
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
