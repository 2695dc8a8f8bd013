package java

import (
	"fmt"

	"redline/internal/client"
)

var consumeTuned, shareTuned, produceTuned []client.Preset

// preset picks the profile's properties.
func preset(p client.Profile, tuned []client.Preset) ([]client.Preset, error) {
	switch p {
	case client.Tuned, "":
		return tuned, nil
	case client.Defaults:
		return nil, nil
	}
	return nil, fmt.Errorf("there is no profile %q; take %q or %q", p, client.Tuned, client.Defaults)
}
