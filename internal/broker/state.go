package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"redline/internal/journal"
)

// keptLogs is how many folders of failed brokers are kept.
const keptLogs = 5

// State is what is written down of a broker, for Status, Down and the clean-up
// of a later start.
type State struct {
	ID        string   `json:"id"`
	Kind      Kind     `json:"kind"`
	Kafka     string   `json:"kafka"`
	Nodes     int      `json:"nodes"`
	ClusterID string   `json:"cluster_id"`
	Brokers   []string `json:"brokers"`
	Metrics   []string `json:"metrics"`
	Storage   string   `json:"storage"`
	Logs      string   `json:"logs"`
	// Security is how clients connect, such as "SASL_SSL, SCRAM-SHA-512"; empty for
	// plaintext. ClientProperties is then the Java properties file to do so with, and
	// Super the principal that may do everything, if there are ACLs.
	Security         string `json:"security,omitempty"`
	ClientProperties string `json:"client_properties,omitempty"`
	Super            string `json:"super_user,omitempty"`
	// Data is the folder of this broker's records, empty for memory.
	Data     string    `json:"data"`
	Detached bool      `json:"detached"`
	Started  time.Time `json:"started"`
	// PIDs are the broker processes proper; see Broker.PIDs.
	PIDs []int `json:"pids"`
	// Owner is the process that holds the broker, Processes its children.
	Owner     journal.Process   `json:"owner"`
	Processes []journal.Process `json:"processes"`
	// Ended is why the broker ended, if it failed and its logs were kept.
	Ended string `json:"ended,omitempty"`
}

// stateDir is $REDLINE_STATE, or redline under $XDG_STATE_HOME or ~/.local/state.
func stateDir() (string, error) {
	if dir := os.Getenv("REDLINE_STATE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "redline"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the state of brokers: %w. Set REDLINE_STATE to one", err)
	}
	return filepath.Join(home, ".local", "state", "redline"), nil
}

func brokersDir() (string, error) {
	dir, err := stateDir()
	return filepath.Join(dir, "brokers"), err
}

// folder is one broker's own: state.json, logs, configuration, by default data.
type folder struct {
	dir   string
	state State
}

const stateFile = "state.json"

// newFolder makes a folder with a first state in it, owned by this process.
func newFolder(kind Kind, detached bool) (*folder, error) {
	parent, err := brokersDir()
	if err != nil {
		return nil, err
	}
	var random [3]byte
	_, _ = rand.Read(random[:])
	now := time.Now()
	f := &folder{state: State{
		// The time in front makes names sort by age.
		ID:       now.UTC().Format("20060102-150405.000") + "-" + hex.EncodeToString(random[:]),
		Kind:     kind,
		Detached: detached,
		Started:  now,
		Owner:    journal.ProcessOf(os.Getpid()),
	}}
	f.dir = filepath.Join(parent, f.state.ID)
	if err := os.MkdirAll(f.logs(), 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for the broker: %w. Set REDLINE_STATE to a folder that can be written", err)
	}
	if err := f.save(); err != nil {
		_ = os.RemoveAll(f.dir)
		return nil, err
	}
	return f, nil
}

func (f *folder) logs() string               { return filepath.Join(f.dir, "logs") }
func (f *folder) logFile(name string) string { return filepath.Join(f.logs(), name+".log") }
func (f *folder) ownData() string            { return filepath.Join(f.dir, "data") }
func (f *folder) conf() string               { return filepath.Join(f.dir, "conf") }
func (f *folder) clients() string            { return filepath.Join(f.dir, "clients") }
func (f *folder) clientProperties(user string) string {
	return filepath.Join(f.clients(), user+".properties")
}
func (f *folder) kept() bool { return f.state.Ended != "" }

// save replaces the state file as a whole: a reader sees the old or the new one.
func (f *folder) save() error {
	data, err := json.MarshalIndent(f.state, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of the broker: %w", err)
	}
	path := filepath.Join(f.dir, stateFile)
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return fmt.Errorf("write the state of the broker: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the state of the broker: %w", err)
	}
	return nil
}

// end removes the data, and the folder too unless the broker failed and left
// logs that say why.
func (f *folder) end(failure error) error {
	err := f.removeData()
	if failure == nil || !hasLogs(f.logs()) {
		return errors.Join(err, os.RemoveAll(f.dir))
	}
	if f.state.ClientProperties != "" {
		// Keys and passwords that nothing takes any more.
		f.state.ClientProperties = ""
		err = errors.Join(err, os.RemoveAll(f.clients()), os.RemoveAll(f.conf()))
	}
	f.state.Ended = failure.Error()
	f.state.PIDs, f.state.Processes = nil, nil
	return errors.Join(err, f.save(), pruneKept(filepath.Dir(f.dir)))
}

// removeData removes the folder of data. The path of one elsewhere comes from a
// file, so only one that carries the broker's own id is believed.
func (f *folder) removeData() error {
	err := os.RemoveAll(f.ownData())
	if filepath.Base(f.state.Data) == dataName(f.state.ID) {
		err = errors.Join(err, os.RemoveAll(f.state.Data))
	}
	return err
}

func dataName(id string) string { return "redline-" + id }

func hasLogs(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		info, err := e.Info()
		return err == nil && info.Size() > 0
	})
}

// readFolders reads every broker's folder, oldest first. One without a readable
// state has an empty ID.
func readFolders(parent string) ([]*folder, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of brokers: %w", err)
	}
	var folders []*folder
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		f := &folder{dir: filepath.Join(parent, e.Name())}
		data, err := os.ReadFile(filepath.Join(f.dir, stateFile))
		if err != nil || json.Unmarshal(data, &f.state) != nil || f.state.ID != e.Name() {
			f.state = State{}
		}
		folders = append(folders, f)
	}
	return folders, nil
}

// StateFolder is where redline notes what it has started: $REDLINE_STATE, or redline
// under $XDG_STATE_HOME or ~/.local/state.
func StateFolder() (string, error) { return stateDir() }

// Sweep cleans away what dead owners left: their processes that still run, their
// data, their folders. It says in words what was removed, or with dry what would be.
// Every Start does the same.
func Sweep(ctx context.Context, dry bool) ([]string, error) {
	var removed []string
	err := sweepEach(ctx, dry, func(f *folder) {
		what := "broker " + filepath.Base(f.dir)
		if f.state.Kafka != "" {
			what += " (" + f.state.Kafka + ")"
		}
		removed = append(removed, what+", whose owner had gone")
	})
	return removed, err
}

func sweep(ctx context.Context) error { return sweepEach(ctx, false, func(*folder) {}) }

// sweepEach calls each for every folder that goes; with dry they stay. One sweep at a
// time.
func sweepEach(ctx context.Context, dry bool, each func(*folder)) error {
	parent, err := brokersDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("make the folder for the state of brokers: %w. Set REDLINE_STATE to a folder that can be written", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(filepath.Dir(parent), "lock"), nil)
	if err != nil {
		return err
	}
	defer unlock()
	folders, err := readFolders(parent)
	if err != nil {
		return err
	}
	for _, f := range folders {
		if f.abandoned() {
			each(f)
			if dry {
				continue
			}
			for _, p := range f.state.Processes {
				killProcess(p)
			}
			_ = f.removeData()
			_ = os.RemoveAll(f.dir)
		}
	}
	if dry {
		return nil
	}
	return pruneKept(parent)
}

// abandoned says whether nobody needs the folder any more.
func (f *folder) abandoned() bool {
	if f.state.ID == "" {
		// Somebody may be writing the state just now.
		info, err := os.Stat(f.dir)
		return err == nil && time.Since(info.ModTime()) > time.Minute
	}
	return !f.kept() && !f.state.Owner.Alive()
}

// pruneKept removes all but the newest folders of failed brokers.
func pruneKept(parent string) error {
	folders, err := readFolders(parent)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(folders, func(f *folder) bool { return !f.kept() })
	for len(kept) > keptLogs {
		if err := os.RemoveAll(kept[0].dir); err != nil {
			return fmt.Errorf("remove old logs: %w", err)
		}
		kept = kept[1:]
	}
	return nil
}

// lockFile takes the lock on a file, which the system gives back when we die;
// wait, if not nil, is called once when somebody else holds it.
func lockFile(ctx context.Context, path string, wait func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open a lock file: %w. Set REDLINE_STATE and REDLINE_CACHE to folders that you may write to", err)
	}
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if wait != nil {
			wait()
			wait = nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the lock %s: %w", path, context.Cause(ctx))
		}
	}
}
