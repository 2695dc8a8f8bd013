package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environmentAnnotation is on a flag whose value came from the environment, with
// the name of the variable.
const environmentAnnotation = "redline_env"

// notFromEnvironment are flags that mean something only where they are typed:
// those that lift a guard, and those whose variable would be one of another
// meaning.
var notFromEnvironment = []string{"target", "yes-on", "help", "config", "state", "cache", "sasl-password"}

// variableOf is the environment's word for a flag; empty when it has none.
func variableOf(f *pflag.Flag) string {
	if f.Hidden || slices.Contains(notFromEnvironment, f.Name) {
		return ""
	}
	return "REDLINE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// takeEnvironment gives the flags that were not typed, in any spelling, what
// the environment says, and notes it on them. A list has one value there.
func takeEnvironment(cmd *cobra.Command, getenv func(string) string) (err error) {
	typed := map[string]bool{}
	flags := cmd.Flags()
	flags.Visit(func(f *pflag.Flag) {
		typed[f.Name] = true
		for _, name := range f.Annotations[aliasAnnotation] {
			typed[name] = true
		}
	})
	flags.VisitAll(func(f *pflag.Flag) {
		variable := variableOf(f)
		if err != nil || variable == "" || typed[f.Name] || getenv(variable) == "" {
			return
		}
		if setErr := f.Value.Set(getenv(variable)); setErr != nil {
			err = usagef("the environment's %s is no value for --%s: %w", variable, f.Name, setErr)
			return
		}
		f.Changed = true
		err = flags.SetAnnotation(f.Name, environmentAnnotation, []string{variable})
	})
	return err
}

// fromEnvironment is the variable that a flag's value came from; empty when it
// was typed or is the default.
func fromEnvironment(f *pflag.Flag) string {
	if variable := f.Annotations[environmentAnnotation]; len(variable) > 0 {
		return variable[0]
	}
	return ""
}
