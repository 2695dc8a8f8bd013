package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"redline/internal/broker"
	"redline/internal/doctor"
	"redline/internal/report"
	"redline/result"
)

// doctorFlags are what `redline doctor` takes.
type doctorFlags struct {
	connectFlags
	storeFlags
	output string
}

func newDoctorCommand(p *Process) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine and a cluster allow, what is lost without, and how to allow it",
		Long: `Say what this machine and a cluster allow redline to measure: a line for each thing,
with what is lost without it and how to allow it. It takes about five seconds, in
which the machine should be idle: how noisy it is, and which differences can be seen
on it, is part of the answer. Nothing is changed, on the machine or in the cluster.

The exit code is 0 also when things are missing, and 4 when a cluster was named that
cannot be reached; what was found of the machine is printed before.`,
		Example: `  redline doctor
  redline doctor -b localhost:9092
  redline doctor -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), p)
		},
	}
	f.connectFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	addOutput(cmd, &f.output)
	return cmd
}

func (f *doctorFlags) run(ctx context.Context, p *Process) error {
	there, err := f.aims(p)
	if err != nil {
		return err
	}
	r := result.DoctorReport{Header: newHeader(result.DoctorSchema), Checks: f.machine(ctx, p)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// For people each part is printed when it is there.
	text := f.output == "text"
	if text {
		doctor.Text(p.Stdout, r.Checks)
	}
	of := doctor.NoCluster()
	if there {
		of, err = f.cluster(ctx, p)
	}
	r.Checks = append(r.Checks, of...)
	if !text {
		return printReport(p, f.output, &r.Header, view{table: func() report.Table { return doctorTable(r.Checks) }, object: &r}, err)
	}
	if len(of) > 0 {
		fmt.Fprintln(p.Stdout)
		doctor.Text(p.Stdout, of)
	}
	return err
}

// aims says whether there is a cluster to ask: one that was named, or that redline
// holds up.
func (f *doctorFlags) aims(p *Process) (bool, error) {
	if f.kafka != "" {
		return true, nil
	}
	c, err := f.resolve(p)
	return err == nil && bootstrapOrigin(c) != originDefault, err
}

func (f *doctorFlags) machine(ctx context.Context, p *Process) []result.DoctorCheck {
	data := f.data
	if data == "" {
		data, _ = broker.StateFolder() // without one the answer says so
	}
	display := p.display()
	defer display.Close()
	phase := display.Phase("Look", "at the idle machine", doctor.Steps)
	checks := doctor.Machine(ctx, doctor.Options{
		Runs: f.folder(p), Data: data, Getenv: p.Getenv,
		Progress: func(done int) { phase.Set(int64(done), "") },
	})
	phase.End("")
	return checks
}

func (f *doctorFlags) cluster(ctx context.Context, p *Process) (checks []result.DoctorCheck, err error) {
	s, err := f.connectFlags.open(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	target := doctor.Target{Cluster: s.Cluster, Security: s.Connection.Security}
	if s.Ours != nil {
		target.Metrics = s.Ours.Metrics
	}
	return doctor.Cluster(ctx, target), nil
}

func doctorTable(checks []result.DoctorCheck) report.Table {
	t := report.Table{Heads: []string{"ID", "STATE", "NAME", "VALUE", "LOST", "ALLOW"}}
	for _, c := range checks {
		t.Rows = append(t.Rows, []any{c.ID, string(c.State), c.Name, c.Value, c.Lost, c.Allow})
	}
	return t
}
