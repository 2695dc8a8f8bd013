package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"redline/internal/term"
	"redline/result"
)

var laws = map[string]string{
	result.Linear:     "linear",
	result.Saturating: "saturating (Amdahl's)",
	result.Universal:  "universal scalability (Gunther's)",
}

// fitted tells a law in a sentence: which, its parameters, what follows.
func fitted(f result.Fit, margin float64) string {
	text := fmt.Sprintf("%s over %s: the %s law", f.Workload, f.Axis, laws[f.Law])
	if len(f.AICc) > 1 {
		text += fmt.Sprintf(", best by AICc of %d", len(f.AICc))
	}
	text += ": one does " + uncertain(f.Lambda, rate) + " records/s"
	if f.Law != result.Linear {
		text += ", contention " + uncertain(f.Sigma, plain)
	}
	if f.Law == result.Universal {
		text += ", coherence " + uncertain(f.Kappa, plain)
	}
	return text + "; " + peak(f) + linear(f, margin)
}

func uncertain(e result.Estimate, k kind) string {
	text := newScale(e, k).value(e.Median)
	if e.Confidence == 0 {
		return text
	}
	return text + " (" + interval(e, k) + ")"
}

func peak(f result.Fit) string {
	if f.Peak > 0 {
		return fmt.Sprintf("it turns down at %s; ", brief(f.Peak, 2))
	}
	if f.Law == result.Universal {
		return "it does not turn down within twice what was tried; "
	}
	return ""
}

func linear(f result.Fit, margin float64) string {
	if f.LinearUpTo == 0 {
		return "up to where it is linear could not be told"
	}
	return fmt.Sprintf("linear up to %s within %s %%", brief(f.LinearUpTo, 3), brief(100*margin, 2))
}

// gated tells how a threshold came out, and what it was held against.
func gated(g result.Gate) string {
	held := "no trial counts"
	if g.Estimate.N > 0 {
		held = uncertain(g.Estimate, kindOf(g.Text))
	}
	return fmt.Sprintf("%s: %s (%s: %s)", g.Result, g.Text, g.Row, held)
}

// kindOf is that of the measure that a threshold names.
func kindOf(threshold string) kind {
	switch {
	case strings.Contains(threshold, "records_per_second"):
		return rate
	case strings.Contains(threshold, "cpus"):
		return processors
	}
	return plain
}

// counted tells how many trials there are and how many of them count.
func counted(r result.ExperimentReport) string {
	text := fmt.Sprintf("%d of %d planned have a figure; excluded %d attempt%s, failed %d",
		r.Finished, r.Planned, r.Excluded, plural(r.Excluded), r.Failed)
	if n := len(r.Sessions); n > 1 {
		text += fmt.Sprintf("; measured in %d sittings", n)
	}
	return text
}

// repeated are the commands that do it again in the same order, go on, and show it.
func repeated(r result.ExperimentReport) []string {
	var commands []string
	if len(r.Plan.Command) > 0 {
		words := []string{"redline"}
		for _, word := range r.Plan.Command {
			words = append(words, quoted(word))
		}
		// The last of several seeds is the one that is taken.
		commands = append(commands, strings.Join(words, " ")+" --seed "+strconv.FormatUint(r.Plan.Seed, 10))
	}
	if r.Finished < r.Planned {
		commands = append(commands, "redline run --resume "+quoted(r.Run))
	}
	return append(commands, "redline report "+quoted(r.Run))
}

// quoted writes an argument as a shell reads it.
func quoted(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,-", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// asked is a setting of a plan: one value, or all that vary.
type asked struct{ Name, Value string }

// settingsOf lists what the arms of a plan were set to.
func settingsOf(p result.Plan) []asked {
	var all []asked
	say := func(name string, of func(result.Arm) string) {
		var values []string
		for _, arm := range p.Arms {
			if v := of(arm); !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		if text := strings.Join(values, ", "); text != "" {
			all = append(all, asked{name, text})
		}
	}
	say("workload", func(a result.Arm) string { return a.Workload })
	say("client", programOf)
	say("instances", func(a result.Arm) string { return strconv.Itoa(a.Setting.Instances) })
	say("partitions", func(a result.Arm) string { return strconv.Itoa(a.Setting.Partitions) })
	say("record size", func(a result.Arm) string { return strconv.Itoa(a.Setting.RecordBytes) + " B" })
	say("payload", func(a result.Arm) string { return a.Setting.Payload })
	say("keys", func(a result.Arm) string { return a.Setting.Keys })
	say("compression", func(a result.Arm) string { return a.Setting.Compression })
	say("acks", func(a result.Arm) string { return a.Setting.Acks })
	say("rate", func(a result.Arm) string {
		if a.Setting.Rate == 0 {
			return ""
		}
		return term.Rate(a.Setting.Rate) + " records/s offered"
	})
	say("handler", func(a result.Arm) string { return a.Setting.Handler })
	say("nodes", func(a result.Arm) string {
		if a.Setting.Nodes == 0 {
			return ""
		}
		return strconv.Itoa(a.Setting.Nodes)
	})
	for _, part := range []struct {
		prefix string
		of     func(result.Setting) map[string]string
	}{
		{"", func(s result.Setting) map[string]string { return s.Properties }},
		{"topic ", func(s result.Setting) map[string]string { return s.Topic }},
		{"broker ", func(s result.Setting) map[string]string { return s.Broker }},
	} {
		for _, key := range keysOf(p.Arms, part.of) {
			say(part.prefix+key, func(a result.Arm) string {
				if v, set := part.of(a.Setting)[key]; set {
					return v
				}
				return "(its default)"
			})
		}
	}
	return all
}

// programOf names the client of an arm with its profile, or with its command where it
// is a program of the reader's.
func programOf(a result.Arm) string {
	switch {
	case a.Command != "":
		return a.Client + " (" + a.Command + ")"
	case a.Adds != "":
		return a.Client
	}
	return strings.TrimSpace(a.Client + " " + a.Profile)
}

func keysOf(arms []result.Arm, of func(result.Setting) map[string]string) []string {
	keys := map[string]bool{}
	for _, arm := range arms {
		for key := range of(arm.Setting) {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// where names the cluster and the machine of an environment, a part each.
func where(e result.Environment) []string {
	parts := []string{kafkaName(e)}
	if e.CPUs > 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d CPUs %s", e.CPUs, e.CPU)))
	}
	if e.Memory > 0 {
		parts = append(parts, term.Bytes(e.Memory)+" of memory")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Clients)) {
		if version := e.Clients[name]; !slices.Contains(parts, version) {
			parts = append(parts, version)
		}
	}
	for _, part := range []string{e.OS, e.Kernel, e.Go} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
