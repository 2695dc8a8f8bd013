package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/result"
)

// newTrialCommand does one trial for another redline, which compares two builds.
func newTrialCommand(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:    "trial",
		Short:  "Do one trial for another redline: a spec as JSON enters, a trial leaves",
		Args:   noArguments,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var spec experiment.Spec
			if err := json.NewDecoder(p.Stdin).Decode(&spec); err != nil {
				return usagef("cannot read the trial from standard input: %w", err)
			}
			reached, err := connection.FromHandover(spec.Connection)
			if err != nil {
				return usagef("cannot make the connection of the trial: %w", err)
			}
			spec.Security = reached.Security
			trial, err := experiment.Execute(cmd.Context(), spec, nil)
			if err != nil && cmd.Context().Err() != nil {
				return err
			}
			return printJSON(p.Stdout, trial)
		},
	}
}

// elsewhere does a trial in a process of another build. Its error comes back in the
// trial.
func elsewhere(ctx context.Context, binary string, spec experiment.Spec) (result.Trial, error) {
	input, err := json.Marshal(spec)
	if err != nil {
		return result.Trial{}, err
	}
	cmd := exec.CommandContext(ctx, binary, "trial")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	cmd.Stdin = strings.NewReader(string(input))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	failed := result.Trial{Began: time.Now().UTC()}
	if err != nil {
		failed.Error = fmt.Sprintf("%s trial: %v: %s", binary, err, lastLine(stderr.String()))
		return failed, fmt.Errorf("%s", failed.Error)
	}
	var trial result.Trial
	if err := json.Unmarshal(output, &trial); err != nil {
		failed.Error = fmt.Sprintf("%s trial answered with no trial: %v; is it a redline of this version?", binary, err)
		return failed, fmt.Errorf("%s", failed.Error)
	}
	if trial.Error != "" {
		return trial, fmt.Errorf("%s", trial.Error)
	}
	return trial, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
