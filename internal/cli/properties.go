package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/connection"
	"redline/internal/report"
)

const propertiesSchema = "redline.properties/v1"

// propertiesDocument is what -X dump and -X list print as JSON.
type propertiesDocument struct {
	document
	// Properties are those in force (dump), or those that can be set (list).
	Properties []propertyJSON `json:"properties"`
}

type propertyJSON struct {
	Key string `json:"key"`
	// Value is **** for a secret; null in a list of what can be set.
	Value *string `json:"value"`
	// Origin says where the value comes from; null in a list.
	Origin *string `json:"origin"`
	// Overridden says that a stronger source sets the same.
	Overridden bool     `json:"overridden"`
	Aliases    []string `json:"aliases"`
	Help       string   `json:"help"`
	Secret     bool     `json:"secret"`
}

// answerQuestions lets -X list, -X help and -X dump answer in the command's place.
func (f *connectionFlags) answerQuestions(cmd *cobra.Command, p *Process) {
	work := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, pair := range f.pairs {
			switch pair {
			case "list", "help":
				return f.list(p, outputOf(cmd))
			case "dump":
				return f.dump(p, outputOf(cmd))
			}
		}
		return work(cmd, args)
	}
}

func outputOf(cmd *cobra.Command) string {
	if flag := cmd.Flags().Lookup("output"); flag != nil {
		return flag.Value.String()
	}
	return "text"
}

// dump prints what is in force and where it comes from; nothing is dialled.
func (f *connectionFlags) dump(p *Process, output string) error {
	f.pairs = slices.DeleteFunc(f.pairs, func(pair string) bool { return pair == "dump" })
	verbose := p.Verbose
	p.Verbose = false // it would print the same
	c, err := f.resolve(p)
	p.Verbose = verbose
	var all []propertyJSON
	if err == nil {
		all = asProperties(c)
	}
	return printTable(p, output, err, view{
		text: func(w io.Writer) { dump(w, c) },
		table: func() report.Table {
			table := report.Table{Heads: []string{"KEY", "VALUE", "ORIGIN", "OVERRIDDEN"}}
			for _, a := range all {
				table.Rows = append(table.Rows, []any{a.Key, *a.Value, *a.Origin, a.Overridden})
			}
			return table
		},
		object: propertiesDocument{newDocument(propertiesSchema, err), append([]propertyJSON{}, all...)},
	})
}

func asProperties(c *connection.Connection) []propertyJSON {
	var all []propertyJSON
	for i, entries := range [][]connection.Entry{c.Entries, c.Overridden} {
		for _, e := range entries {
			value, origin := e.Shown(), e.Origin.String()
			all = append(all, propertyJSON{
				Key: e.Key, Value: &value, Origin: &origin, Overridden: i == 1, Aliases: []string{}, Secret: e.Secret,
			})
		}
	}
	return all
}

// dump prints a line for each value, as Kafka's properties are written.
func dump(w io.Writer, c *connection.Connection) {
	for _, e := range c.Entries {
		fmt.Fprintf(w, "%s = %s  (from %s)\n", clean(e.Key), clean(e.Shown()), clean(e.Origin.String()))
	}
	for _, e := range c.Overridden {
		fmt.Fprintf(w, "# %s = %s  (from %s, which a stronger one overrides)\n", clean(e.Key), clean(e.Shown()), clean(e.Origin.String()))
	}
}

// list prints what -X takes for connecting; each client adds its own.
func (f *connectionFlags) list(p *Process, output string) error {
	keys := connection.Keys()
	var all []propertyJSON
	for _, k := range keys {
		all = append(all, propertyJSON{Key: k.Name, Aliases: append([]string{}, k.Aliases...), Help: k.Help, Secret: k.Secret})
	}
	return printTable(p, output, nil, view{
		text: func(w io.Writer) { writeKeys(w, keys) },
		table: func() report.Table {
			table := report.Table{Heads: []string{"KEY", "ALIASES", "SECRET", "HELP"}}
			for _, k := range keys {
				table.Rows = append(table.Rows, []any{k.Name, k.Aliases, k.Secret, k.Help})
			}
			return table
		},
		object: propertiesDocument{newDocument(propertiesSchema, nil), all},
	})
}

// writeKeys prints the keys about connecting, and says what else there is.
func writeKeys(w io.Writer, keys []connection.Key) {
	for _, k := range keys {
		fmt.Fprintf(w, "%s\n    %s\n", strings.Join(append([]string{k.Name}, k.Aliases...), ", "), k.Help)
	}
	fmt.Fprintf(w, `
Beside these a client library takes its own (%s): with consume and
produce every property that it knows, in Java's or librdkafka's spelling, such
as fetch.max.bytes or linger.ms.
`, strings.Join(libraries.Names(), ", "))
}

// clientProperties are those of the connection's properties that the library takes
// for what check is for. One typed with -X must be taken; one of a file or a context,
// which other programs share, is left out with a warning where the library knows it
// for neither consuming nor producing.
func clientProperties(p *Process, c *connection.Connection, library client.Library, profile client.Profile, check func(client.Options) error) (map[string]string, error) {
	taken := map[string]string{}
	for _, e := range c.Strict {
		taken[e.Typed] = e.Value.Reveal()
	}
	var unknown []string
	for _, e := range c.Shared {
		if reservedInFiles[e.Key] {
			continue
		}
		one := client.Options{Profile: profile, Properties: map[string]string{e.Typed: e.Value.Reveal()}}
		err := check(one)
		switch {
		case err == nil:
			taken[e.Typed] = e.Value.Reveal()
		case !errors.Is(err, client.ErrUnknownProperty):
			return nil, usagef("%s: %w", e.Origin, err)
		case errors.Is(library.CheckConsumer(one), client.ErrUnknownProperty) && errors.Is(library.CheckProducer(one), client.ErrUnknownProperty):
			unknown = append(unknown, fmt.Sprintf("%s (%s)", e.Typed, e.Origin))
		}
	}
	if len(unknown) > 0 {
		fmt.Fprintf(p.Stderr, "warning: %s does not honour %s: left out\n", library.Name(), clean(strings.Join(unknown, ", ")))
	}
	return taken, nil
}

// reservedInFiles are what a program's own file says of its group and its start, and
// that redline's flags decide: joining the program's group by surprise would move its
// offsets. What a program makes of the bytes is no matter of ours either.
var reservedInFiles = map[string]bool{
	"group.id": true, "group.instance.id": true, "auto.offset.reset": true, "transactional.id": true,
	"key.serializer": true, "value.serializer": true, "key.deserializer": true, "value.deserializer": true,
}

// noClient refuses what was typed for a client library where there is none.
func noClient(c *connection.Connection, instead string) error {
	if len(c.Strict) == 0 {
		return nil
	}
	return usagef("-X %s is a property of producers or consumers, and has no effect here: %s", c.Strict[0].Typed, instead)
}
