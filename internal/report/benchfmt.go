package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"

	"redline/result"
)

// Benchfmt writes every trial that counts as a result line of the Go benchmark
// format, which benchstat reads:
//
//	BenchmarkConsume/client=franz/profile=tuned/consumers=4 1 123456 records/s 12.3 MB/s 45.6 ns/record
//
// The configuration lines tell where it was measured. What two runs to be compared
// always differ in, such as their ids, is not among them: benchstat puts
// results of different configurations into different tables.
func Benchfmt(w io.Writer, r result.ExperimentReport) error {
	r = clean(r)
	out := benchfmt.NewWriter(w)
	for _, unit := range []struct{ name, better string }{{"records/s", "higher"}, {"MB/s", "higher"}, {"ns/record", "lower"}} {
		meta := &benchfmt.UnitMetadata{OrigUnit: unit.name, Value: unit.better}
		meta.Unit, meta.Key = unit.name, "better"
		if err := out.Write(meta); err != nil {
			return err
		}
	}
	config := configuration(r.Environment)
	for _, row := range r.Rows {
		name := benchName(r.Plan, row)
		for _, t := range counting(row) {
			if err := out.Write(&benchfmt.Result{Config: config, Name: benchfmt.Name(name), Iters: 1, Values: benchValues(t)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchValues leaves out what is not known.
func benchValues(t result.RowTrial) []benchfmt.Value {
	values := []benchfmt.Value{{Value: t.RecordsPerSecond, Unit: "records/s"}}
	if t.MegabytesPerSecond > 0 {
		values = append(values, benchfmt.Value{Value: t.MegabytesPerSecond, Unit: "MB/s"})
	}
	if t.CPUNsPerRecord > 0 {
		values = append(values, benchfmt.Value{Value: t.CPUNsPerRecord, Unit: "ns/record"})
	}
	return values
}

func configuration(e result.Environment) []benchfmt.Config {
	var all []benchfmt.Config
	say := func(key, value string) {
		if value != "" {
			all = append(all, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	say("kafka", e.Kafka)
	say("nodes", strconv.Itoa(e.Nodes))
	say("storage", e.Storage)
	for _, name := range slices.Sorted(maps.Keys(e.Clients)) {
		say("client-"+configKey(name), e.Clients[name])
	}
	say("go", e.Go)
	say("os", e.OS)
	say("kernel", e.Kernel)
	say("cpus", strconv.Itoa(e.CPUs))
	say("cpu", e.CPU)
	return all
}

// configKey writes a name as a key of the format: without upper case, spaces and
// colons.
func configKey(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ':' {
			return '-'
		}
		return unicode.ToLower(r)
	}, name)
}

// benchName is the name of a row as a benchmark.
func benchName(p result.Plan, r result.Row) string {
	name := "Trial"
	switch r.Workload {
	case result.Consume:
		name = "Consume"
	case result.Produce:
		name = "Produce"
	}
	say := func(key, value string) { name += "/" + benchWord(key) + "=" + benchWord(value) }
	say("client", r.Client)
	say("profile", r.Profile)
	for _, axis := range p.Axes {
		if v, ok := r.Values[axis.Name]; ok && axis.Name != "client" && axis.Name != "profile" {
			say(axis.Name, v)
		}
	}
	return name
}

// benchWord writes text as a part of a benchmark's name. What parts a name, and
// the dash of a last number, which would be taken for GOMAXPROCS, is written in the
// way of addresses: %20 for a space.
func benchWord(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsSpace(r) || strings.ContainsRune("/=%", r) || r == '-' && isNumber(s[i+1:]) {
			fmt.Fprintf(&b, "%%%02X", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
