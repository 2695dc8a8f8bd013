package runs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/result"
)

const seedID = "20260102-150405-seed"

func opened(t *testing.T, dir string) *Folder {
	t.Helper()
	folder, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func created(t *testing.T, folder *Folder, p result.Plan) *Writer {
	t.Helper()
	w, err := folder.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// written is a run of four trials, of which so many are stored, and its folder.
func written(t *testing.T, stored int) (folder *Folder, dir string) {
	t.Helper()
	folder = opened(t, t.TempDir())
	w := created(t, folder, plan(4))
	session, err := w.Session(result.Session{Environment: result.Environment{CPU: "some"}})
	if err != nil {
		t.Fatal(err)
	}
	for number := range stored {
		if err := w.Append(trial(number, session)); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, w)
	return folder, w.Dir()
}

func closed(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func listed(t *testing.T, folder *Folder) []Summary {
	t.Helper()
	summaries, err := folder.List()
	if err != nil {
		t.Fatal(err)
	}
	return summaries
}

func contents(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, data string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func exists(path ...string) bool {
	_, err := os.Lstat(filepath.Join(path...))
	return err == nil
}

// says fails when the error does not hold all of these texts.
func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q in it", err, text)
		}
	}
}

func TestARunIsReadAsItWasWritten(t *testing.T) {
	folder := opened(t, filepath.Join(t.TempDir(), "new", "runs"))
	w := created(t, folder, plan(4))
	want := result.Run{Plan: plan(4)}
	want.Plan.Run = seedID
	if w.ID() != seedID || filepath.Base(w.Dir()) != seedID || !cmp.Equal(want.Plan, w.Plan()) {
		t.Errorf("id %s in %s, plan %v", w.ID(), w.Dir(), w.Plan())
	}
	for n := range 3 {
		if n != 1 {
			session := result.Session{Began: time.Unix(int64(n), 0).UTC()}
			want.Sessions = append(want.Sessions, session)
			if index, err := w.Session(session); err != nil || index != len(want.Sessions)-1 {
				t.Fatalf("session %d, %v", index, err)
			}
		}
		trial := trial(n, len(want.Sessions)-1)
		want.Trials = append(want.Trials, trial)
		if err := w.Append(trial); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := w.WriteFile("report.html", []byte("<p>")); err != nil {
			t.Fatal(err)
		}
	}
	read := func() {
		t.Helper()
		run, err := folder.Read(w.ID())
		if err != nil || !cmp.Equal(want, run) {
			t.Errorf("%v\n%s", err, cmp.Diff(want, run))
		}
	}
	read()
	closed(t, w)
	read()
	entries, err := os.ReadDir(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"environment.json", "lock", "plan.json", "report.html", "trials.jsonl"}; !slices.Equal(names, want) {
		t.Errorf("the folder holds %v, want %v", names, want)
	}
}

func TestNamesAreSafe(t *testing.T) {
	for name, want := range map[string]string{
		"seed":                    "seed",
		"My Question.yaml":        "my-question-yaml",
		"../../etc/passwd":        "etc-passwd",
		"":                        "run",
		"日本\x1b[0m":               "0m",
		strings.Repeat("ab-", 20): strings.Repeat("ab-", 13) + "a",
	} {
		if got := safe(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestTwoRunsNeverShareAFolder(t *testing.T) {
	for range 15 {
		createAtOnce(t, t.TempDir())
	}
}

// createAtOnce begins several runs of one name and second, while others clean.
func createAtOnce(t *testing.T, dir string) {
	t.Helper()
	ids := make([]string, 8)
	stop := make(chan struct{})
	var cleaner, creators sync.WaitGroup
	cleaner.Go(func() { // may take a name away, but never a run
		folder := opened(t, dir)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := folder.Clean(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for i := range ids {
		creators.Go(func() {
			w, err := opened(t, dir).Create(plan(4))
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = w.ID()
			closed(t, w)
		})
	}
	creators.Wait()
	close(stop)
	cleaner.Wait()
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d runs share %d ids: %v", len(ids), n, ids)
	}
	folder := opened(t, dir)
	for _, id := range ids {
		if run, err := folder.Read(id); err != nil || run.Plan.Run != id {
			t.Errorf("run %s is of %s: %v", id, run.Plan.Run, err)
		}
	}
}

func TestTwinsAreNumbered(t *testing.T) {
	folder := opened(t, t.TempDir())
	for _, want := range []string{seedID, seedID + "-2", seedID + "-3"} {
		w := created(t, folder, plan(2))
		if closed(t, w); w.ID() != want {
			t.Errorf("id %s, want %s", w.ID(), want)
		}
	}
}

func TestAPlanThatCannotBeIsNotStored(t *testing.T) {
	folder := opened(t, t.TempDir())
	p := plan(2)
	p.Trials[1].Arm = 7
	_, err := folder.Create(p)
	says(t, err, "trial 1 is of arm 7")
	if s := listed(t, folder); len(s) > 0 {
		t.Errorf("stored: %v", s)
	}
}

func TestOneProcessWritesARun(t *testing.T) {
	folder := opened(t, t.TempDir())
	w := created(t, folder, plan(4))
	if s := listed(t, folder); len(s) != 1 || s[0].State != Running {
		t.Errorf("listed %v", s)
	}
	_, _, err := opened(t, folder.path).Resume(w.ID())
	says(t, err, "run "+seedID+" is being written by process "+fmt.Sprint(os.Getpid()), "wait for it, or stop it")
	says(t, folder.Remove(w.ID()), "is being written by")
	closed(t, w)
	if s := listed(t, folder); len(s) != 1 || s[0].State != Unfinished {
		t.Errorf("listed %v", s)
	}
	again, _, err := folder.Resume(w.ID())
	if err != nil {
		t.Fatal(err)
	}
	closed(t, again)
}

// Readers look at the lock all the time; no writer may be refused for that.
func TestReadersDoNotKeepWritersOut(t *testing.T) {
	folder, _ := written(t, 1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				folder.held(seedID)
			}
		}
	})
	for range 50 {
		w, _, err := folder.Resume(seedID)
		if err != nil {
			t.Fatal(err)
		}
		closed(t, w)
	}
	close(stop)
	readers.Wait()
}

func TestAHalfLineIsCutAwayWhereverItEnds(t *testing.T) {
	folder, dir := written(t, 3)
	path := filepath.Join(dir, result.TrialsFile)
	whole := contents(t, path)
	before := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, n := range []int{before, before + 1, (before + len(whole)) / 2, len(whole) - 1} {
		put(t, string(whole[:n]), path)
		if run, err := folder.Read(seedID); err != nil || run.Torn != (n > before) {
			t.Fatalf("%d bytes: torn %v, %v", n, run.Torn, err)
		}
		w, run, err := folder.Resume(seedID)
		if err != nil || run.Torn || !slices.Equal(run.Missing(), []int{2, 3}) {
			t.Fatalf("%d bytes: %v, torn %v, missing %v", n, err, run.Torn, run.Missing())
		}
		if got := contents(t, path); !bytes.Equal(got, whole[:before]) {
			t.Fatalf("%d bytes: the file is now\n%s", n, got)
		}
		if err := w.Append(trial(2, 0)); err != nil {
			t.Fatal(err)
		}
		closed(t, w)
		if got := contents(t, path); !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes: the file is now\n%s", n, got)
		}
	}
}

func TestTheEndOfTheLastWholeLineIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	long := strings.Repeat("x", 64<<10)
	for data, want := range map[string]int64{
		"": 0, "x": 0, "\n": 1, "x\n": 2, "x\ny": 2, "\n\n": 2,
		long: 0, long + "\n": 64<<10 + 1, "\n" + long: 1, "a\n" + long + long: 2, "a\n" + long[1:]: 2,
	} {
		put(t, data, path)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lastEnd(file); err != nil || got != want {
			t.Errorf("%d bytes: %d, %v, want %d", len(data), got, err, want)
		}
		file.Close()
	}
}

func TestADamagedTrialIsDoneAgain(t *testing.T) {
	folder, dir := written(t, 4)
	path := filepath.Join(dir, result.TrialsFile)
	data := contents(t, path)
	data[40] ^= 1
	put(t, string(data), path)
	if s := listed(t, folder)[0]; s.State != Damaged || s.Planned != 4 || s.Finished != 3 || !strings.HasPrefix(s.Problem, "trials.jsonl, line 1: ") {
		t.Errorf("listed %+v", s)
	}
	finish(t, folder, seedID)
	requireTrials(t, folder, 1, 2, 3, 0)
	if s := listed(t, folder)[0]; s.State != Finished || s.Finished != 4 || s.Problem == "" {
		t.Errorf("listed %+v", s)
	}
}

func requireTrials(t *testing.T, folder *Folder, want ...int) result.Run {
	t.Helper()
	run, err := folder.Read(seedID)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, trial := range run.Trials {
		numbers = append(numbers, trial.Number)
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("trials %v are stored, want %v", numbers, want)
	}
	return run
}

func TestADamagedEnvironmentIsKeptAside(t *testing.T) {
	folder, dir := written(t, 2)
	put(t, "{", dir, result.SessionsFile)
	for range 2 {
		w, run, err := folder.Resume(seedID)
		if err != nil || len(run.Trials) != 2 {
			t.Fatalf("%d trials, %v", len(run.Trials), err)
		}
		closed(t, w) // and nothing was stored
	}
	finish(t, folder, seedID)
	run := requireTrials(t, folder, 0, 1, 2, 3)
	if len(run.Sessions) != 2 || run.Trials[2].Session != 1 || len(run.Damaged) > 0 {
		t.Errorf("%d sessions, damaged %v", len(run.Sessions), run.Damaged)
	}
	if got := contents(t, dir, result.SessionsFile+".damaged"); string(got) != "{" {
		t.Errorf("kept aside: %q", got)
	}
}

func TestARunOfANewerVersionIsLeftAlone(t *testing.T) {
	folder, dir := written(t, 2)
	put(t, `{"schema":"redline.plan/v2"}`, dir, result.PlanFile)
	if _, err := folder.Read(seedID); !errors.Is(err, result.ErrNewer) {
		t.Error(err)
	}
	_, _, err := folder.Resume(seedID)
	if says(t, err, dir, "use a newer redline"); !errors.Is(err, result.ErrNewer) {
		t.Error(err)
	}
	if folder.held(seedID) {
		t.Error("the lock was not given back")
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	folder, dir := written(t, 2)
	w, _, err := folder.Resume(seedID)
	if err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir, result.TrialsFile)
	odd := trial(2, 0)
	odd.Arm = 9
	for want, trial := range map[string]result.Trial{
		"attempt 1 of it is stored already": trial(1, 0),
		"session 1 is not one of the 1":     trial(2, 1),
		"arm 9 is not one":                  odd,
	} {
		says(t, w.Append(trial), want, "the 2 trials before it are kept", "redline run --resume "+seedID)
	}
	if after := contents(t, dir, result.TrialsFile); !bytes.Equal(before, after) {
		t.Errorf("the file is now\n%s", after)
	}
	again := trial(1, 0)
	again.Attempt = 2
	if err := w.Append(again); err != nil {
		t.Error(err)
	}
	closed(t, w)
}

func TestAFailedWriteLeavesNoHalfLine(t *testing.T) {
	folder, dir := written(t, 1)
	w, _, err := folder.Resume(seedID)
	if err != nil {
		t.Fatal(err)
	}
	writable := w.trials
	if w.trials, err = os.Open(filepath.Join(dir, result.TrialsFile)); err != nil {
		t.Fatal(err)
	}
	says(t, w.Append(trial(1, 0)), "cannot store trial 2 in "+dir, "the trial before it is kept")
	w.trials.Close()
	// A write that failed half way, and could not be taken back.
	if _, err := writable.WriteString(`{"crc32c":"`); err != nil {
		t.Fatal(err)
	}
	w.trials = writable
	if err := w.Append(trial(1, 0)); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	if run := requireTrials(t, folder, 0, 1); len(run.Damaged) > 0 {
		t.Errorf("damaged %v", run.Damaged)
	}
}

// A limit on the size of files stands for a full disk: it too lets a write through
// half way.
func TestAFullDiskKeepsWhatIsStored(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t, fullVariable, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	run := filepath.Join(dir, seedID)
	advice := `raise the limit on the size of files (ulimit -f) `
	want := []string{
		"cannot store trial 3 in " + run + ": file too large; the 2 trials before it are kept; " + advice + `and go on with "redline run --resume ` + seedID + `"`,
		"2 trials, torn false",
		"cannot store the environment in " + run + ": file too large; the 2 trials before it are kept; " + advice + `and go on with "redline run --resume ` + seedID + `"`,
		"cannot store report.html in " + run + ": file too large; the trials are kept",
		"cannot begin a run in " + dir + ": file too large; " + advice + "or name another folder with --runs",
		"<nil>",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	folder := opened(t, dir)
	if run := requireTrials(t, folder, 0, 1, 2); len(run.Damaged) > 0 || run.Torn || len(run.Sessions) != 1 {
		t.Errorf("damaged %v, torn %v, %d sessions", run.Damaged, run.Torn, len(run.Sessions))
	}
	if left, err := folder.Leftovers(); err != nil || len(left) > 0 || len(listed(t, folder)) != 1 || exists(run, "report.html") {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatHelpsAgainstAnError(t *testing.T) {
	for errno, want := range map[error]string{
		syscall.ENOSPC: "make room and go on",
		syscall.EDQUOT: "make room and go on",
		syscall.EROFS:  "make it writable and go on",
		syscall.EACCES: "make it writable and go on",
		syscall.EIO:    "go on",
	} {
		if got := advise(&fs.PathError{Err: errno}, "and", "go on"); got != want {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
}

func TestAFolderThatCannotBeIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, "", file)
	for _, dir := range []string{file, filepath.Join(file, "runs")} {
		_, err := Open(dir)
		says(t, err, dir, "not a directory", "--runs")
	}
	_, err := Existing(filepath.Join(t.TempDir(), "none"))
	if says(t, err, "there are no runs in"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// The folder goes away under us.
	folder := opened(t, filepath.Join(t.TempDir(), "runs"))
	if err := os.Remove(folder.path); err != nil {
		t.Fatal(err)
	}
	_, err = folder.Create(plan(2))
	says(t, err, "cannot begin a run in "+folder.path, "no such file or directory")
}

func TestNoPathLeadsOutOfTheFolder(t *testing.T) {
	outside, dir := written(t, 1)
	folder := opened(t, filepath.Join(outside.path, "inner"))
	for link, target := range map[string]string{"link": dir, seedID: filepath.Join("..", seedID)} {
		if err := os.Symlink(target, filepath.Join(folder.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"../" + seedID, "..", ".", "", "/", dir, "link", seedID, "a/../" + seedID, `..\x`, "x\x00"} {
		_, err := folder.Read(id)
		says(t, err, fmt.Sprintf("there is no run %q in %s", id, folder.path))
		_, _, err = folder.Resume(id)
		says(t, err, "there is no run")
		says(t, folder.Remove(id), "there is no run")
	}
	if _, err := folder.Clean(); err != nil || len(listed(t, folder)) > 0 || len(listed(t, outside)) != 1 {
		t.Errorf("%v, listed %v", err, listed(t, folder))
	}
}

func TestLinksInsideOfARunDoNotLeadOut(t *testing.T) {
	folder, dir := written(t, 1)
	precious := filepath.Join(t.TempDir(), "precious")
	put(t, "precious", precious)
	link := func(name string) {
		t.Helper()
		_ = os.Remove(filepath.Join(dir, name))
		if err := os.Symlink(precious, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("report.html.tmp")
	link("environment.json.tmp")
	link("report.html")
	w, _, err := folder.Resume(seedID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile("report.html", []byte("page")); err != nil {
		t.Error(err)
	}
	if _, err := w.Session(result.Session{}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"../x", "a/b", "", ".", "..", ".x", "x.tmp", "/x", "plan.json", "environment.json", "trials.jsonl", "lock"} {
		says(t, w.WriteFile(name, nil), fmt.Sprintf("cannot store %q in %s", name, dir))
	}
	closed(t, w)
	link(result.TrialsFile)
	if _, err := folder.Read(seedID); err == nil {
		t.Error("a link out of the folder was read")
	}
	if _, _, err := folder.Resume(seedID); err == nil {
		t.Error("a link out of the folder was written")
	}
	if got := contents(t, precious); string(got) != "precious" {
		t.Errorf("the file outside holds %q", got)
	}
}

func TestTheFolderItselfMayBeALink(t *testing.T) {
	target, _ := written(t, 1)
	link := filepath.Join(t.TempDir(), "runs")
	if err := os.Symlink(target.path, link); err != nil {
		t.Fatal(err)
	}
	requireTrials(t, opened(t, link), 0)
}

func TestFindTakesIDsAndPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string][2]string{
		"":            {"runs", ""},
		"ID":          {"runs", "ID"},
		"./ID":        {".", "ID"},
		"other/ID":    {"other", "ID"},
		"other/ID/":   {"other", "ID"},
		"/x/y/ID":     {"/x/y", "ID"},
		"../x/../ID":  {"..", "ID"},
		".":           {filepath.Dir(here), filepath.Base(here)},
		"./":          {filepath.Dir(here), filepath.Base(here)},
		"../":         {filepath.Dir(filepath.Dir(here)), filepath.Base(filepath.Dir(here))},
		"/":           {"/", "/"},
		"runs/../../": {filepath.Dir(filepath.Dir(here)), filepath.Base(filepath.Dir(here))},
	} {
		if dir, id := Find("runs", typed); dir != want[0] || id != want[1] {
			t.Errorf("%q is %q in %q, want %q in %q", typed, id, dir, want[1], want[0])
		}
	}
}

func TestTheErrorForAnUnknownRunNamesTheOneThatWasMeant(t *testing.T) {
	folder := opened(t, t.TempDir())
	_, err := folder.Read("seed")
	says(t, err, `there is no run "seed" in `+folder.path, "holds none")
	for day, name := range []string{"seed", "seed", "acks"} {
		p := plan(2)
		p.Name, p.Created = name, p.Created.AddDate(0, 0, day)
		closed(t, created(t, folder, p))
	}
	for id, want := range map[string]string{
		"seed":                 `the latest of that name is "20260103-150405-seed"`,
		"20260102-150405-sead": `the nearest is "20260102-150405-seed"`,
		"nothing like it":      `the latest is "20260104-150405-acks"`,
		"":                     `the latest is "20260104-150405-acks"`,
	} {
		_, err := folder.Read(id)
		says(t, err, want)
	}
}

func TestOneBadRunDoesNotHideTheOthers(t *testing.T) {
	folder, _ := written(t, 4)
	p := plan(2)
	p.Name, p.Kind, p.Created = "later", result.Limits, p.Created.Add(time.Hour)
	closed(t, created(t, folder, p))
	put(t, "{", folder.path, "20260102-153000-broken", result.PlanFile)
	put(t, "", folder.path, "20260102-140000-begun", lockFile)
	put(t, "", folder.path, "notes", "text")
	put(t, "", folder.path, "20260102-140000-file")
	put(t, string(contents(t, folder.path, seedID, result.PlanFile)), folder.path, "copy", result.PlanFile)
	type line struct {
		id, name, kind, state string
		planned, finished     int
	}
	var got []line
	for _, s := range listed(t, folder) {
		got = append(got, line{s.ID, s.Name, s.Kind, s.State, s.Planned, s.Finished})
		if bad := s.Problem != ""; bad != (s.State == Damaged) || bad != (s.Question == "") || bad != (s.Fingerprint == "") || s.Created.Year() != 2026 {
			t.Errorf("listed %+v", s)
		}
	}
	want := []line{
		{"20260102-160405-later", "later", "limit", Unfinished, 2, 0},
		{"20260102-153000-broken", "", "", Damaged, 0, 0},
		{"copy", "seed", "rounds", Unfinished, 4, 0},
		{seedID, "seed", "rounds", Finished, 4, 4},
		{"20260102-140000-begun", "", "", Damaged, 0, 0},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(line{})); diff != "" {
		t.Error(diff)
	}
}

func TestARemovedRunIsGone(t *testing.T) {
	folder, dir := written(t, 1)
	if err := folder.Remove(seedID); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(folder.path); err != nil || len(entries) > 0 || exists(dir) {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// Whoever waits for the lock of a run that is removed meanwhile must not write into
// what is gone.
func TestARunThatWasRemovedIsNotTakenUp(t *testing.T) {
	folder, _ := written(t, 1)
	lock, err := folder.take(seedID)
	if err != nil {
		t.Fatal(err)
	}
	resumed := make(chan error)
	go func() {
		_, _, err := folder.Resume(seedID)
		resumed <- err
	}()
	time.Sleep(3 * lockPause / 2) // it waits by now, or comes too late: both must fail
	if err := folder.remove(seedID); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	if err := <-resumed; err == nil {
		t.Error("a removed run was taken up")
	}
	if exists(folder.path, seedID) {
		t.Error("the folder is there again")
	}
}

// Folders of one name are made, locked and removed by several at a time: a lock is
// never that of a folder that is gone.
func TestALockIsOfWhatItsNameSays(t *testing.T) {
	folder := opened(t, t.TempDir())
	var wg sync.WaitGroup
	var taken atomic.Int32
	for range 4 {
		wg.Go(func() {
			for range 100 {
				_ = folder.root.Mkdir(seedID, 0o755) // or another one has
				lock, err := folder.take(seedID)
				if err != nil {
					continue
				}
				taken.Add(1)
				if !folder.stillAt(lock, filepath.Join(seedID, lockFile)) {
					t.Error("what was locked is gone")
				} else if err := folder.remove(seedID); err != nil {
					t.Error(err)
				}
				lock.Close()
			}
		})
	}
	wg.Wait()
	if taken.Load() < 10 {
		t.Errorf("the lock was taken %d times: nothing was tested", taken.Load())
	}
}

func TestCleanRemovesWhatIsOfNoUseAndOurs(t *testing.T) {
	folder, dir := written(t, 1)
	held := created(t, folder, plan(2)) // and its plan is not there yet
	if err := os.Remove(filepath.Join(held.Dir(), result.PlanFile)); err != nil {
		t.Fatal(err)
	}
	put(t, "half", dir, "environment.json.tmp") // killed in the middle of a session
	put(t, "page", dir, "report.html")
	put(t, "half", held.Dir(), "plan.json.tmp")
	if err := os.Mkdir(filepath.Join(folder.path, "20260102-150405-mkdir"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, "4242\n", folder.path, "20260102-150405-locked", lockFile)
	put(t, "", folder.path, "20260102-150405-opened", result.TrialsFile)
	put(t, "half", folder.path, "20260102-150405-halfplan", "plan.json.tmp")
	put(t, "", folder.path, ".removed-20260102-150405-x", result.PlanFile)
	// Not ours, or of use.
	put(t, "x", folder.path, "20260102-150405-trials", result.TrialsFile)
	put(t, "x", folder.path, "20260102-150405-others", "thesis.txt")
	put(t, "x", folder.path, "20260102-150405-nested", "plan.json.tmp", "x")
	put(t, "x", folder.path, "notes", "x.tmp")
	put(t, "x", folder.path, "x.tmp")
	if err := os.Mkdir(filepath.Join(folder.path, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{
		".removed-20260102-150405-x", "20260102-150405-halfplan", "20260102-150405-locked", "20260102-150405-mkdir",
		"20260102-150405-opened", filepath.Join(seedID, "environment.json.tmp"),
	} {
		want = append(want, filepath.Join(folder.path, name))
	}
	for range 2 {
		if left, err := folder.Leftovers(); err != nil || !slices.Equal(left, want) {
			t.Errorf("leftovers %v, %v\nwant %v", left, err, want)
		}
	}
	if removed, err := folder.Clean(); err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %v, %v\nwant %v", removed, err, want)
	}
	for _, path := range want {
		if exists(path) {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range []string{
		filepath.Join(seedID, "report.html"), filepath.Join(seedID+"-2", "plan.json.tmp"), filepath.Join("20260102-150405-trials", result.TrialsFile),
		filepath.Join("20260102-150405-others", "thesis.txt"), filepath.Join("20260102-150405-nested", "plan.json.tmp", "x"),
		filepath.Join("notes", "x.tmp"), "x.tmp", "empty",
	} {
		if !exists(folder.path, path) {
			t.Errorf("%s is gone", path)
		}
	}
	if again, err := folder.Clean(); err != nil || len(again) > 0 {
		t.Errorf("removed once more: %v, %v", again, err)
	}
	requireTrials(t, folder, 0)
	closed(t, held)
}

func TestTheFingerprintIsOfWhatIsAsked(t *testing.T) {
	base := Fingerprint(plan(4))
	if len(base) != 12 {
		t.Errorf("fingerprint %q", base)
	}
	for name, change := range map[string]func(*result.Plan){
		"id":        func(p *result.Plan) { p.Run = "x" },
		"created":   func(p *result.Plan) { p.Created = time.Now() },
		"seed":      func(p *result.Plan) { p.Seed++ },
		"rounds":    func(p *result.Plan) { p.Rounds, p.Trials = 9, nil },
		"estimates": func(p *result.Plan) { p.Seconds, p.Disk = 9, 9 },
		"published": func(p *result.Plan) { p.Arms[0].Published = &result.Published{RecordsPerSecond: 1} },
	} {
		p := plan(4)
		if change(&p); Fingerprint(p) != base {
			t.Errorf("another %s changes it", name)
		}
	}
	for name, change := range map[string]func(*result.Plan){
		"kind":    func(p *result.Plan) { p.Kind = result.Nulls },
		"setting": func(p *result.Plan) { p.Arms[1].Setting.Instances++ },
		"client":  func(p *result.Plan) { p.Arms[1].Client = "confluent" },
		"window":  func(p *result.Plan) { p.Timing.Window++ },
		"kafka":   func(p *result.Plan) { p.Kafka = "local" },
		"fill":    func(p *result.Plan) { p.FillBytes++ },
	} {
		p := plan(4)
		if change(&p); Fingerprint(p) == base {
			t.Errorf("another %s does not change it", name)
		}
	}
	published := plan(4)
	published.Arms[0].Published = &result.Published{}
	if Fingerprint(published); published.Arms[0].Published == nil {
		t.Error("the plan was changed")
	}
}
