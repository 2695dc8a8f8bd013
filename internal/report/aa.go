package report

import (
	"fmt"
	"io"

	"redline/result"
)

// AA writes what a campaign of null comparisons and planted slowdowns found.
func AA(w io.Writer, r result.AAReport) {
	fmt.Fprintf(w, "%-22s%6s  %5s  %5s  %8s  %s\n", "COMPARISONS", "pairs", "tries", "found", "promised", "ratio (median of the tries)")
	campaign(w, "with itself", r.Nulls)
	for _, c := range r.Planted {
		campaign(w, fmt.Sprintf("%g %% slower", 100*c.Effect), c)
	}
	fmt.Fprintf(w, "\nFound means a sign-flip p below 0.05; with itself that is a false alarm.\n")
	fmt.Fprintf(w, "The ratio of one pair of trials scatters by %.1f %% here (--noise of a plan).\n", 100*r.Noise)
	if r.Excluded > 0 || r.Failed > 0 {
		fmt.Fprintf(w, "%d attempts were left out for what went on beside them, %d trials failed.\n", r.Excluded, r.Failed)
	}
	paragraph(w, "ACCOUNT", Account(r.Account))
	for _, warning := range r.Warnings {
		paragraph(w, "note", clean(warning))
	}
}

func campaign(w io.Writer, name string, c result.Campaign) {
	promised := "5 %"
	if c.Effect > 0 {
		promised = fmt.Sprintf("%.0f %%", 100*c.Power)
	}
	fmt.Fprintf(w, "  %-20s%6d  %5d  %5d  %8s  %s\n", name, c.Pairs, c.Tries, c.Found, promised, ratioOf(c.Ratio))
}

func ratioOf(e result.Estimate) string {
	if e.Confidence == 0 {
		return fmt.Sprintf("%.3f (n=%d, no interval)", e.Median, e.N)
	}
	return fmt.Sprintf("%.3f (%.3f – %.3f)", e.Median, e.Low, e.High)
}
