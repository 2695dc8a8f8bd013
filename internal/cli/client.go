package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/connection"
	"redline/result"
)

// clientFlags say which client library does the work, and how it is set.
type clientFlags struct {
	name, profile string
	// properties are what a producer's own flags set; they go with those of the
	// connection.
	properties map[string]string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "client", "franz", "client library: franz, direct, confluent (if built with cgo), sarama, segmentio, or none, which only generates")
	flags.StringVar(&f.profile, "profile", string(client.Tuned), "settings to start from: tuned or defaults (nothing set)")
	group(cmd, "Client", "client", "profile")
	complete(cmd, "client", libraries.Names()...)
	complete(cmd, "profile", string(client.Tuned), string(client.Defaults))
}

// openLibrary checks what was typed and gives the library.
func (f *clientFlags) openLibrary() (client.Library, error) {
	if f.profile != string(client.Tuned) && f.profile != string(client.Defaults) {
		return nil, usagef("--profile %q: choose tuned or defaults", f.profile)
	}
	if _, outside := libraries.External(f.name); outside || strings.Contains(f.name, "=exec:") {
		return nil, usagef("--client %s works in a process of its own, which experiments alone can measure: redline run clients --clients NAME, or --client NAME=exec:COMMAND", f.name)
	}
	library, err := libraries.Open(f.name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return library, nil
}

// take fills in the properties that the library takes of the connection's; check is
// the library's for what is going to be made.
func (f *clientFlags) take(p *Process, c *connection.Connection, library client.Library, check func(client.Options) error) error {
	properties, err := clientProperties(p, c, library, client.Profile(f.profile), check)
	if err != nil {
		return err
	}
	for _, e := range slices.Concat(c.Strict, c.Shared) {
		if _, ours := f.properties[e.Key]; ours {
			delete(properties, e.Typed) // in whatever spelling
		}
	}
	maps.Copy(properties, f.properties)
	f.properties = properties
	return check(f.options(c, nil))
}

func (f *clientFlags) options(c *connection.Connection, wire *client.Wire) client.Options {
	return client.Options{
		Brokers: c.Brokers, ClientID: c.ClientID, Security: c.Security, Profile: client.Profile(f.profile),
		Properties: maps.Clone(f.properties), Wire: wire,
	}
}

func (f *clientFlags) describe(library client.Library, instances int, settings map[string]string) result.Client {
	return result.Client{
		Name: library.Name(), Version: library.Version(), Profile: f.profile,
		Instances: instances, Settings: settings,
	}
}
