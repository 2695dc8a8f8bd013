package result_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"redline/result"
)

// stored is the run in testdata/run. Those files were written by the first version
// and are never written anew: every later one has to read them.
func stored() result.Run {
	began := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	arm := func(consumers int, against int) result.Arm {
		return result.Arm{
			Workload: result.Consume, Client: "franz", Profile: "defaults", Against: against,
			Values:  map[string]string{"consumers": fmt.Sprint(consumers)},
			Setting: result.Setting{Instances: consumers, Partitions: 2, RecordBytes: 100, Payload: "random", Keys: "none", Compression: "none", Acks: "all", Handler: "none"},
		}
	}
	trial := func(number, attempt, arm, round int, records int64, invalid ...string) result.Trial {
		t := result.Trial{Number: number, Attempt: attempt, Arm: arm, Round: round, Cut: "settled", Invalid: invalid}
		t.Began = began.Add(time.Duration(number*10+attempt) * time.Second)
		t.Warmup, t.Window, t.Records, t.Bytes = time.Second, 2*time.Second, records, 100*records
		t.BinWidth, t.Bins = time.Second, []int64{records / 4, records / 2, records / 2}
		t.Account.Once = records + records/4
		return t
	}
	return result.Run{
		Plan: result.Plan{
			Schema: result.PlanSchema, Run: "20260102-150405-seed", Name: "seed", Question: "Does it scale?",
			Kind: result.Rounds, Created: began, Seed: 7, Kafka: "embedded",
			Axes: []result.Axis{{Name: "consumers", Values: []string{"1", "2"}}}, Combine: "product",
			Arms: []result.Arm{arm(1, -1), arm(2, 0)}, Rounds: 2,
			Trials: []result.Planned{{Arm: 0}, {Arm: 1}, {Arm: 1, Round: 1}, {Arm: 0, Round: 1}},
			Timing: result.Timing{Settle: time.Second, Warmup: time.Second, Window: 2 * time.Second},
			Margin: 0.03,
		},
		Sessions: []result.Session{{Began: began, Environment: result.Environment{Redline: "v1", Go: "go1.26", OS: "linux/amd64", CPUs: 2, Kafka: "embedded broker (kfake, not Apache Kafka)", Nodes: 1}}},
		Trials: []result.Trial{
			trial(0, 1, 0, 0, 200_000), trial(1, 1, 1, 0, 90_000, "steal 12 %"),
			trial(1, 2, 1, 0, 380_000), trial(2, 1, 1, 1, 390_000),
		},
	}
}

// files are those of a run's folder.
func files(t testing.TB) fstest.MapFS {
	t.Helper()
	folder := fstest.MapFS{}
	for _, name := range []string{result.PlanFile, result.SessionsFile, result.TrialsFile} {
		data, err := os.ReadFile("testdata/run/" + name)
		if err != nil {
			t.Fatal(err)
		}
		folder[name] = &fstest.MapFile{Data: data}
	}
	return folder
}

func read(t testing.TB, folder fs.FS) result.Run {
	t.Helper()
	run, err := result.ReadRun(folder)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// line frames an object as EncodeTrial does, whatever it holds.
func line(object string) string {
	sum := crc32.Checksum([]byte(object), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf(`{"crc32c":"%08x","trial":%s}`+"\n", sum, object)
}

func encode(t testing.TB, trials ...result.Trial) []byte {
	t.Helper()
	var data []byte
	for _, trial := range trials {
		line, err := result.EncodeTrial(trial)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, line...)
	}
	return data
}

// A program that shows what a run found needs this package alone.
func ExampleReadRun() {
	run, err := result.ReadRun(os.DirFS("testdata/run"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Plan.Question)
	for i, arm := range run.Plan.Arms {
		for _, trial := range run.Trials {
			if trial.Arm == i && trial.Counts() {
				fmt.Printf("%s consumers: %.0f records/s\n", arm.Values["consumers"], trial.Rate())
			}
		}
	}
	fmt.Println("still to run:", run.Missing())
	for _, damage := range run.Damaged {
		fmt.Println(damage)
	}
	// Output:
	// Does it scale?
	// 1 consumers: 100000 records/s
	// 2 consumers: 190000 records/s
	// 2 consumers: 195000 records/s
	// still to run: [3]
}

func TestTheFirstVersionsRunIsRead(t *testing.T) {
	if diff := cmp.Diff(stored(), read(t, os.DirFS("testdata/run"))); diff != "" {
		t.Error(diff)
	}
	root, err := os.OpenRoot("testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // only read
	if diff := cmp.Diff(stored(), read(t, root.FS())); diff != "" {
		t.Error(diff)
	}
}

func TestALineIsExactlyAsDescribed(t *testing.T) {
	got := string(encode(t, stored().Trials[0]))
	object := got[len(`{"crc32c":"01234567","trial":`) : len(got)-2]
	if !strings.HasPrefix(object, `{"schema":1,"number":0,"attempt":1,`) {
		t.Errorf("the trial object is %s", object)
	}
	if want := line(object); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// The check value of CRC-32C in the catalogue of parametrised CRC algorithms.
	if got := line("123456789"); !strings.Contains(got, `"e3069283"`) {
		t.Errorf("this is not CRC-32C: %s", got)
	}
}

func drawTrial(t *rapid.T) result.Trial {
	count := rapid.Int64Range(0, math.MaxInt64)
	share := rapid.Float64Range(-1, 1e300)
	text := rapid.String()
	var trial result.Trial
	trial.Number = rapid.Int().Draw(t, "number")
	trial.Attempt = rapid.Int().Draw(t, "attempt")
	trial.Arm = rapid.Int().Draw(t, "arm")
	trial.Stage = text.Draw(t, "stage")
	trial.Began = time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	trial.Window = time.Duration(count.Draw(t, "window"))
	trial.Records = count.Draw(t, "records")
	trial.Usage.ClientCPU = share.Draw(t, "cpu")
	trial.Error = text.Draw(t, "error")
	trial.Bins = rapid.SliceOfN(count, 0, 20).Draw(t, "bins")
	trial.Conditions.Steal = share.Draw(t, "steal")
	trial.Invalid = rapid.SliceOfN(text, 0, 3).Draw(t, "invalid")
	trial.InForce = rapid.MapOfN(text, text, 0, 3).Draw(t, "in force")
	if rapid.Bool().Draw(t, "books") {
		trial.Account.Books = &result.Books{Offsets: count.Draw(t, "offsets"), Note: text.Draw(t, "note")}
	}
	return trial
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTrial(t)
		line, err := result.EncodeTrial(want)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(line, []byte("\n")); n != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("%d line ends in %q", n, line)
		}
		for _, line := range [][]byte{line, line[:len(line)-1]} {
			got, err := result.DecodeTrial(line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestWhatCannotBeStoredIsSaid(t *testing.T) {
	var nan, large result.Trial
	nan.Usage.HostCPU = math.NaN()
	large.Error = strings.Repeat("x", result.MaxLine)
	for _, trial := range []result.Trial{nan, large} {
		if line, err := result.EncodeTrial(trial); err == nil {
			t.Errorf("%d bytes were encoded", len(line))
		}
	}
}

// Each byte of trials.jsonl changed in several ways, one at a time: the change is
// seen, and no trial is lost but the one whose line it is in.
func TestNoChangedByteGoesUnnoticed(t *testing.T) {
	trials := stored().Trials[:3]
	var ends []int
	for i := range trials {
		ends = append(ends, len(encode(t, trials[:i+1]...)))
	}
	whole := encode(t, trials...)
	folder := files(t)
	const arm = `{"workload":"consume","against":-1,"setting":{"instances":1}}`
	folder[result.PlanFile].Data = []byte(`{"schema":"redline.plan/v1","kind":"rounds","arms":[` + arm + `,` + arm + `],"trials":[{},{"arm":1}]}`)
	folder[result.SessionsFile].Data = []byte(`{"schema":"redline.sessions/v1","sessions":[{}]}`)
	for at := range whole {
		hit, _ := slices.BinarySearch(ends, at+1)
		want := slices.Delete(slices.Clone(trials), hit, hit+1)
		for _, changed := range []byte{whole[at] ^ 1<<(at%8), whole[at] ^ 0x20, '\n'} {
			if changed == whole[at] {
				continue
			}
			data := slices.Clone(whole)
			data[at] = changed
			folder[result.TrialsFile].Data = data
			run := read(t, folder)
			lastEnd := at == len(whole)-1
			if named := len(run.Damaged) > 0 && run.Damaged[0].Line == hit+1; named == lastEnd || run.Torn != lastEnd {
				t.Fatalf("byte %d of line %d as %q: damaged %v, torn %v", at, hit+1, changed, run.Damaged, run.Torn)
			}
			if !reflect.DeepEqual(want, run.Trials) { // many times faster than cmp.Equal
				t.Fatalf("byte %d of line %d as %q: %s", at, hit+1, changed, cmp.Diff(want, run.Trials))
			}
		}
	}
}

func TestATornLastLineIsNoDamage(t *testing.T) {
	folder, trials := files(t), stored().Trials
	before := encode(t, trials[:3]...)
	whole := encode(t, trials...)
	for n := len(before); n < len(whole); n++ {
		folder[result.TrialsFile].Data = whole[:n]
		run := read(t, folder)
		if torn := n > len(before); run.Torn != torn || len(run.Damaged) > 0 || len(run.Trials) != 3 {
			t.Fatalf("%d bytes: torn %v, damaged %v, %d trials", n, run.Torn, run.Damaged, len(run.Trials))
		}
	}
}

func TestARunThatHasNotBegunIsRead(t *testing.T) {
	folder := files(t)
	delete(folder, result.TrialsFile)
	delete(folder, result.SessionsFile)
	run := read(t, folder)
	if want := []int{0, 1, 2, 3}; len(run.Damaged) > 0 || run.Torn || !slices.Equal(run.Missing(), want) {
		t.Errorf("damaged %v, torn %v, missing %v", run.Damaged, run.Torn, run.Missing())
	}
}

func TestTrialsOutliveTheirEnvironment(t *testing.T) {
	for name, data := range map[string]*fstest.MapFile{
		"missing":  nil,
		"no JSON":  {Data: []byte(`{"schema":"redline.sessions/v1","sess`)},
		"a schema": {Data: []byte(`{"schema":"redline.plan/v1"}`)},
		"a folder": {Mode: fs.ModeDir},
		"too many": {Data: []byte(`{"schema":"redline.sessions/v1","sessions":[` + strings.Repeat("{},", result.MaxSessions) + `{}]}`)},
		"large":    {Data: bytes.Repeat([]byte(" "), result.MaxFile+1)},
	} {
		folder := files(t)
		if folder[result.SessionsFile] = data; data == nil {
			delete(folder, result.SessionsFile)
		}
		run := read(t, folder)
		if len(run.Trials) != len(stored().Trials) || len(run.Sessions) != 1 || run.Sessions[0].Calibration.Steal != -1 {
			t.Errorf("%s: %d trials in %d sessions", name, len(run.Trials), len(run.Sessions))
		}
		if len(run.Damaged) != 1 || run.Damaged[0].File != result.SessionsFile || run.Damaged[0].Line != 0 {
			t.Errorf("%s: damaged %v", name, run.Damaged)
		}
	}
}

func TestARunOfANewerVersionIsRefused(t *testing.T) {
	for file, data := range map[string]string{
		result.PlanFile:     `{"schema":"redline.plan/v2","arms":{"a":{}},"rounds":"many"}`,
		result.SessionsFile: `{"schema":"redline.sessions/v2","sessions":{}}`,
		result.TrialsFile:   line(`{"schema":2,"number":"zero"}`),
	} {
		folder := files(t)
		folder[file].Data = []byte(data)
		_, err := result.ReadRun(folder)
		if !errors.Is(err, result.ErrNewer) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "use a newer redline") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestWithoutItsPlanARunCannotBeRead(t *testing.T) {
	for name, plan := range map[string]*fstest.MapFile{
		"no JSON":   {Data: []byte(`{"schema":`)},
		"no schema": {Data: []byte(`{}`)},
		"many arms": {Data: []byte(`{"schema":"redline.plan/v1","arms":[` + strings.Repeat("{},", result.MaxArms) + `{}]}`)},
		"no arms":   {Data: []byte(`{"schema":"redline.plan/v1","kind":"rounds"}`)},
		"a device":  {Mode: fs.ModeDevice},
		"large":     {Data: bytes.Repeat([]byte(" "), result.MaxFile+1)},
	} {
		folder := files(t)
		folder[result.PlanFile] = plan
		if _, err := result.ReadRun(folder); err == nil || !strings.Contains(err.Error(), result.PlanFile) || errors.Is(err, result.ErrNewer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	folder := files(t)
	delete(folder, result.PlanFile)
	if _, err := result.ReadRun(folder); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no stored run") {
		t.Errorf("missing: %v", err)
	}
}

func TestALineBeyondTheLimitIsPassedOver(t *testing.T) {
	folder := files(t)
	long := append(bytes.Repeat([]byte("x"), result.MaxLine), '\n')
	folder[result.TrialsFile].Data = slices.Concat(long, encode(t, stored().Trials...), long)
	run := read(t, folder)
	var lines []int
	for _, d := range run.Damaged {
		lines = append(lines, d.Line)
	}
	if !slices.Equal(lines, []int{1, 6}) || len(run.Trials) != 4 || run.Torn {
		t.Errorf("damaged lines %v, %d trials, torn %v", lines, len(run.Trials), run.Torn)
	}
}

func TestGarbageHasABoundedListOfDamages(t *testing.T) {
	folder := files(t)
	folder[result.TrialsFile].Data = append(bytes.Repeat([]byte("\n"), 100_000), encode(t, stored().Trials...)...)
	run := read(t, folder)
	if n := len(run.Damaged); n != 1000 || !strings.Contains(run.Damaged[n-1].Reason, "not listed") || len(run.Trials) != 4 {
		t.Errorf("%d damages, the last %v; %d trials", n, run.Damaged[n-1], len(run.Trials))
	}
}

func TestNonsenseWithARightChecksumIsDamage(t *testing.T) {
	for name, spoil := range map[string]func(*result.Trial){
		"number -1 is not":        func(t *result.Trial) { t.Number = -1 },
		"number 4 is not":         func(t *result.Trial) { t.Number = 4 },
		"arm -1 is not":           func(t *result.Trial) { t.Arm = -1 },
		"arm 2 is not":            func(t *result.Trial) { t.Arm = 2 },
		"the plan has arm 1":      func(t *result.Trial) { t.Arm = 0 },
		"session -1 is not":       func(t *result.Trial) { t.Session = -1 },
		"session 1 is not":        func(t *result.Trial) { t.Session = 1 },
		"attempt 0":               func(t *result.Trial) { t.Attempt = 0 },
		"round -1":                func(t *result.Trial) { t.Round = -1 },
		"round 1000001":           func(t *result.Trial) { t.Round = 1_000_001 },
		"negative":                func(t *result.Trial) { t.Records = -1 },
		"1000001 bins":            func(t *result.Trial) { t.Bins = make([]int64, 1_000_001) },
		"bins cannot be 0s wide":  func(t *result.Trial) { t.BinWidth = 0 },
		"bins cannot be -1s wide": func(t *result.Trial) { t.BinWidth = -time.Second },
		"bin 1 is negative":       func(t *result.Trial) { t.Bins[1] = -1 },
		"in line 1 already":       func(t *result.Trial) { *t = stored().Trials[0] },
	} {
		run := stored()
		spoil(&run.Trials[2])
		folder := files(t)
		folder[result.TrialsFile].Data = encode(t, run.Trials...)
		got := read(t, folder)
		if len(got.Damaged) != 1 || got.Damaged[0].Line != 3 || !strings.Contains(got.Damaged[0].String(), name) {
			t.Errorf("%s: damaged %v", name, got.Damaged)
		}
		if want := slices.Delete(stored().Trials, 2, 3); !cmp.Equal(want, got.Trials) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got.Trials))
		}
	}
}

func TestAPlanThatWouldHurtItsReadersIsRefused(t *testing.T) {
	if err := stored().Plan.Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*result.Plan){
		`schema is ""`:            func(p *result.Plan) { p.Schema = "" },
		`schema is "redline.plan`: func(p *result.Plan) { p.Schema = "redline.plan/v0" },
		`kind "odd"`:              func(p *result.Plan) { p.Kind = "odd" },
		"0 arms":                  func(p *result.Plan) { p.Arms = nil },
		"10001 arms":              func(p *result.Plan) { p.Arms = make([]result.Arm, 10_001) },
		"1000001 trials":          func(p *result.Plan) { p.Trials = make([]result.Planned, 1_000_001) },
		"-1 rounds":               func(p *result.Plan) { p.Rounds = -1 },
		"1000001 rounds":          func(p *result.Plan) { p.Rounds = 1_000_001 },
		"negative":                func(p *result.Plan) { p.Timing.Window = -1 },
		"arm 0: workload":         func(p *result.Plan) { p.Arms[0].Workload = "" },
		"compared with arm 2":     func(p *result.Plan) { p.Arms[1].Against = 2 },
		"compared with arm 1":     func(p *result.Plan) { p.Arms[1].Against = 1 },
		"compared with arm -2":    func(p *result.Plan) { p.Arms[1].Against = -2 },
		"0 instances":             func(p *result.Plan) { p.Arms[1].Setting.Instances = 0 },
		"trial 3 is of arm 2":     func(p *result.Plan) { p.Trials[3].Arm = 2 },
		"trial 3 is of arm -2":    func(p *result.Plan) { p.Trials[3].Arm = -2 },
		"in round -1":             func(p *result.Plan) { p.Trials[3].Round = -1 },
	} {
		plan := stored().Plan
		spoil(&plan)
		if err := plan.Check(); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, result.ErrNewer) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestLaterStagesOfALimitHaveNumbersBeyondThePlan(t *testing.T) {
	run := stored()
	confirm := result.Trial{Number: 4, Attempt: 1, Arm: 1, Stage: "confirm"}
	if run.Check(confirm) == nil {
		t.Error("a plan of rounds has no number 4")
	}
	run.Plan.Kind = result.Limits
	if err := run.Check(confirm); err != nil {
		t.Error(err)
	}
}

func TestWhatIsMissing(t *testing.T) {
	attempt := func(number, attempt int, fail string, invalid ...string) result.Trial {
		return result.Trial{Number: number, Attempt: attempt, Invalid: invalid, Measured: result.Measured{Error: fail}}
	}
	run := result.Run{
		Plan: result.Plan{Trials: make([]result.Planned, 6)},
		Trials: []result.Trial{
			attempt(0, 1, ""),
			attempt(1, 1, "broker lost"), // a result, never repeated
			attempt(2, 1, "", "steal"),
			attempt(3, 1, "", "steal"), attempt(3, 2, "", "steal"), attempt(3, 3, "", "canary"), // given up
			attempt(4, 1, "", "steal"), attempt(4, 2, ""),
		},
	}
	if got, want := run.Missing(), []int{2, 5}; !slices.Equal(got, want) {
		t.Errorf("missing %v, want %v", got, want)
	}
	attempts := map[int]int{}
	for number, trial := range run.Latest() {
		attempts[number] = trial.Attempt
	}
	if want := map[int]int{0: 1, 1: 1, 2: 1, 3: 3, 4: 2}; !cmp.Equal(want, attempts) {
		t.Error(cmp.Diff(want, attempts))
	}
	// What counts is not replaced by what comes later.
	run.Trials = append(run.Trials, attempt(4, 3, "", "steal"))
	if got := run.Latest()[4].Attempt; got != 2 {
		t.Errorf("attempt %d is the latest, want 2", got)
	}
}

func FuzzDecodeTrial(f *testing.F) {
	data := encode(f, stored().Trials[1])
	object := data[len(`{"crc32c":"01234567","trial":`) : len(data)-2]
	f.Add(object, true)
	f.Add(data, false)
	f.Add([]byte(`{"schema":1,"bins":null,"account":{"books":{}}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, frame bool) {
		if frame {
			data = []byte(line(string(data)))
		}
		first, err := result.DecodeTrial(data)
		if err != nil {
			return
		}
		again, err := result.DecodeTrial(encode(t, first))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// Lines that begin with "!" are framed first: the fuzzer cannot guess a checksum.
func FuzzTrialsFile(f *testing.F) {
	folder := files(f)
	f.Add(folder[result.TrialsFile].Data)
	f.Add([]byte("!{\"schema\":1,\"attempt\":1,\"arm\":0}\n!{\"schema\":1,\"attempt\":1,\"number\":3}\n{\"crc32c\":\"\n\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file bytes.Buffer
		for part := range bytes.Lines(data) {
			if object, ok := bytes.CutPrefix(part, []byte("!")); ok {
				part = []byte(line(string(bytes.TrimSuffix(object, []byte("\n")))))
			}
			file.Write(part)
		}
		folder := files(t)
		folder[result.TrialsFile].Data = file.Bytes()
		run, err := result.ReadRun(folder)
		if errors.Is(err, result.ErrNewer) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, trial := range run.Trials {
			if err := run.Check(trial); err != nil {
				t.Error(err)
			}
		}
		folder[result.TrialsFile].Data = encode(t, run.Trials...)
		again := read(t, folder)
		if len(again.Damaged) > 0 || again.Torn || !cmp.Equal(run.Trials, again.Trials, cmpopts.EquateEmpty()) {
			t.Errorf("stored anew it reads differently: %v\n%s", again.Damaged, cmp.Diff(run.Trials, again.Trials))
		}
	})
}
