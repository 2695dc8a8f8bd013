package result

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// A stored run is a folder of its own:
//
//	plan.json         the Plan, written before anything runs
//	environment.json  {"schema": "redline.sessions/v1", "sessions": [Session, …]},
//	                  replaced as a whole when a session begins
//	trials.jsonl      a line for each attempt of a trial, appended when it ends
//	lock              held (flock) while a process writes the run
//
// Further files, such as reports, are derived from these. ReadRun reads all of it.
const (
	PlanFile     = "plan.json"
	SessionsFile = "environment.json"
	TrialsFile   = "trials.jsonl"
)

// SessionsSchema names the form of environment.json, TrialSchema the version of a
// trial in trials.jsonl. Fields are only added within a version.
const (
	SessionsSchema = "redline.sessions/v1"
	TrialSchema    = 1
)

// What a reader takes: beyond it a file is damaged, not large.
const (
	// MaxFile is the size in bytes of plan.json and of environment.json, MaxLine
	// that of a line of trials.jsonl.
	MaxFile = 16 << 20
	MaxLine = 16 << 20
	// MaxArms, MaxRounds and MaxTrials bound a Plan, MaxSessions a run, MaxBins
	// Trial.Bins.
	MaxArms     = 10_000
	MaxRounds   = 1_000_000
	MaxTrials   = 1_000_000
	MaxSessions = 10_000
	MaxBins     = 1_000_000

	// maxDamaged is how many damages are listed.
	maxDamaged = 1000
)

// MaxAttempts is how often a trial is tried whose conditions were not those of
// the calibration: what is invalid then is left so.
const MaxAttempts = 3

// ErrNewer is wrapped by the error about a run that a newer version has written.
var ErrNewer = errors.New("written by a newer version of redline")

// Run is a stored run, as far as it can be read. Its values are checked: Arm,
// Against and Session are indexes that exist, counts and lengths are not negative.
type Run struct {
	Plan Plan
	// Sessions are the sittings, in their order. Where environment.json is damaged
	// they are empty ones, as many as the trials name.
	Sessions []Session
	// Trials are all attempts, in the order in which they ended; see Latest.
	Trials []Trial
	// Damaged is what cannot be used; the first thousand of it. Nothing of it is in
	// Trials.
	Damaged []Damage
	// Torn says that the last line of trials.jsonl has no end: a process died while
	// it wrote, or is writing now. Nothing that was finished is missing.
	Torn bool
}

// Damage is a place in a stored run that does not say what was once written.
type Damage struct {
	// File is its name in the folder, Line counts from 1; 0 is the file as a whole.
	File string
	Line int
	// Reason says in words what is wrong there.
	Reason string
}

// String is "trials.jsonl, line 3: what is wrong".
func (d Damage) String() string {
	if d.Line == 0 {
		return d.File + ": " + d.Reason
	}
	return fmt.Sprintf("%s, line %d: %s", d.File, d.Line, d.Reason)
}

// ReadRun reads the run whose folder fsys is rooted in, such as
// os.DirFS("runs/20260102-150405-seed"). It only reads, needs no lock, and can be
// called while the run is being written.
//
// A damaged line costs its trial alone: it is named in Run.Damaged, and the rest is
// read. An error means that there is nothing to use: plan.json is missing or does
// not hold (the error wraps fs.ErrNotExist when it is missing), a newer version has
// written the run (ErrNewer), or a file cannot be read.
func ReadRun(fsys fs.FS) (Run, error) {
	r := reading{}
	if err := r.plan(fsys); err != nil {
		return r.Run, err
	}
	if err := r.lines(fsys); err != nil {
		return r.Run, err
	}
	// After the lines: a session is stored before its first trial is, also when
	// somebody writes meanwhile.
	if err := r.sessions(fsys); err != nil {
		return r.Run, err
	}
	r.check()
	return r.Run, nil
}

// Latest is, by number, the attempt that counts, or else the last one.
func (r Run) Latest() map[int]Trial {
	latest := make(map[int]Trial, len(r.Trials))
	for _, t := range r.Trials {
		if known, there := latest[t.Number]; !there || !known.Counts() {
			latest[t.Number] = t
		}
	}
	return latest
}

// Missing are the numbers in Plan.Trials that have still to be run, in their order:
// those without an attempt that counts, failed (an error is a result), or was the
// last one allowed (Trial.Last, MaxAttempts).
func (r Run) Missing() []int {
	finished := make(map[int]bool, len(r.Trials))
	for _, t := range r.Trials {
		if t.Counts() || t.Error != "" || t.Last || t.Attempt >= MaxAttempts {
			finished[t.Number] = true
		}
	}
	var missing []int
	for number := range r.Plan.Trials {
		if !finished[number] {
			missing = append(missing, number)
		}
	}
	return missing
}

// EncodeSessions is what environment.json holds.
func EncodeSessions(sessions []Session) ([]byte, error) {
	data, err := json.MarshalIndent(storedSessions{SessionsSchema, sessions}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the environment as JSON: %w", err)
	}
	return data, nil
}

type storedSessions struct {
	Schema   string    `json:"schema"`
	Sessions []Session `json:"sessions"`
}

// reading is a run that is being read.
type reading struct {
	Run
	// found are the trials of sound lines, not checked yet.
	found []foundTrial
}

type foundTrial struct {
	line int
	Trial
}

// damage lists what is wrong, up to a limit: a file of garbage has many lines.
func (r *reading) damage(file string, line int, reason string) {
	switch {
	case len(r.Damaged) < maxDamaged-1:
		r.Damaged = append(r.Damaged, Damage{file, line, reason})
	case len(r.Damaged) == maxDamaged-1:
		r.Damaged = append(r.Damaged, Damage{file, line, reason + " (and whatever comes after it is not listed)"})
	}
}

// plan reads plan.json.
func (r *reading) plan(fsys fs.FS) error {
	data, err := readFile(fsys, PlanFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: this is no stored run, or one that ended before it began: %w", PlanFile, err)
	}
	if err != nil {
		return err
	}
	// Empty elements take no memory, so that counting comes before holding.
	var size struct {
		Schema string     `json:"schema"`
		Arms   []struct{} `json:"arms"`
	}
	err = json.Unmarshal(data, &size)
	if newer := checkSchema(size.Schema, PlanSchema); errors.Is(newer, ErrNewer) {
		return fmt.Errorf("read %s: %w", PlanFile, newer)
	}
	if err == nil && len(size.Arms) > MaxArms {
		err = fmt.Errorf("there are %d arms, where %d can be", len(size.Arms), MaxArms)
	}
	if err == nil {
		err = json.Unmarshal(data, &r.Plan)
	}
	if err == nil {
		err = r.Plan.Check()
	}
	if err != nil {
		r.Plan = Plan{}
		return fmt.Errorf("%s is damaged: %w; without it the trials cannot be read", PlanFile, err)
	}
	return nil
}

// sessions reads environment.json. Trials are worth more than where they were
// measured: when it is damaged they get empty sessions.
func (r *reading) sessions(fsys fs.FS) error {
	data, err := readFile(fsys, SessionsFile)
	if errors.Is(err, fs.ErrNotExist) && len(r.found) == 0 {
		return nil // no session has begun
	}
	if err == nil {
		r.Sessions, err = decodeSessions(data)
	}
	if errors.Is(err, ErrNewer) {
		return fmt.Errorf("read %s: %w", SessionsFile, err)
	}
	if err == nil {
		return nil
	}
	r.damage(SessionsFile, 0, err.Error())
	named := 0
	for _, t := range r.found {
		if t.Session < MaxSessions {
			named = max(named, t.Session+1)
		}
	}
	r.Sessions = make([]Session, named)
	for i := range r.Sessions {
		r.Sessions[i].Calibration = Calibration{Steal: -1, Foreign: -1, Idle: -1}
	}
	return nil
}

func decodeSessions(data []byte) ([]Session, error) {
	var size struct {
		Schema   string     `json:"schema"`
		Sessions []struct{} `json:"sessions"`
	}
	err := json.Unmarshal(data, &size)
	if schema := checkSchema(size.Schema, SessionsSchema); err == nil || errors.Is(schema, ErrNewer) {
		err = schema
	}
	if err == nil && len(size.Sessions) > MaxSessions {
		err = fmt.Errorf("there are %d sessions, where %d can be", len(size.Sessions), MaxSessions)
	}
	if err != nil {
		return nil, err
	}
	var stored storedSessions
	err = json.Unmarshal(data, &stored)
	return stored.Sessions, err
}

// lines reads trials.jsonl: a trial or a damage of each line.
func (r *reading) lines(fsys fs.FS) error {
	file, err := openFile(fsys, TrialsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no trial has ended
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReaderSize(file, 64<<10)
	var line []byte
	for number := 1; ; number++ {
		var long bool
		line, long, err = readLine(in, line[:0])
		switch {
		case errors.Is(err, io.EOF):
			r.Torn = long || len(line) > 0
			return nil
		case err != nil:
			return fmt.Errorf("read %s, line %d: %w", TrialsFile, number, err)
		case long:
			r.damage(TrialsFile, number, fmt.Sprintf("it is longer than %d bytes", MaxLine))
		default:
			err = r.line(number, line)
		}
		if err != nil {
			return fmt.Errorf("read %s, line %d: %w", TrialsFile, number, err)
		}
	}
}

// line takes a line apart. Its error is ErrNewer.
func (r *reading) line(number int, line []byte) error {
	t, err := DecodeTrial(line)
	if err != nil && !errors.Is(err, ErrNewer) {
		r.damage(TrialsFile, number, err.Error())
		// If the damaged byte was the end of a line, then another one follows, which
		// need not be lost with it.
		if next := bytes.LastIndex(line, []byte(lineBegin)); next > 0 {
			t, err = DecodeTrial(line[next:])
		}
	}
	switch {
	case errors.Is(err, ErrNewer):
		return err
	case err == nil:
		r.found = append(r.found, foundTrial{number, t})
	}
	return nil
}

// readLine appends a line with its end to buf. One longer than MaxLine is passed
// over without being held. At the end of the file it returns what comes after the
// last line's end, with io.EOF.
func readLine(in *bufio.Reader, buf []byte) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		long = long || len(buf)+len(part) > MaxLine
		if !long {
			buf = append(buf, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, long, err
		}
	}
}

// check keeps the trials that fit the run, each attempt once.
func (r *reading) check() {
	type attempt struct{ number, attempt int }
	seen := make(map[attempt]int, len(r.found))
	for _, t := range r.found {
		key := attempt{t.Number, t.Attempt}
		if err := r.Check(t.Trial); err != nil {
			r.damage(TrialsFile, t.line, err.Error())
		} else if first, twice := seen[key]; twice {
			r.damage(TrialsFile, t.line, fmt.Sprintf("attempt %d of number %d stands in line %d already", t.Attempt, t.Number, first))
		} else {
			seen[key] = t.line
			r.Trials = append(r.Trials, t.Trial)
		}
	}
	slices.SortStableFunc(r.Damaged, func(a, b Damage) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// openFile opens a regular file: to read a pipe or a device could take for ever.
func openFile(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is not a regular file", name)
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return file, nil
}

// readFile reads a file of at most MaxFile bytes.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	file, err := openFile(fsys, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("read %s: it has more than %d bytes", name, MaxFile)
	}
	return data, nil
}
