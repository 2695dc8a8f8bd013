package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/journal"
	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/runs"
	"redline/internal/security"
	"redline/result"
)

// reportFlags are what `redline report` takes.
type reportFlags struct {
	storeFlags
	margin, output string
}

func newReportCommand(p *Process) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report [ID]",
		Short: "Print what a stored run found",
		Long: `Print what a stored run found, computed anew from its trials. Without an ID it is the
latest run. -o html prints one page with charts that needs no network.`,
		Example: `  redline report
  redline report 20261124-120000-seed -o md
  redline report 20261124-120000-seed -o html > seed.html`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return f.run(p, append(args, "")[0])
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.margin, "margin", "", "the largest difference that counts as none (default: the question's)")
	addOutput(cmd, &f.output, experimentFormats...)
	cmd.ValidArgsFunction = asArgument(f.storedRuns(p))
	return cmd
}

func (f *reportFlags) run(p *Process, id string) error {
	margin, err := percent(f.margin)
	if err != nil {
		return usagef("--margin %s: %w", f.margin, err)
	}
	stored, err := f.read(p, id)
	if err != nil {
		return err
	}
	version := observe.Environment().Redline
	if stored.Plan.Kind == result.Nulls && (isText(f.output) || isObject(f.output)) {
		r := analysis.AA(stored, version)
		return show(p, f.output, view{text: func(w io.Writer) { report.AA(w, r) }, object: r})
	}
	return printExperiment(p, f.output, analysis.Report(stored, version, margin))
}

// read gives a stored run; the latest when id is empty.
func (f *storeFlags) read(p *Process, id string) (result.Run, error) {
	dir, id := runs.Find(f.folder(p), id)
	folder, err := runs.Existing(dir)
	if err != nil {
		return result.Run{}, err
	}
	if id == "" {
		summaries, err := folder.List()
		if err != nil {
			return result.Run{}, err
		}
		if len(summaries) == 0 {
			return result.Run{}, fmt.Errorf("there is no run in %s yet: \"redline run seed\" makes one", dir)
		}
		id = summaries[0].ID
	}
	return folder.Read(id)
}

// writePage leaves the page of a report beside its run.
func writePage(w *runs.Writer, r result.ExperimentReport) error {
	var page bytes.Buffer
	if err := report.HTML(&page, r); err != nil {
		return err
	}
	return w.WriteFile("report.html", page.Bytes())
}

const historySchema = "redline.history/v1"

// historyAnswer lists the stored runs, newest first.
type historyAnswer struct {
	document
	Runs []runs.Summary `json:"runs"`
}

func newHistoryCommand(p *Process) *cobra.Command {
	var f storeFlags
	var output string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the stored runs, newest first",
		Example: `  redline history
  redline history -o wide
  redline history --runs runs -o json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			var summaries []runs.Summary
			folder, err := runs.Existing(f.folder(p))
			if err == nil {
				summaries, err = folder.List()
			}
			return printTable(p, output, err, view{
				text:   func(w io.Writer) { report.History(w, summaries) },
				table:  func() report.Table { return report.HistoryTable(summaries) },
				object: historyAnswer{newDocument(historySchema, err), append([]runs.Summary{}, summaries...)},
			})
		},
	}
	f.add(cmd)
	addOutput(cmd, &output)
	return cmd
}

const cleanSchema = "redline.clean/v1"

// cleanAnswer says what was removed, and what was not and why.
type cleanAnswer struct {
	document
	Removed []string `json:"removed"`
}

// cleanFlags are what `redline clean` takes.
type cleanFlags struct {
	connectionFlags
	storeFlags
	dry    bool
	output string
}

func newCleanCommand(p *Process) *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean [ID…]",
		Short: "Remove what runs that died have left behind, or stored runs by their id",
		Long: `Remove what runs that died have left behind: brokers whose owner is gone, topics that
redline created (each only if it is still the one with the id that was noted), and
folders of runs that never began. Stored runs stay, but for those that are named.
Topics on a cluster that wants TLS or SASL need the flags, the file or the context
that reach it.`,
		Example: `  redline clean
  redline clean --dry-run
  redline clean 20261124-120000-seed`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			removed, err := f.clean(cmd.Context(), p, ids)
			return printAnswer(p, f.output, cleanSchema, err, func(w io.Writer) { f.tell(w, removed) },
				func(d document) any { return cleanAnswer{d, append([]string{}, removed...)} })
		},
	}
	f.connectionFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be removed; remove nothing")
	addOutput(cmd, &f.output)
	cmd.ValidArgsFunction = f.storedRuns(p)
	return cmd
}

func (f *cleanFlags) tell(w io.Writer, removed []string) {
	if len(removed) == 0 {
		fmt.Fprintln(w, "Nothing was left behind.")
	}
	word := "removed"
	if f.dry {
		word = "would remove"
	}
	for _, what := range removed {
		fmt.Fprintln(w, word, what)
	}
}

// clean removes what dead owners left: their topics first, while a broker that goes on
// is there to ask. Named runs are removed instead.
func (f *cleanFlags) clean(ctx context.Context, p *Process, ids []string) ([]string, error) {
	if len(ids) > 0 {
		return f.forget(p, ids)
	}
	removed, errs := f.undo(ctx, p)
	swept, err := broker.Sweep(ctx, f.dry)
	removed, errs = append(removed, swept...), append(errs, err)
	if folder, err := runs.Existing(f.folder(p)); err == nil {
		clean := folder.Clean
		if f.dry {
			clean = folder.Leftovers
		}
		left, err := clean()
		removed, errs = append(removed, left...), append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// secureFor is the security of the connection if it is one to these brokers; others
// are those of this machine that want none.
func secureFor(c *connection.Connection, brokers []string) security.Security {
	for _, broker := range brokers {
		if slices.Contains(c.Brokers, broker) {
			return c.Security
		}
	}
	return security.Security{}
}

// forget removes stored runs.
func (f *cleanFlags) forget(p *Process, ids []string) (removed []string, err error) {
	for _, named := range ids {
		dir, id := runs.Find(f.folder(p), named)
		folder, err := runs.Existing(dir)
		if err == nil && !f.dry {
			err = folder.Remove(id)
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, filepath.Join(dir, id))
	}
	return removed, nil
}

// undo replays the journals of dead owners.
func (f *cleanFlags) undo(ctx context.Context, p *Process) (removed []string, errs []error) {
	state, err := broker.StateFolder()
	if err != nil {
		return nil, []error{err}
	}
	folder := filepath.Join(state, "journal")
	var left []journal.Left
	if f.dry {
		left, err = journal.Dead(folder)
	} else {
		left, errs, err = journal.Replay(ctx, folder, map[string]func(context.Context, json.RawMessage) error{
			experiment.UndoTopic: func(ctx context.Context, data json.RawMessage) error {
				reached, err := f.resolve(p)
				if err != nil {
					return err
				}
				return experiment.DeleteLeft(ctx, data, func(brokers []string) security.Security { return secureFor(reached, brokers) })
			},
		})
	}
	for _, entry := range left {
		var topic experiment.TopicUndo
		if err := json.Unmarshal(entry.Data, &topic); err == nil {
			removed = append(removed, fmt.Sprintf("topic %s of process %d, which has gone", topic.Name, entry.PID))
		}
	}
	return removed, append(errs, err)
}
