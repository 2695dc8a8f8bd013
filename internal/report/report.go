// Package report turns what was found into text: results enter, lines leave. A
// report is a pure function of its result; it starts nothing and measures
// nothing.
//
// Rules of the text: nothing wider than 80 columns unless a name from outside
// is, no more digits than a figure bears, a warning beside the figure that it
// is about.
package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"redline/internal/term"
	"redline/result"
)

// Usage tells in lines what a span of time cost and who paid it. records is
// what was done in it, for the cost of one; 0 leaves that out.
func Usage(u result.Usage, records int64) []string {
	var lines []string
	if u.Wall > 0 {
		lines = append(lines, "CPU: "+cpu(u, records))
	}
	memory := "peak RSS " + size(u.ClientPeakRSS) + " client"
	if u.BrokerPeakRSS > 0 {
		memory += ", " + size(u.BrokerPeakRSS) + " broker"
	}
	if u.GCShare >= 0 {
		memory += fmt.Sprintf("; GC %.1f %% of the client's CPU", 100*u.GCShare)
	}
	lines = append(lines, "Memory: "+memory)
	if u.WireRead >= 0 {
		wire := fmt.Sprintf("%s read, %s written by the client", term.Bytes(u.WireRead), term.Bytes(u.WireWritten))
		lines = append(lines, "Wire: "+wire)
	}
	if len(u.Missing) > 0 {
		lines = append(lines, "Not seen: "+strings.Join(u.Missing, ", "))
	}
	return lines
}

// cpu says how many processors were busy, and whose work it was.
func cpu(u result.Usage, records int64) string {
	var parts []string
	if u.HostCPU >= 0 {
		parts = append(parts, fmt.Sprintf("%.2f of %d CPUs busy", u.HostCPU/u.Wall.Seconds(), u.CPUs))
	}
	if u.BrokerCPU >= 0 && u.BrokerPeakRSS > 0 {
		parts = append(parts, fmt.Sprintf("broker %.2f", u.BrokerCPU/u.Wall.Seconds()))
	}
	if u.ClientCPU >= 0 {
		parts = append(parts, fmt.Sprintf("client %.2f", u.ClientCPU/u.Wall.Seconds()))
	}
	if u.StealCPU >= 0 {
		parts = append(parts, fmt.Sprintf("stolen %.2f", u.StealCPU/u.Wall.Seconds()))
	}
	if records > 0 && u.ClientCPU >= 0 {
		parts = append(parts, fmt.Sprintf("%s ns/record", digits(u.ClientCPU*1e9/float64(records), 3)))
	}
	return strings.Join(parts, ", ")
}

func size(n int64) string {
	if n <= 0 {
		return "unknown"
	}
	return term.Bytes(n)
}

// Account tells what became of every record: first what is right, then each
// anomaly by its name and count. Names with a count of 0 are left out.
func Account(a result.Account) string {
	var parts []string
	say := func(n int64, name string) {
		if n != 0 {
			parts = append(parts, term.Count(n)+" "+name)
		}
	}
	say(a.Acked, "acked")
	say(a.Failed, "failed")
	say(a.Indeterminate, "indeterminate")
	say(a.Once, "once")
	if a.Once > 0 || a.Lost > 0 {
		parts = append(parts, term.Count(a.Lost)+" lost", term.Count(a.Duplicated)+" duplicated")
	}
	say(a.PermittedLoss, "of the lost permitted by acks")
	say(a.Redelivered, "redelivered")
	say(a.Reordered, "reordered")
	say(a.Corrupt, "corrupt")
	say(a.Foreign, "foreign")
	say(a.Expired, "expired")
	say(a.Elsewhere, "read by others of the group")
	say(a.Skipped, "skipped offsets")
	say(a.Unread, "unread")
	say(a.Spilled, "intervals spilled (counts are lower bounds)")
	if len(parts) == 0 {
		parts = append(parts, "nothing was counted")
	}
	if a.Books != nil {
		parts = append(parts, books(*a.Books))
	}
	return strings.Join(parts, ", ")
}

func books(b result.Books) string {
	text := "offsets agree"
	if !b.Balanced {
		text = fmt.Sprintf("offsets moved by %s", term.Count(b.Offsets))
	}
	if b.Note != "" {
		text += " (" + b.Note + ")"
	}
	return text
}

// digits writes a number with at most n significant digits and no exponent.
func digits(v float64, n int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	decimals := n - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	scale := math.Pow(10, float64(decimals))
	return strconv.FormatFloat(math.Round(v*scale)/scale, 'f', max(0, decimals), 64)
}
