package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ownerVariable makes the test binary an owner that begins and ends changes in the
// folder it names, and says so, until it is killed.
const ownerVariable = "REDLINE_TEST_JOURNAL"

func TestMain(m *testing.M) {
	// Under the race detector a process sleeps for a second before it ends.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	if dir := os.Getenv(ownerVariable); dir != "" {
		fmt.Fprintln(os.Stderr, own(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// own is an owner's life: "begin N" is printed when the change is noted, "done N"
// when that it was undone is. Each third change stays.
func own(dir string) error {
	j, err := Open(dir)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		entry, err := j.Begin("change", n)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, "begin", n)
		if n%3 == 0 {
			continue
		}
		if err := entry.Done(); err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, "done", n)
	}
}

func open(t testing.TB, dir string, owner Process) *Journal {
	t.Helper()
	j, err := openAs(dir, owner)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func begin(t testing.TB, j *Journal, data any) *Entry {
	t.Helper()
	e, err := j.Begin("change", data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// late is a process with our pid that is dead: what it holds is another's life.
func late() Process {
	p := ProcessOf(os.Getpid())
	p.Start++
	return p
}

// die drops the lock, as the system does when a process ends.
func die(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.file.Close(); err != nil {
		t.Fatal(err)
	}
}

// replay undoes what is dead and returns it as JSON, in the order of undoing.
func replay(t testing.TB, dir string) []string {
	t.Helper()
	var got []string
	undone, failed, err := Replay(context.Background(), dir, undoer(func(data string) error {
		got = append(got, data)
		return nil
	}))
	if err != nil || len(failed) > 0 || len(undone) != len(got) {
		t.Fatalf("%d undone, failed %v, %v", len(undone), failed, err)
	}
	return got
}

func undoer(undo func(data string) error) map[string]func(context.Context, json.RawMessage) error {
	return map[string]func(context.Context, json.RawMessage) error{
		"change": func(_ context.Context, data json.RawMessage) error { return undo(string(data)) },
	}
}

func journals(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatADeadProcessLeftIsUndoneLatestFirst(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, "a")
	done := begin(t, j, "b")
	begin(t, j, "c")
	if err := done.Done(); err != nil {
		t.Fatal(err)
	}
	die(t, j)
	left, err := Dead(dir)
	if err != nil || len(left) != 2 || left[0].String() != fmt.Sprintf(`change "c" of process %d`, os.Getpid()) || time.Since(left[0].At) > time.Minute {
		t.Errorf("Dead() = %+v, %v", left, err)
	}
	if got := replay(t, dir); !slices.Equal(got, []string{`"c"`, `"a"`}) {
		t.Errorf("undone %v", got)
	}
	if got := replay(t, dir); len(got) > 0 || len(journals(t, dir)) > 0 {
		t.Errorf("undone again: %v; left %v", got, journals(t, dir))
	}
}

func TestTheLivingAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	ours := open(t, dir, ProcessOf(os.Getpid()))
	begin(t, ours, "ours")
	// One that cannot be seen from here, as in another container: its lock can.
	hidden := open(t, dir, late())
	begin(t, hidden, "hidden")
	if got := replay(t, dir); len(got) > 0 {
		t.Errorf("undone: %v", got)
	}
	// It has closed its journal, and lives on.
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if got := replay(t, dir); len(got) > 0 || len(journals(t, dir)) != 2 {
		t.Errorf("undone: %v; journals %v", got, journals(t, dir))
	}
	die(t, hidden)
	if got := replay(t, dir); !slices.Equal(got, []string{`"hidden"`}) {
		t.Errorf("undone: %v", got)
	}
}

func TestAJournalInWhichAllIsUndoneLeavesNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "journal")
	j := open(t, dir, ProcessOf(os.Getpid()))
	e := begin(t, j, 1)
	for range 2 {
		if err := e.Done(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if left := journals(t, dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, err := j.Begin("change", 2); err == nil {
		t.Error("a closed journal took an entry")
	}
	if undone, failed, err := Replay(t.Context(), filepath.Join(dir, "none"), nil); len(undone)+len(failed) > 0 || err != nil {
		t.Errorf("of no folder: %v, %v, %v", undone, failed, err)
	}
	if left, err := Dead(filepath.Join(dir, "none")); len(left) > 0 || err != nil {
		t.Errorf("of no folder: %v, %v", left, err)
	}
}

func TestWhatCannotBeUndoneStays(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, "a")
	begin(t, j, "b")
	if _, err := j.Begin("other", "x"); err != nil {
		t.Fatal(err)
	}
	die(t, j)
	refused := errors.New("refused")
	undone, failed, err := Replay(t.Context(), dir, undoer(func(data string) error {
		if data == `"a"` {
			return refused
		}
		return nil
	}))
	if err != nil || len(undone) != 1 || string(undone[0].Data) != `"b"` || len(failed) != 2 {
		t.Fatalf("undone %v, failed %v, %v", undone, failed, err)
	}
	if !errors.Is(failed[1], refused) || !strings.Contains(failed[1].Error(), "tried again") || !strings.Contains(failed[0].Error(), "does not know how") {
		t.Errorf("failed %v", failed)
	}
	left, err := Dead(dir)
	if err != nil || len(left) != 2 {
		t.Fatalf("left %v, %v", left, err)
	}
	// Somebody does it by hand.
	for range 2 {
		for _, l := range left {
			if err := l.Done(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := replay(t, dir); len(got) > 0 || len(journals(t, dir)) > 0 {
		t.Errorf("undone: %v, journals %v", got, journals(t, dir))
	}
}

func TestAReplayEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, 1)
	begin(t, j, 2)
	die(t, j)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	undone, failed, err := Replay(ctx, dir, undoer(func(string) error { cancel(stopped); return nil }))
	if !errors.Is(err, stopped) || len(undone) != 1 || len(failed) > 0 {
		t.Errorf("undone %v, failed %v, %v", undone, failed, err)
	}
	// The wait for another replay ends with it as well.
	unlock, err := lockReplays(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Replay(ctx, dir, nil); !errors.Is(err, stopped) {
		t.Error(err)
	}
	unlock()
	if got := replay(t, dir); !slices.Equal(got, []string{"1"}) {
		t.Errorf("undone %v", got)
	}
}

func TestReplaysAtTheSameTimeUndoOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	for n := range 10 {
		begin(t, j, n)
	}
	die(t, j)
	var undone, running, together atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, failed, err := Replay(t.Context(), dir, undoer(func(string) error {
				together.Add(running.Add(1) - 1)
				time.Sleep(time.Millisecond)
				running.Add(-1)
				undone.Add(1)
				return nil
			}))
			if err != nil || len(failed) > 0 {
				t.Errorf("failed %v, %v", failed, err)
			}
		})
	}
	wg.Wait()
	if undone.Load() != 10 || together.Load() != 0 {
		t.Errorf("undone %d times, %d of them side by side", undone.Load(), together.Load())
	}
}

// Journals are opened and closed while others sweep empty ones away: no entry may go
// into a file that is gone.
func TestAnOpenJournalIsNotSweptAway(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					replay(t, dir)
				}
			}
		})
	}
	for n := range 100 {
		j := open(t, dir, ProcessOf(os.Getpid()))
		begin(t, j, n)
		if !stillAt(j.file, j.file.Name()) {
			t.Errorf("journal %d was removed under its owner", n)
		}
		j.open = nil // all undone
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// Each byte of a journal changed: the change is told with its line, or the change
// was of the last line's end; what the other lines left is undone.
func TestAChangedByteIsNamedByItsLine(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, "a")
	first := j.end
	begin(t, j, "b")
	die(t, j)
	path := j.file.Name()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole[:len(whole)-1] {
		data := slices.Clone(whole)
		data[at] ^= 0x20
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		left, err := Dead(dir)
		line, other := 1, `"b"`
		if int64(at) >= first {
			line, other = 2, `"a"`
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d of", line)) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if int64(at) == first-1 { // the end of the first line: both are one now
			other = ""
		}
		if got := dataOf(left); !slices.Equal(got, slices.DeleteFunc([]string{other}, func(s string) bool { return s == "" })) {
			t.Fatalf("byte %d: left %v, want %s", at, got, other)
		}
	}
}

func dataOf(left []Left) []string {
	var data []string
	for _, l := range left {
		data = append(data, string(l.Data))
	}
	return data
}

func TestDamageIsKeptForAPerson(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, "a")
	die(t, j)
	f, err := os.OpenFile(j.file.Name(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	newer := frame([]byte(`{"schema":2,"id":"x"}`))
	if _, err := f.WriteString("damaged\n" + string(newer)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, want := range []int{1, 0} {
		undone, failed, err := Replay(t.Context(), dir, undoer(func(string) error { return nil }))
		if err != nil || len(undone) != want || len(failed) != 2 {
			t.Fatalf("undone %v, failed %v, %v", undone, failed, err)
		}
		for i, text := range []string{"line 2 of the undo journal " + j.file.Name() + " is damaged", "is of version 2"} {
			if !strings.Contains(failed[i].Error(), text) {
				t.Errorf("%v: want %q", failed[i], text)
			}
		}
	}
}

func TestAnEntryThatDoesNotFitLeavesNoHalfLine(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, late())
	begin(t, j, "a")
	readOnly, err := os.Open(j.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	writable := j.file
	j.file = readOnly
	if _, err := j.Begin("change", "b"); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	readOnly.Close()
	// A write that failed half way, and could not be taken back.
	j.file = writable
	if _, err := j.file.WriteString(`{"crc32c":"`); err != nil {
		t.Fatal(err)
	}
	begin(t, j, "c")
	die(t, j)
	if got := replay(t, dir); !slices.Equal(got, []string{`"c"`, `"a"`}) {
		t.Errorf("undone %v", got)
	}
}

func TestAFolderThatCannotBeIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "REDLINE_STATE") {
		t.Error(err)
	}
	if _, _, err := Replay(t.Context(), file, nil); err == nil {
		t.Error("a file was replayed")
	}
	if _, err := Dead(file); err == nil {
		t.Error("a file was read as a folder")
	}
}

// Random lives of several processes: what is replayed is what the dead ones left.
func TestExactlyTheOpenChangesOfTheDeadAreReplayed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t)
		rt.Repeat(map[string]func(*rapid.T){
			"open":   m.openOne,
			"begin":  m.begin,
			"done":   m.done,
			"kill":   m.kill,
			"close":  m.close,
			"replay": m.replay,
		})
		m.replay(rt)
		for _, l := range m.lives {
			die(t, l.journal)
		}
	})
}

// life is a process of the model: which of its changes are open.
type life struct {
	journal *Journal
	entries map[string]*Entry
}

type model struct {
	t     *testing.T
	dir   string
	next  int
	lives []*life
	// left are open changes of dead processes.
	left map[string]bool
}

func newModel(t *testing.T) *model {
	t.Helper()
	return &model{t: t, dir: t.TempDir(), left: map[string]bool{}}
}

func (m *model) pick(t *rapid.T) *life {
	if len(m.lives) == 0 {
		t.Skip("nobody lives")
	}
	return rapid.SampledFrom(m.lives).Draw(t, "process")
}

func (m *model) forget(l *life) {
	m.lives = slices.DeleteFunc(m.lives, func(o *life) bool { return o == l })
	for data := range l.entries {
		m.left[data] = true
	}
}

func (m *model) openOne(*rapid.T) {
	m.lives = append(m.lives, &life{open(m.t, m.dir, late()), map[string]*Entry{}})
}

func (m *model) begin(t *rapid.T) {
	l := m.pick(t)
	m.next++
	l.entries[fmt.Sprint(m.next)] = begin(m.t, l.journal, m.next)
}

func (m *model) done(t *rapid.T) {
	l := m.pick(t)
	if len(l.entries) == 0 {
		t.Skip("it changed nothing")
	}
	data := rapid.SampledFrom(slices.Sorted(maps.Keys(l.entries))).Draw(t, "change")
	if err := l.entries[data].Done(); err != nil {
		t.Fatal(err)
	}
	delete(l.entries, data)
}

// kill ends a process, perhaps in the middle of a line.
func (m *model) kill(t *rapid.T) {
	l := m.pick(t)
	line, err := note{ID: 1, Done: true}.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.journal.file.Write(line[:rapid.IntRange(0, len(line)-1).Draw(t, "torn")]); err != nil {
		t.Fatal(err)
	}
	die(m.t, l.journal)
	m.forget(l)
}

// close ends a process in order; what it left open is left as by a dead one.
func (m *model) close(t *rapid.T) {
	l := m.pick(t)
	if err := l.journal.Close(); err != nil {
		t.Fatal(err)
	}
	m.forget(l)
}

// replay undoes; some of it fails, and is left.
func (m *model) replay(t *rapid.T) {
	fails := rapid.IntRange(2, 5).Draw(t, "fails")
	before, seen, calls := len(m.left), 0, 0
	_, failed, err := Replay(context.Background(), m.dir, undoer(func(data string) error {
		if seen++; !m.left[data] {
			t.Fatalf("change %s was undone, which was not left", data)
		}
		if calls++; calls%fails == 0 {
			return errors.New("refused")
		}
		delete(m.left, data)
		return nil
	}))
	if err != nil || seen != before || len(failed) != len(m.left) {
		t.Fatalf("%d of %d were tried, failed %v with %d left, %v", seen, before, failed, len(m.left), err)
	}
	left, err := Dead(m.dir)
	if err != nil || len(left) != len(m.left) {
		t.Fatalf("Dead() = %v, %v, want %d", left, err, len(m.left))
	}
}

// A process that notes changes as fast as it can is killed at random moments: what
// it had reported is known, and no more than its last step is in doubt.
func TestAKilledOwnersChangesAreKnown(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	noted := 0
	for range 10 {
		dir := t.TempDir()
		said := killed(t, dir, time.Duration(random.Int64N(int64(30*time.Millisecond))))
		certain, last := map[string]bool{}, ""
		for _, line := range said {
			what, n, _ := strings.Cut(line, " ")
			noted++
			if certain[n] = true; what == "done" {
				delete(certain, n)
			}
			last = n
		}
		for _, data := range replay(t, dir) {
			if !certain[data] && data != last && data != following(last) {
				t.Errorf("change %s was undone, which was not left; said %v", data, said)
			}
			delete(certain, data)
		}
		delete(certain, last) // it may have been undone already, unsaid
		if len(certain) > 0 || len(journals(t, dir)) > 0 {
			t.Errorf("not undone: %v; journals %v", certain, journals(t, dir))
		}
	}
	if noted == 0 {
		t.Error("no owner came to note anything: nothing was tested")
	}
}

// following is the change after this one; the first when none was.
func following(n string) string {
	if n == "" {
		return "0"
	}
	var last int
	_, _ = fmt.Sscan(n, &last)
	return fmt.Sprint(last + 1)
}

// killed runs an owner, kills it so long after its first word, and returns what it
// said.
func killed(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	first, err := in.ReadString('\n')
	if err != nil {
		t.Fatalf("the owner said nothing: %v", err)
	}
	time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	rest, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the owner ended with %v", err)
	}
	said := strings.Split(first+string(rest), "\n")
	return said[:len(said)-1] // a line without an end was not said
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"schema":1,"id":1,"kind":"topic","data":{"id":"x"},"owner":{"pid":1,"start":2},"at":"2026-01-02T15:04:05Z"}`), true)
	f.Add([]byte("{\"crc32c\":\"00000000\",\"entry\":}\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, framed bool) {
		if framed {
			data = frame(data)
		}
		n, err := decode(data)
		if err == nil && (n.ID < 1 || !n.Done && n.Owner == nil) {
			t.Errorf("%q was taken as %+v", data, n)
		}
	})
}
