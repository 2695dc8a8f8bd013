package cli

import (
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/result"
)

// clientFlags say which client library does the work, and how it is set.
type clientFlags struct {
	name, profile string
	given         []string // key=value, as typed
	properties    map[string]string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "client", "franz", "client library: "+strings.Join(libraries.Names(), ", "))
	flags.StringVar(&f.profile, "profile", string(client.Tuned), "settings to start from: tuned or defaults (nothing set)")
	flags.StringArrayVarP(&f.given, "command-property", "X", nil, "client property `key=value` in Java's or librdkafka's spelling; wins over the profile; may be repeated")
}

// openLibrary checks what was typed and gives the library.
func (f *clientFlags) openLibrary() (client.Library, error) {
	if f.profile != string(client.Tuned) && f.profile != string(client.Defaults) {
		return nil, usagef("--profile %q: choose tuned or defaults", f.profile)
	}
	if f.properties == nil {
		f.properties = map[string]string{}
	}
	for _, pair := range f.given {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return nil, usagef("-X %q: write key=value, such as -X fetch.max.bytes=1048576", pair)
		}
		f.properties[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	library, err := libraries.Open(f.name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return library, nil
}

func (f *clientFlags) options(brokers []string, wire *client.Wire) client.Options {
	return client.Options{
		Brokers: brokers, ClientID: "redline", Profile: client.Profile(f.profile),
		Properties: maps.Clone(f.properties), Wire: wire,
	}
}

func (f *clientFlags) describe(library client.Library, instances int, settings map[string]string) result.Client {
	return result.Client{
		Name: library.Name(), Version: library.Version(), Profile: f.profile,
		Instances: instances, Settings: settings,
	}
}
