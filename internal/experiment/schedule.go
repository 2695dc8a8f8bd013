package experiment

import (
	"math/rand/v2"
	"time"

	"redline/result"
)

// schedule is how the time of a limit is spent.
type schedule struct {
	timing timing
	fill   time.Duration // at most, for filling the topic
	rounds int           // of confirmation, each setting once
}

// MinTime is the shortest time a limit can be asked in, DefaultTime what it
// takes when nothing is said: within 90 s with all that is around the trials.
const (
	MinTime     = 15 * time.Second
	DefaultTime = 76 * time.Second
)

const (
	minRounds = 8
	maxRounds = 40
	maxWindow = 3 * time.Second
	// overhead is what a trial costs beside its warm-up and window: making
	// clients, joining, closing.
	overhead = 120 * time.Millisecond
)

// plan divides the time over trials: up to the default length by shortening
// them, above it by longer windows first and more rounds then.
func plan(total time.Duration, sides int, grid int) schedule {
	s := schedule{timing: defaultTiming, rounds: minRounds, fill: min(total/12, 8*time.Second)}
	left := total - s.fill - 2*time.Second
	trials := func(rounds int) int { return sides * (grid + 2*rounds) }
	each := left/time.Duration(trials(s.rounds)) - overhead
	whole := s.timing.warm + s.timing.window
	if each < whole {
		s.timing.warm = max(20*time.Millisecond, each*s.timing.warm/whole) //nolint:durationcheck // the unit goes with that of whole
		s.timing.window = max(50*time.Millisecond, each-s.timing.warm)
		return s
	}
	s.timing.window = min(maxWindow, each-s.timing.warm)
	if total <= DefaultTime {
		s.timing.window = defaultTiming.window
	}
	for s.rounds < maxRounds && time.Duration(trials(s.rounds+1))*(s.timing.warm+s.timing.window+overhead) <= left {
		if total <= DefaultTime {
			break
		}
		s.rounds++
	}
	return s
}

// shuffled gives the grid in an order that depends on the seed alone.
func shuffled(grid []result.ClientSetting, seed uint64) []result.ClientSetting {
	order := append([]result.ClientSetting(nil), grid...)
	rng := rand.New(rand.NewPCG(seed, seed))
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// interleaved gives the order of rounds over two settings: A B, B A, A B … so
// that a drift of the machine meets both alike.
func interleaved(round int) [2]int {
	if round%2 == 0 {
		return [2]int{0, 1}
	}
	return [2]int{1, 0}
}

// consumeGrid and produceGrid are what `limit` tries in its first form.
func consumeGrid() []result.ClientSetting {
	var grid []result.ClientSetting
	for _, connections := range []int{1, 2, 4} {
		for _, fetch := range []string{"1048576", "4194304"} {
			grid = append(grid, result.ClientSetting{Connections: connections, Properties: map[string]string{
				"fetch.max.bytes": fetch, "max.partition.fetch.bytes": "1048576",
			}})
		}
	}
	return grid
}

func produceGrid() []result.ClientSetting {
	var grid []result.ClientSetting
	for _, connections := range []int{1, 2, 4} {
		for _, batch := range []string{"65536", "1000000"} {
			grid = append(grid, result.ClientSetting{Connections: connections, Properties: map[string]string{
				"acks": "all", "batch.size": batch, "linger.ms": "5",
			}})
		}
	}
	return grid
}
