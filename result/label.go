package result

import (
	"maps"
	"slices"
	"strings"
)

// Own is the value of an axis, or the profile, that leaves it to the client.
const Own = "own"

// Labels name arms among each other in a few words each: the workload where there
// are several, and the values that vary. Arms that nothing tells apart have the
// name of their client. What a client is never told is not said of it.
func Labels(arms []Arm) []string {
	workloads, values, told := map[string]bool{}, map[string]map[string]bool{}, map[[2]string]bool{}
	for _, a := range arms {
		workloads[a.Workload] = true
		for name, value := range a.Values {
			told[[2]string{a.Client, name}] = told[[2]string{a.Client, name}] || value != Own
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			values[name][value] = true
		}
	}
	labels := make([]string, len(arms))
	for i, a := range arms {
		var words []string
		if len(workloads) > 1 {
			words = append(words, a.Workload)
		}
		for _, name := range slices.Sorted(maps.Keys(a.Values)) {
			if len(values[name]) > 1 && told[[2]string{a.Client, name}] {
				words = append(words, word(name, a.Values[name]))
			}
		}
		if len(words) == 0 {
			words = append(words, a.Client)
		}
		labels[i] = strings.Join(words, " ")
	}
	return labels
}

// word is a value of an axis; those that name themselves stand alone.
func word(axis, value string) string {
	if axis == "client" || axis == "profile" {
		return value
	}
	return axis + "=" + value
}
