package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// levels gives bins of steps, each a rate and for how many bins, with 5 % noise.
func levels(rng *rand.Rand, steps ...[2]float64) []float64 {
	var bins []float64
	for _, s := range steps {
		bins = append(bins, level(rng, int(s[1]), s[0], 0)...)
	}
	return bins
}

func TestSteadyByHand(t *testing.T) {
	flat := func(n int, rate float64) []float64 { return slices.Repeat([]float64{rate}, n) }
	for _, c := range []struct {
		name string
		bins []float64
		from int
		ok   bool
	}{
		{"nothing", nil, 0, false},
		{"too short", flat(39, 5), 0, false},
		{"steady from the start", flat(40, 5), 0, true},
		{"nothing at first", append(flat(10, 0), flat(40, 5)...), 10, true},
		{"a warm-up that ends within a batch", append(flat(12, 1), flat(88, 5)...), 15, true},
		{"steady in the last third only", append(flat(70, 0), flat(30, 5)...), 0, false},
		{"bins beyond the last batch", append(flat(40, 5), 0, 0, 0, 0), 0, true},
	} {
		if from, ok := Steady(c.bins); from != c.from || ok != c.ok {
			t.Errorf("%s: from %d, %v; want %d, %v", c.name, from, ok, c.from, c.ok)
		}
	}
}

func TestARateThatKeepsRisingIsNotSteady(t *testing.T) {
	for _, n := range []int{40, 60, 100} {
		bins := make([]float64, n)
		for i := range bins {
			bins[i] = float64(i)
		}
		if from, ok := Steady(bins); ok {
			t.Errorf("%d bins: steady from %d", n, from)
		}
	}
}

func TestSteadyNoiseIsRarelyCalledUnsteady(t *testing.T) {
	for n, most := range map[int]float64{40: 0.15, 100: 0.15} {
		if found := share(2_000, unsteady(n, 0)); found > most {
			t.Errorf("%d bins: %v of them", n, found)
		}
	}
}

func TestSteadyDoesNotCareForUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 1000), func(i int) float64 { return float64(i) }), 40, 120).Draw(t, "bins")
		scaled := make([]float64, len(bins))
		for i := range bins {
			scaled[i] = 1024 * bins[i]
		}
		from, ok := Steady(bins)
		if f, o := Steady(scaled); f != from || o != ok {
			t.Fatalf("from %d, %v; in other units %d, %v", from, ok, f, o)
		}
		if from > len(bins)/2+batch || !ok && from != 0 {
			t.Fatalf("from %d of %d, %v", from, len(bins), ok)
		}
	})
}

func TestChangesByHand(t *testing.T) {
	flat := func(n int, rate float64) []float64 { return slices.Repeat([]float64{rate}, n) }
	for _, c := range []struct {
		name string
		bins []float64
		want []int
	}{
		{"nothing", nil, nil},
		{"one bin", flat(1, 5), nil},
		{"a level", flat(100, 5), nil},
		{"a step", append(flat(40, 100), flat(60, 90)...), []int{40}},
		{"a step of nothing", append(flat(40, 0), flat(60, 90)...), []int{40}},
		{"a step smaller than asked for", append(flat(40, 100), flat(60, 96)...), nil},
		{"there and back", slices.Concat(flat(30, 100), flat(30, 80), flat(30, 100)), []int{30, 60}},
		{"a pause of one bin", slices.Concat(flat(50, 100), flat(1, 0), flat(50, 100)), nil},
	} {
		if got := Changes(c.bins, 0.05); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSidesAreFarthestApartByTheEnergyDistance(t *testing.T) {
	energy := func(x, y []float64) float64 {
		mean := func(a, b []float64, pairs float64) float64 {
			sum := 0.0
			for _, v := range a {
				for _, w := range b {
					sum += math.Abs(v - w)
				}
			}
			return sum / pairs
		}
		n, m := float64(len(x)), float64(len(y))
		return n * m / (n + m) * (2*mean(x, y, n*m) - mean(x, x, n*(n-1)) - mean(y, y, m*(m-1)))
	}
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(0, 100), 2*shortest, 2*shortest+12).Draw(t, "x")
		at, until := farthest(x)
		got := energy(x[:at], x[at:until])
		for a := shortest; a+shortest <= len(x); a++ {
			for u := a + shortest; u <= len(x); u++ {
				if want := energy(x[:a], x[a:u]); want > got+1e-9 {
					t.Fatalf("%d and %d are %v apart, %d and %d %v", at, until, got, a, u, want)
				}
			}
		}
	})
}

func TestChangesAreFoundInNoise(t *testing.T) {
	for name, c := range map[string]struct {
		steps [][2]float64
		want  []int
	}{
		"down by 10 %":                 {[][2]float64{{100, 60}, {90, 60}}, []int{60}},
		"twice in one window":          {[][2]float64{{100, 30}, {80, 30}, {100, 30}}, []int{30, 60}},
		"across windows":               {[][2]float64{{100, 180}, {85, 200}, {100, 120}}, []int{180, 380}},
		"a fall that is hardly over 0": {[][2]float64{{100, 50}, {1, 20}}, []int{50}},
	} {
		found := share(200, func(rng *rand.Rand) bool {
			got := Changes(levels(rng, c.steps...), 0.05)
			near := len(got) == len(c.want)
			for i := range got {
				near = near && got[i] >= c.want[i]-3 && got[i] <= c.want[i]+3
			}
			return near
		})
		if found < 0.9 {
			t.Errorf("%s: found in %v of the tries", name, found)
		}
	}
}

func TestALevelIsRarelyCalledAChange(t *testing.T) {
	for _, phi := range []float64{0, 0.5} {
		if found := share(500, changed(phi)); found > 0.04 {
			t.Errorf("phi %v: false alarms %v", phi, found)
		}
	}
}

func TestChangesAscendAndAreLargeEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var steps [][2]float64
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			steps = append(steps, [2]float64{rapid.Float64Range(50, 150).Draw(t, "rate"), float64(rapid.IntRange(1, 80).Draw(t, "bins"))})
		}
		bins := levels(rng, steps...)
		got := Changes(bins, 0.05)
		edges := slices.Concat([]int{0}, got, []int{len(bins)})
		if !slices.IsSorted(edges) {
			t.Fatalf("%v", got)
		}
		for i := range got {
			if s := step(bins[edges[i]:edges[i+1]], bins[edges[i+1]:edges[i+2]]); s < 0.05 {
				t.Fatalf("at %d of %v the step is %v", edges[i+1], got, s)
			}
		}
		if again := Changes(bins, 0.05); !slices.Equal(got, again) {
			t.Fatalf("%v, then %v", got, again)
		}
	})
}

func BenchmarkChanges(b *testing.B) {
	bins := level(rand.New(rand.NewPCG(1, 1)), 600, 1e6, 0)
	for b.Loop() {
		Changes(bins, 0.05)
	}
}
