package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"redline/internal/term"
	"redline/result"
)

// LimitHead is the first line of a limit: what is measured.
func LimitHead(e result.Environment, w result.Workload) string {
	parts := []string{"redline", kafkaName(e), fmt.Sprintf("%d CPUs", e.CPUs)}
	if w.RecordBytes > 0 {
		parts = append(parts, fmt.Sprintf("%d B records", w.RecordBytes))
	}
	if w.Partitions > 0 {
		parts = append(parts, fmt.Sprintf("%d partitions", w.Partitions))
	}
	return foldParts(parts)
}

// foldParts joins parts by dots, on more than one line where 80 columns demand it.
func foldParts(parts []string) string {
	text, width := parts[0], utf8.RuneCountInString(parts[0])
	for _, part := range parts[1:] {
		n := utf8.RuneCountInString(part) + 3
		if width+n > 80 {
			text, width = text+"\n       ", 7
		}
		text, width = text+" · "+part, width+n
	}
	return text
}

func kafkaName(e result.Environment) string {
	name := e.Kafka
	if e.Nodes > 0 {
		name += fmt.Sprintf(", %d node%s", e.Nodes, plural(e.Nodes))
	}
	switch e.Storage {
	case "", "none": // a null sink's name says that it keeps nothing
	case "memory":
		name += ", log in memory"
	default:
		name += ", log on " + e.Storage
	}
	return name
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// Limit writes what a limit found as text.
func Limit(w io.Writer, r result.LimitReport) {
	if r.Limit.Consume == nil && r.Limit.Produce == nil {
		return
	}
	fmt.Fprintf(w, "%-20s%9s   %-18s%6s   %s\n", "LIMIT", "records/s", "95 % interval", "MB/s", "CPU ns/record")
	side(w, "consume", r.Limit.Consume)
	side(w, "produce", r.Limit.Produce)
	reachedWith(w, "consume", r.Limit.Consume)
	reachedWith(w, "produce", r.Limit.Produce)
	usedBy(w, "consume", r.Usage.Consume, r.Limit.Consume)
	usedBy(w, "produce", r.Usage.Produce, r.Limit.Produce)
	limitLadder(w, r.Ladder)
	paragraph(w, "ACCOUNT", Account(r.Account))
	for _, warning := range r.Warnings {
		paragraph(w, "note", warning)
	}
	if r.Run != "" {
		paragraph(w, "Report", "redline report "+r.Run)
	}
}

// limitLadder writes where consuming goes, between empty lines.
func limitLadder(w io.Writer, l *result.Ladder) {
	if l == nil {
		return
	}
	all := make([]row, len(l.Rows))
	for i, r := range l.Rows {
		all[i] = row{r, i}
	}
	ladderText(w, newLadder("where consuming goes", all, l.Comparisons))
	fmt.Fprintln(w)
}

// paragraph writes text beside its head, folded at 80 columns.
func paragraph(w io.Writer, head, text string) {
	const indent, width = 9, 80 - 9
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			fmt.Fprintf(w, "%-*s%s\n", indent, head, line)
			head, line = "", ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	fmt.Fprintf(w, "%-*s%s\n", indent, head, line)
}

func side(w io.Writer, name string, reached *result.Reached) {
	if reached == nil {
		return
	}
	rate := reached.RecordsPerSecond
	interval := fmt.Sprintf("n=%d, no interval", rate.N)
	if rate.Confidence > 0 {
		interval = term.Rate(rate.Low) + " – " + term.Rate(rate.High)
	}
	fmt.Fprintf(w, "  %-9s%-9s%9s   %-18s%6s   %s\n", name, reached.Client,
		term.Rate(rate.Median), interval,
		digits(reached.MegabytesPerSecond.Median, 3), digits(reached.CPUNsPerRecord.Median, 3))
}

func reachedWith(w io.Writer, name string, reached *result.Reached) {
	if reached == nil {
		return
	}
	fmt.Fprintf(w, "  %-9sreached with %s\n", name, Setting(reached.Settings))
	if reached.RunnerUp != nil {
		fmt.Fprintf(w, "  %-9snext best    %s\n", "", Setting(reached.RunnerUp.Settings))
		fmt.Fprintf(w, "  %-9s             %s (%d rounds)\n", "", against(reached.RunnerUp.Ratio), reached.RunnerUp.Ratio.N)
	}
	if reached.Rewinds > 0 {
		fmt.Fprintf(w, "  %-9sread again from the start %d times inside the windows\n", "", reached.Rewinds)
	}
}

// against says how a ratio to the best reads. Without a margin that was asked
// for, "no difference" cannot be claimed: only whether one was seen.
func against(ratio result.Estimate) string {
	if ratio.Confidence == 0 {
		return fmt.Sprintf("n=%d, could not tell a difference", ratio.N)
	}
	span := fmt.Sprintf("%+.0f – %+.0f %%", 100*(ratio.Low-1), 100*(ratio.High-1))
	if ratio.Low <= 1 && ratio.High >= 1 {
		return "~ could not tell them apart: " + span
	}
	return fmt.Sprintf("%+.0f %% (%s)", 100*(ratio.Median-1), span)
}

// Setting writes a configuration in the words of a command line.
func Setting(s result.ClientSetting) string {
	parts := []string{fmt.Sprintf("%d connection%s", s.Connections, plural(s.Connections))}
	keys := make([]string, 0, len(s.Properties))
	for key := range s.Properties {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if key == "connections.per.broker" {
			continue // they were said
		}
		if words, ok := settingWords[key]; ok {
			parts = append(parts, fmt.Sprintf(words, value(s.Properties[key])))
		} else {
			parts = append(parts, key+"="+s.Properties[key])
		}
	}
	return strings.Join(parts, ", ")
}

var settingWords = map[string]string{
	"fetch.max.bytes":           "%s a fetch",
	"max.partition.fetch.bytes": "%s a partition",
	"batch.size":                "%s batches",
	"linger.ms":                 "linger %s ms",
	"acks":                      "acks=%s",
}

// value writes round sizes as KiB or MiB and leaves the rest as it is.
func value(v string) string {
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case err != nil || n < 1<<10:
		return v
	case n%1000 == 0:
		return term.Count(n) + " B"
	}
	return term.Bytes(n)
}

func usedBy(w io.Writer, name string, u *result.Usage, reached *result.Reached) {
	if u == nil || reached == nil {
		return
	}
	head := "USED BY"
	if name == "produce" {
		head = ""
	}
	fmt.Fprintf(w, "%-9s%-9s%s\n", head, name, cpu(*u, 0))
	fmt.Fprintf(w, "%-9s%-9sGC %.0f %% of client's; peak RSS %s client%s\n", "", "",
		100*max(0, u.GCShare), size(u.ClientPeakRSS), brokerRSS(*u))
	if u.WireRead >= 0 && u.Wall > 0 {
		fmt.Fprintf(w, "%-9s%-9swire %s/s read, %s/s written\n", "", "",
			term.Bytes(int64(float64(u.WireRead)/u.Wall.Seconds())), term.Bytes(int64(float64(u.WireWritten)/u.Wall.Seconds())))
	}
}

func brokerRSS(u result.Usage) string {
	if u.BrokerPeakRSS <= 0 {
		return ""
	}
	return ", " + size(u.BrokerPeakRSS) + " broker"
}
