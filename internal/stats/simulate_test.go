package stats

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"redline/result"
)

// noise draws what a trial's logarithm is off by: the same, but for the scale, for
// all settings.
type noise struct {
	name   string
	median float64
	draw   func(*rand.Rand) float64
}

var noises = []noise{
	{"normal", 0, (*rand.Rand).NormFloat64},
	{"skewed", -1, func(r *rand.Rand) float64 { return -math.Exp(r.NormFloat64()) }}, // lognormal slowdowns
	{"heavy", 0, student3},
}

// student3 is Student's t with 3 degrees of freedom.
func student3(r *rand.Rand) float64 {
	chi := 0.0
	for range 3 {
		z := r.NormFloat64()
		chi += z * z
	}
	return r.NormFloat64() / math.Sqrt(chi/3)
}

// share counts how often what holds, of so many runs from a fixed seed.
func share(runs int, holds func(*rand.Rand) bool) float64 {
	rng := rand.New(rand.NewPCG(20, 26))
	count := 0
	for range runs {
		if holds(rng) {
			count++
		}
	}
	return float64(count) / float64(runs)
}

// values are n rates around rate, of trials with 5 % noise.
func values(rng *rand.Rand, n int, rate float64, of noise) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rate * math.Exp(0.05*(of.draw(rng)-of.median))
	}
	return x
}

func holds(e result.Estimate, truth float64) bool {
	return e.Confidence > 0 && e.Low <= truth && truth <= e.High
}

// interval is a kind of interval to be tried: sample makes one from n values (a
// side) around truth.
type interval struct {
	name   string
	truth  float64
	sample func(rng *rand.Rand, n int, of noise) result.Estimate
}

var intervals = []interval{
	{"median", 1e6, func(rng *rand.Rand, n int, of noise) result.Estimate {
		return Median(values(rng, n, 1e6, of))
	}},
	{"paired", 1.1, func(rng *rand.Rand, n int, of noise) result.Estimate {
		return Paired(values(rng, n, 1.1e6, of), values(rng, n, 1e6, of)).Ratio
	}},
	{"unpaired", 1.1, func(rng *rand.Rand, n int, of noise) result.Estimate {
		return Unpaired(values(rng, n, 1.1e6, of), values(rng, n, 1e6, of))
	}},
}

// cover is what one kind of interval states, and how often it held the truth.
func cover(k interval, n int, of noise) (stated, found float64) {
	found = share(10_000, func(rng *rand.Rand) bool {
		e := k.sample(rng, n, of)
		stated = e.Confidence
		return holds(e, k.truth)
	})
	return stated, found
}

func TestIntervalsCoverAsOftenAsTheyState(t *testing.T) {
	for _, k := range intervals {
		for _, of := range noises {
			for _, n := range []int{6, 10} {
				stated, found := cover(k, n, of)
				if math.Abs(found-stated) > 0.007 || stated < Confidence {
					t.Errorf("%s of %d, %s noise: found %.4f, stated %.4f", k.name, n, of.name, found, stated)
				}
			}
		}
	}
}

// drifting is a comparison of two runs of 10 trials, with drift between runs, from
// what five runs before had shown of it.
func drifting(drift float64, of noise) func(*rand.Rand) bool {
	return func(rng *rand.Rand) bool {
		run := func(rate float64) []float64 {
			return values(rng, 10, rate*math.Exp(drift*rng.NormFloat64()), of)
		}
		var medians []float64
		for range 5 {
			medians = append(medians, Median(run(1e6)).Median)
		}
		return holds(Widen(Unpaired(run(1.1e6), run(1e6)), Spread(medians), len(medians)), 1.1)
	}
}

func TestWidenedIntervalsCoverAtLeastWhatTheyState(t *testing.T) {
	for _, of := range noises {
		for _, drift := range []float64{0, 0.05, 0.2} {
			if found := share(3_000, drifting(drift, of)); found < Confidence-0.01 {
				t.Errorf("drift %v, %s noise: %v", drift, of.name, found)
			}
		}
	}
	// Without it they would not: the drift of 5 % is as large as the noise.
	bare := share(2_000, func(rng *rand.Rand) bool {
		a := values(rng, 10, math.Exp(0.05*rng.NormFloat64()), noises[0])
		return holds(Unpaired(a, values(rng, 10, math.Exp(0.05*rng.NormFloat64()), noises[0])), 1)
	})
	if bare > 0.8 {
		t.Errorf("the drift does no harm (cover %v): this shows nothing", bare)
	}
}

// power is the share of effects that n pairs find; draw gives the log-ratio of one
// pair without an effect.
func power(n, runs int, effect float64, draw func(*rand.Rand) float64) float64 {
	x := make([]float64, n)
	return share(runs, func(rng *rand.Rand) bool {
		for i := range x {
			x[i] = effect + draw(rng)
		}
		return signFlip(x) < Alpha
	})
}

// scaled is a log-ratio of normal noise of that standard deviation.
func scaled(sd float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 { return sd * rng.NormFloat64() }
}

// glitches is noise as on a shared machine, until a recording stands in for it: 5 %
// a pair, and 20 % for one pair of twenty. sd is its standard deviation.
func glitches() (draw func(*rand.Rand) float64, sd float64) {
	const usual, odd, rare = 0.05, 0.2, 0.05
	return func(rng *rand.Rand) float64 {
		if rng.Float64() < rare {
			return odd * rng.NormFloat64()
		}
		return usual * rng.NormFloat64()
	}, math.Sqrt((1-rare)*usual*usual + rare*odd*odd)
}

func TestNoiseAloneIsCalledADifferenceAsOftenAsAlphaSays(t *testing.T) {
	glitch, _ := glitches()
	for name, draw := range map[string]func(*rand.Rand) float64{"normal": scaled(0.05), "glitches": glitch, "heavy": student3} {
		for _, n := range []int{8, 12} {
			if found := power(n, 10_000, 0, draw); found > Alpha+0.007 || found < 0.035 {
				t.Errorf("%s noise, %d pairs: alarms %v", name, n, found)
			}
		}
	}
}

func TestPairsForKeepsItsPromiseForNormalNoise(t *testing.T) {
	// Effects for which the formula gives a whole number: nothing is rounded up.
	for _, n := range []int{10, 13, 16} {
		const effect = 0.03
		sd := effect * math.Sqrt(float64(n-2)) / 2.8016
		if got := PairsFor(effect, sd*(1-1e-6), 0.8); got != n {
			t.Fatalf("%d pairs, want %d", got, n)
		}
		if found := power(n, 10_000, effect, scaled(sd)); found < 0.78 || found > 0.82 {
			t.Errorf("%d pairs: power %v", n, found)
		}
	}
	// Fewer pairs may only find more.
	for _, sd := range []float64{0.01, 0.015, 0.018, 0.02, 0.022, 0.024, 0.026, 0.028, 0.03} {
		for _, promised := range []float64{0.8, 0.9} {
			n := PairsFor(0.03, sd, promised)
			if found := power(n, 4_000, 0.03, scaled(sd)); found < promised-0.02 {
				t.Errorf("noise %v, %d pairs: power %v", sd, n, found)
			}
		}
	}
}

func TestPairsForKeepsItsPromiseAmongGlitches(t *testing.T) {
	draw, sd := glitches()
	for _, c := range []struct{ effect, promised float64 }{{0.05, 0.8}, {0.1, 0.9}} {
		n := PairsFor(c.effect, sd, c.promised)
		if found := power(n, 10_000, c.effect, draw); found < c.promised-0.02 {
			t.Errorf("effect %v, %d pairs: power %v", c.effect, n, found)
		}
	}
}

// trying gives samples of a known law: trials at each of eight values, 5 % noise.
func trying(rng *rand.Rand, law scaling, trials int) []Sample {
	var points []Sample
	for _, n := range []float64{1, 2, 3, 4, 6, 8, 12, 16} {
		points = append(points, Sample{N: n, Rates: values(rng, trials, law.rate(n), noises[0])})
	}
	return points
}

// coverOfLaw is how often the intervals of lambda, sigma and kappa hold the truth,
// and the law chosen is the universal one.
func coverOfLaw(truth scaling, trials, runs int) (lambda, sigma, kappa, universal float64) {
	rng := rand.New(rand.NewPCG(7, 7))
	for run := range runs {
		fit, err := Scaling(trying(rng, truth, trials), 0.03, uint64(run))
		if err != nil {
			panic(err) // eight values are enough
		}
		count := func(yes bool, in *float64) {
			if yes {
				*in += 1 / float64(runs)
			}
		}
		count(holds(fit.Lambda, truth.lambda), &lambda)
		count(holds(fit.Sigma, truth.sigma), &sigma)
		count(holds(fit.Kappa, truth.kappa), &kappa)
		count(fit.Law == result.Universal, &universal)
	}
	return lambda, sigma, kappa, universal
}

// level is a rate in bins of 5 % noise that follow each other; phi is how much of
// one's deviation the next one keeps.
func level(rng *rand.Rand, n int, rate, phi float64) []float64 {
	bins, off := make([]float64, n), rng.NormFloat64()
	for i := range bins {
		bins[i] = rate * (1 + 0.05*off)
		off = phi*off + math.Sqrt(1-phi*phi)*rng.NormFloat64()
	}
	return bins
}

func changed(phi float64) func(*rand.Rand) bool {
	return func(rng *rand.Rand) bool { return len(Changes(level(rng, 100, 1e6, phi), 0.05)) > 0 }
}

func unsteady(n int, phi float64) func(*rand.Rand) bool {
	return func(rng *rand.Rand) bool {
		_, ok := Steady(level(rng, n, 1e6, phi))
		return !ok
	}
}

// BenchmarkSimulation prints the tables of docs/statistics.md. It takes four minutes:
//
//	go test ./internal/stats -run '^$' -bench Simulation -benchtime 1x -timeout 1h
//
// REDLINE_NOISE=FILE adds noise that was recorded: log-ratios of pairs of the same
// setting, a number a line; -bench Simulation/power prints its table alone.
func BenchmarkSimulation(b *testing.B) {
	for _, table := range []struct {
		name, head string
		fill       func(t testing.TB, row func(format string, args ...any))
	}{
		{"intervals", "| interval | n | stated | normal | skewed | heavy |", tableOfIntervals},
		{"drift", "| drift between runs | normal | skewed | heavy |", tableOfDrift},
		{"power", "| noise of a pair | effect | pairs | promised | found |", tableOfPower},
		{"laws", "| trials at each N | law | lambda | sigma | kappa | chosen |", tableOfLaws},
		{"series", "| bins | phi | changed | not steady |", tableOfSeries},
	} {
		b.Run(table.name, func(b *testing.B) {
			for b.Loop() {
				lines := []string{"", table.head, strings.Repeat("|---", strings.Count(table.head, "|")-1) + "|"}
				table.fill(b, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
				b.Log(strings.Join(lines, "\n"))
			}
		})
	}
}

func tableOfIntervals(_ testing.TB, row func(string, ...any)) {
	for _, k := range intervals {
		for _, n := range []int{4, 6, 7, 8, 10, 12, 20} {
			stated, normal := cover(k, n, noises[0])
			if stated == 0 {
				continue
			}
			_, skewed := cover(k, n, noises[1])
			_, heavy := cover(k, n, noises[2])
			row("| %s | %d | %.1f | %.1f | %.1f | %.1f |", k.name, n, 100*stated, 100*normal, 100*skewed, 100*heavy)
		}
	}
}

func tableOfDrift(_ testing.TB, row func(string, ...any)) {
	for _, drift := range []float64{0, 0.02, 0.05, 0.2} {
		row("| %.0f %% | %.1f | %.1f | %.1f |", 100*drift, 100*share(10_000, drifting(drift, noises[0])),
			100*share(10_000, drifting(drift, noises[1])), 100*share(10_000, drifting(drift, noises[2])))
	}
}

func tableOfPower(t testing.TB, row func(string, ...any)) {
	t.Helper()
	promise := func(name string, sd float64, draw func(*rand.Rand) float64, effect, promised float64) {
		n := PairsFor(effect, sd, promised)
		found := power(n, 10_000, effect, draw)
		row("| %s, sd %.1f %% | %.0f %% | %d | %.0f | %.1f |", name, 100*sd, 100*effect, n, 100*promised, 100*found)
		if found < promised-0.02 {
			t.Errorf("%s noise, effect %v: %d pairs find %v, promised %v", name, effect, n, found, promised)
		}
	}
	glitch, glitchSD := glitches()
	own, ownSD := recorded(t)
	// What a plan by a spread that does not see the glitches would find.
	row("| glitches, planned by 5.0 %% | 3 %% | %d | 80 | %.1f |", PairsFor(0.03, 0.05, 0.8), 100*power(PairsFor(0.03, 0.05, 0.8), 10_000, 0.03, glitch))
	for _, effect := range []float64{0.03, 0.05, 0.1} {
		for _, promised := range []float64{0.8, 0.9} {
			promise("normal", 0.05, scaled(0.05), effect, promised)
			promise("glitches", glitchSD, glitch, effect, promised)
			if own != nil {
				promise("recorded", ownSD, own, effect, promised)
			}
		}
	}
}

func tableOfLaws(_ testing.TB, row func(string, ...any)) {
	for _, trials := range []int{3, 6, 10, 12} {
		for _, law := range []scaling{{1e5, 0.05, 0.01}, {1e5, 0.1, 0.001}, {1e5, 0.02, 0.0005}} {
			l, s, k, u := coverOfLaw(law, trials, 1000)
			row("| %d | σ %g, κ %g | %.1f | %.1f | %.1f | %.1f |", trials, law.sigma, law.kappa, 100*l, 100*s, 100*k, 100*u)
		}
	}
}

func tableOfSeries(_ testing.TB, row func(string, ...any)) {
	for _, phi := range []float64{0, 0.5} {
		row("| 40 | %g | | %.1f |", phi, 100*share(10_000, unsteady(40, phi)))
		row("| 100 | %g | %.2f | %.1f |", phi, 100*share(10_000, changed(phi)), 100*share(10_000, unsteady(100, phi)))
	}
}

// recorded draws from the log-ratios in the file that REDLINE_NOISE names, either
// way round; nil without it.
func recorded(t testing.TB) (draw func(*rand.Rand) float64, sd float64) {
	t.Helper()
	name := os.Getenv("REDLINE_NOISE")
	if name == "" {
		return nil, 0
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var ratios []float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		ratio, err := strconv.ParseFloat(strings.TrimSpace(lines.Text()), 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ratios = append(ratios, ratio)
		sd += ratio * ratio
	}
	return func(rng *rand.Rand) float64 {
		return ratios[rng.IntN(len(ratios))] * float64(1-2*rng.IntN(2))
	}, math.Sqrt(sd / float64(len(ratios)))
}
