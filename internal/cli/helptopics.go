package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"redline/internal/connection"
)

// helpTopics are what "redline help" explains beside commands.
func helpTopics(root *cobra.Command) []*cobra.Command {
	return []*cobra.Command{
		{Use: "output", Short: "Forms of the result, and what goes where", Long: outputHelp},
		{Use: "exit-codes", Short: "What the exit code says", Long: exitCodesHelp()},
		{Use: "environment", Short: "Variables that are read", Long: environmentHelp(root)},
		{Use: "properties", Short: "Properties about connecting: -X, -F and contexts", Long: propertiesHelp()},
	}
}

const outputHelp = `Standard output has the result, standard error everything else: progress, hints,
warnings (they begin with "warning:") and errors (they begin with "redline:").

-o, --output says how the result is printed:
  text      for people; where Kafka has a tool for it, in the words of that tool
  wide      a table with all columns, a line a row, however wide
  json      one object, which there is also after an error
  jsonl     the same on one line; commands that go on print snapshots before it
  csv, md   the table of wide; where the answer is no table, its fields
  html, benchfmt   of experiments: a page with charts, and lines for benchstat

A JSON object begins with "schema", such as redline.topic/v1, "version", "error"
and "error_kind", which are null when all went well. "redline schema topic"
prints its JSON Schema. Within a version fields are only added. What is not known
is null, or -1 where the schema says so. Units are in the names: _seconds, _bytes,
_per_second.

-q leaves errors and warnings on standard error, -v says where settings come from.
--progress bar redraws a line in place, plain writes one now and then, none is
silent. Colour is never the only carrier of a meaning; NO_COLOR turns it off.`

func exitCodesHelp() string {
	var b strings.Builder
	fmt.Fprintln(&b, "The exit code says how a command ended. \"error_kind\" in JSON is the word of the\nsecond column, or a more precise one where the cluster is the cause.")
	fmt.Fprintln(&b)
	for _, row := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %-12s %s\n", row.code, row.kind, row.means)
	}
	return strings.TrimRight(b.String(), "\n")
}

// otherVariables are read beside those of flags.
var otherVariables = [][2]string{
	{passwordEnv, "the password; there is no flag for it, which others could see"},
	{"REDLINE_CONFIG", "the file of contexts (default ~/.config/redline/config.yaml)"},
	{"REDLINE_STATE", "the folder of running brokers and of what is to be undone"},
	{"REDLINE_CACHE", "the folder of what Maven fetched"},
	{"KAFKA_BOOTSTRAP_SERVERS", "the cluster, where nothing else names one"},
	{"KAFKA_BROKERS", "the same, after it"},
	{"XDG_CONFIG_HOME", "where ~/.config is"},
	{"XDG_STATE_HOME", "where ~/.local/state is"},
	{"XDG_CACHE_HOME", "where ~/.cache is"},
	{"AWS_…", "credentials of AWS_MSK_IAM, as the AWS tools read them"},
	{"NO_COLOR", "no colour, when not empty (no-color.org)"},
	{"CLICOLOR_FORCE", "colour without a terminal too, when neither empty nor 0"},
	{"TERM", "dumb: neither bars nor colour"},
	{"LC_ALL, LC_CTYPE, LANG", "whether the terminal shows UTF-8"},
	{"COLUMNS", "its width, where it does not tell"},
}

// environmentHelp lists the variable of each flag there is, in the tree that root
// has so far.
func environmentHelp(root *cobra.Command) string {
	variables := map[string]string{}
	add := func(f *pflag.Flag) {
		if variable := variableOf(f); variable != "" && variables[variable] == "" {
			variables[variable] = "--" + f.Name
		}
	}
	_ = walk(root, func(cmd *cobra.Command) error {
		cmd.LocalFlags().VisitAll(add)
		return nil
	})
	var b strings.Builder
	fmt.Fprintf(&b, "Each flag but %s can be given by a variable: REDLINE_ and its\nlong name in capitals. A flag that is typed wins; so do -X and the files of -F.\n\n",
		"--target and --yes-on")
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "  %-36s %s\n", variable, variables[variable])
	}
	fmt.Fprint(&b, "\nBeside them:\n\n")
	for _, row := range otherVariables {
		fmt.Fprintln(&b, hanging(row[0], 24, row[1]))
	}
	return strings.TrimRight(b.String(), "\n")
}

// propertiesHelp is the table of properties about connecting.
func propertiesHelp() string {
	var b strings.Builder
	b.WriteString(`Properties are given with -X key=value, in files of -F, which are those of Kafka's
Java clients, and in contexts ("redline context --help"). Java's and librdkafka's
spellings both work. Stronger sources win over weaker ones: flags, -X, -F, REDLINE_
variables, the context, KAFKA_BOOTSTRAP_SERVERS. "-X dump" with any command prints
what is in force and where it comes from.

About connecting there are the properties below. Each client library takes its own
beside them: -X linger.ms=5.
`)
	for _, key := range connection.Keys() {
		fmt.Fprintf(&b, "\n  %s\n", key.Name)
		if len(key.Aliases) > 0 {
			fmt.Fprintln(&b, hanging("", 3, "also "+strings.Join(key.Aliases, ", ")))
		}
		fmt.Fprintln(&b, hanging("", 3, key.Help))
	}
	return strings.TrimRight(b.String(), "\n")
}
