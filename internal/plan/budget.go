package plan

import (
	"fmt"
	"math"
	"strings"
	"time"

	"redline/internal/term"
	"redline/result"
)

// How far a time that is short may cut a plan.
const (
	// leastRounds have an interval at 95 %; fewer have none.
	leastRounds = 6
	leastWindow = time.Second
	// leastBursts holds several bursts of a client that delivers one a second.
	leastBursts = 5 * time.Second
	leastWarmup = 400 * time.Millisecond
	leastFill   = 64 << 20
	// fillShare is the part of a short time that may go into filling topics.
	fillShare = 1.0 / 6
	// planned is the part of a given time that estimates may fill: they are of a
	// host that soon comes to rest, and of rates that soon are steady.
	planned = 0.95
)

// budget is what a plan may be cut to: rounds and lengths as they are wanted, and
// what they cost.
type budget struct {
	cost
	trials []result.Planned // in as many rounds as may be
	arms   int
	rounds int // wanted
	most   int // rounds, when there is time to spare
	timing result.Timing
	bursts bool
	fill   int64
}

func (b budget) seconds(rounds int) float64 {
	return b.cost.seconds(b.trials[:rounds*b.arms], b.timing, b.fill)
}

// fit cuts the plan until it takes no longer than limit: fills first, then rounds
// down to six, windows, warm-ups, fills again, and at last the six rounds. It says in words what
// was cut; the error names the least time that would do.
func (b budget) fit(limit time.Duration) (budget, string, error) {
	wanted, most := b, planned*limit.Seconds()
	if b.seconds(b.rounds) > most {
		b.cutFill(fillShare * most)
	}
	for r := b.most; r >= min(leastRounds, wanted.rounds); r-- {
		if b.seconds(r) <= most {
			b.rounds = r
			return b, b.cut(wanted), nil
		}
	}
	least := b.least()
	for r := min(leastRounds, wanted.rounds); r >= 1; r-- {
		for least.fill = b.fill; ; least.fill = max(leastFill, least.fill/2) {
			if least.seconds(r) <= most {
				b = b.stretch(least, r, most)
				return b, b.cut(wanted), nil
			}
			if least.fill <= leastFill {
				break
			}
		}
	}
	enough := time.Duration(math.Ceil(least.seconds(1)/planned)) * time.Second
	return b, "", fmt.Errorf("%s are not enough for one round of %d trials; the least is %s: give more time, or ask for fewer values", short(limit), b.arms, short(enough))
}

// cutFill halves what topics are filled with until that takes no longer.
func (b *budget) cutFill(seconds float64) {
	trials := b.trials[:min(leastRounds, b.rounds)*b.arms]
	for b.fill > leastFill && b.fills(trials, b.fill) > seconds {
		b.fill = max(leastFill, b.fill/2)
	}
}

// least is the plan with the shortest windows and warm-ups.
func (b budget) least() budget {
	window, warmup := leastWindow, leastWarmup
	if b.bursts {
		window, warmup = leastBursts, leastWindow
	}
	b.timing.Window, b.timing.Warmup = min(window, b.timing.Window), min(warmup, b.timing.Warmup)
	return b
}

// stretch gives what is left of so many seconds, with these rounds at their least,
// back to the warm-ups, then to the windows.
func (b budget) stretch(least budget, rounds int, seconds float64) budget {
	least.rounds = rounds
	share := func(weight float64) time.Duration {
		spare := (seconds - least.seconds(rounds)) / float64(rounds*b.arms) / weight
		return time.Duration(spare*10) * time.Second / 10
	}
	least.timing.Warmup = min(b.timing.Warmup, least.timing.Warmup+share(warming))
	if least.timing.Warmup == b.timing.Warmup {
		least.timing.Window = min(b.timing.Window, least.timing.Window+share(1))
	}
	return least
}

// cut says how b is less than what was wanted; empty when it is not.
func (b budget) cut(wanted budget) string {
	var parts []string
	if b.fill < wanted.fill {
		parts = append(parts, fmt.Sprintf("fills of %s a topic instead of %s", term.Bytes(b.fill), term.Bytes(wanted.fill)))
	}
	if b.rounds < wanted.rounds {
		noun := "rounds"
		if b.rounds == 1 {
			noun = "round"
		}
		parts = append(parts, fmt.Sprintf("%d %s of %d", b.rounds, noun, wanted.rounds))
	}
	if b.timing.Window < wanted.timing.Window {
		parts = append(parts, fmt.Sprintf("windows of %s instead of %s", term.Duration(b.timing.Window), term.Duration(wanted.timing.Window)))
	}
	if b.timing.Warmup < wanted.timing.Warmup {
		parts = append(parts, fmt.Sprintf("warm-ups of %s instead of %s", term.Duration(b.timing.Warmup), term.Duration(wanted.timing.Warmup)))
	}
	return strings.TrimSpace(list(parts, "and"))
}
