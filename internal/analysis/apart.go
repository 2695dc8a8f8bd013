package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"redline/internal/stats"
	"redline/result"
)

// Apart compares arms of two runs that were made apart: each pair is an arm of a and
// its counterpart in b, and the ratio is b's over a's. Between two runs the machine
// drifts, so each interval is widened by the spread between runs of the same plan:
// spread gives it for an arm of a with the number of runs that it is known from;
// without two of them nothing can be told.
//
// What else tells the two runs apart is said in words.
func Apart(a, b result.Run, pairs []Pair, measures []Measure, margin float64, spread func(arm int, m Measure) (float64, int)) ([]result.Comparison, []string) {
	labels := [2][]string{result.Labels(a.Plan.Arms), result.Labels(b.Plan.Arms)}
	comparisons := []result.Comparison{}
	for _, pair := range pairs {
		for _, m := range measures {
			ofA, ofB := valuesOf(a, pair.B, m), valuesOf(b, pair.A, m)
			if (len(ofA) == 0 || len(ofB) == 0) && m.Name != Rate.Name {
				continue
			}
			between, runs := spread(pair.B, m)
			ratio := stats.Widen(stats.Unpaired(ofB, ofA), between, runs)
			comparisons = append(comparisons, result.Comparison{
				A: b.Plan.Run + " " + labels[1][pair.A], B: a.Plan.Run + " " + labels[0][pair.B], ArmA: pair.A, ArmB: pair.B,
				Measure: b.Plan.Arms[pair.A].Workload + "." + m.Name,
				Ratio:   ratio, P: 1, Margin: margin, Verdict: stats.Verdict(ratio, 0, margin),
			})
		}
	}
	return comparisons, unasked(a, b, pairs)
}

// valuesOf are the known values of a measure over the trials of an arm that count.
func valuesOf(run result.Run, arm int, m Measure) []float64 {
	return slices.DeleteFunc(each(counting(trialsOf(run, arm)), m.of), func(v float64) bool { return v < 0 })
}

// Spread is how far the medians of an arm lie apart between runs of one plan, as the
// standard deviation of their logarithms, and the number of runs that have one.
func Spread(same []result.Run, arm int, m Measure) (float64, int) {
	var medians []float64
	for _, run := range same {
		if arm >= len(run.Plan.Arms) {
			continue
		}
		if values := valuesOf(run, arm, m); len(values) > 0 {
			medians = append(medians, stats.Median(values).Median)
		}
	}
	return stats.Spread(medians), len(medians)
}

// Counterparts pairs the arms of two runs that were asked the same: each of b with
// that of a which has its workload, client, profile and values.
func Counterparts(a, b result.Run) []Pair {
	var pairs []Pair
	for i, arm := range b.Plan.Arms {
		j := slices.IndexFunc(a.Plan.Arms, func(other result.Arm) bool {
			return other.Workload == arm.Workload && other.Client == arm.Client && other.Profile == arm.Profile && maps.Equal(other.Values, arm.Values)
		})
		if j >= 0 {
			pairs = append(pairs, Pair{i, j})
		}
	}
	return pairs
}

// unasked says what tells two runs apart beside what was to be compared: machine,
// versions, and settings of the paired arms.
func unasked(a, b result.Run, pairs []Pair) []string {
	var all []string
	if len(a.Sessions) > 0 && len(b.Sessions) > 0 {
		all = Differences(a.Sessions[0].Environment, b.Sessions[0].Environment)
	}
	if a.Plan.Timing != b.Plan.Timing {
		all = append(all, fmt.Sprintf("windows of %v, not %v", b.Plan.Timing.Window, a.Plan.Timing.Window))
	}
	for _, pair := range pairs {
		for _, d := range SettingDifferences(a.Plan.Arms[pair.B], b.Plan.Arms[pair.A]) {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// SettingDifferences names in words what tells two arms apart.
func SettingDifferences(a, b result.Arm) []string {
	fields := [2]map[string]string{fieldsOf(a), fieldsOf(b)}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(union(fields[0], fields[1]))) {
		if va, vb := fields[0][key], fields[1][key]; va != vb {
			all = append(all, fmt.Sprintf("%s %s, not %s", key, orNothing(vb), orNothing(va)))
		}
	}
	return all
}

func fieldsOf(arm result.Arm) map[string]string {
	s := arm.Setting
	fields := map[string]string{
		"workload": arm.Workload, "client": arm.Client, "profile": arm.Profile, "instances": fmt.Sprint(s.Instances),
		"partitions": fmt.Sprint(s.Partitions), "record size": fmt.Sprint(s.RecordBytes), "payload": s.Payload, "keys": s.Keys,
		"compression": s.Compression, "acks": s.Acks, "handler": s.Handler, "nodes": fmt.Sprint(s.Nodes),
	}
	for prefix, properties := range map[string]map[string]string{"": s.Properties, "topic.": s.Topic, "broker.": s.Broker} {
		for key, value := range properties {
			fields[prefix+key] = value
		}
	}
	return fields
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// Select finds the arms of a run that a selector such as "consumers=4,client=franz"
// means: those that have each of its values, as axis, client, profile or workload. An
// empty selector means all. An error names the values that there are.
func Select(run result.Run, selector string) ([]int, error) {
	var arms []int
	for i, arm := range run.Plan.Arms {
		if matches(arm, selector) {
			arms = append(arms, i)
		}
	}
	if len(arms) == 0 {
		return nil, fmt.Errorf("run %s has no setting %q; its settings are: %s", run.Plan.Run, selector, strings.Join(result.Labels(run.Plan.Arms), "; "))
	}
	return arms, nil
}

func matches(arm result.Arm, selector string) bool {
	if selector == "" {
		return true
	}
	for _, want := range strings.Split(selector, ",") {
		name, value, _ := strings.Cut(want, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		known := map[string]string{"client": arm.Client, "profile": arm.Profile, "workload": arm.Workload}
		maps.Copy(known, arm.Values)
		if have, ok := known[name]; !ok || have != value {
			return false
		}
	}
	return true
}
