package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/client/libraries"
	"redline/internal/observe"
)

// newVersionCommand is `redline version`; it never dials.
func newVersionCommand(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of redline, Go and the client libraries",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			e := observe.Environment()
			fmt.Fprintf(p.Stdout, "redline %s, %s, %s\n", e.Redline, e.Go, e.OS)
			for _, name := range libraries.Names() {
				library, err := libraries.Open(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(p.Stdout, "  %-10s %s\n", name, library.Version())
			}
			missing := libraries.Missing()
			names := make([]string, 0, len(missing))
			for name := range missing {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				fmt.Fprintf(p.Stdout, "  %-10s left out: %s\n", name, missing[name])
			}
			return nil
		},
	}
}
