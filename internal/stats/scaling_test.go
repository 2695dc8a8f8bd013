package stats

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"

	"redline/result"
)

// exactly gives points that lie on a law, with 8 equal trials each.
func exactly(law scaling, ns ...float64) []Sample {
	var points []Sample
	for _, n := range ns {
		rates := make([]float64, 8)
		for i := range rates {
			rates[i] = law.rate(n)
		}
		points = append(points, Sample{N: n, Rates: rates})
	}
	return points
}

func TestScalingRecoversKnownLaws(t *testing.T) {
	for _, c := range []struct {
		want scaling
		law  string
		peak float64
	}{
		{scaling{125e3, 0, 0}, result.Linear, 0},
		{scaling{125e3, 0.1, 0}, result.Saturating, 0},
		{scaling{125e3, 0.05, 0.01}, result.Universal, math.Sqrt(0.95 / 0.01)},
		{scaling{125e3, 0, 0.01}, result.Universal, 10},
		{scaling{125e3, 0.05, 0.001}, result.Universal, 0}, // at 31, beyond twice 8
	} {
		fit, err := Scaling(exactly(c.want, 1, 2, 3, 4, 6, 8), 0.03, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := scaling{fit.Lambda.Median, fit.Sigma.Median, fit.Kappa.Median}
		if fit.Law != c.law || math.Abs(got.lambda/c.want.lambda-1) > 1e-6 || math.Abs(got.sigma-c.want.sigma) > 1e-6 || math.Abs(got.kappa-c.want.kappa) > 1e-6 {
			t.Errorf("%+v: %s %+v", c.want, fit.Law, got)
		}
		if math.Abs(fit.Peak-c.peak) > 1e-3 {
			t.Errorf("%+v: peak %v, want %v", c.want, fit.Peak, c.peak)
		}
		last := fit.Curve[len(fit.Curve)-1]
		if len(fit.Curve) != 40 || fit.Curve[0].N != 1 || last.N != 10 || math.Abs(last.Rate/c.want.rate(10)-1) > 1e-6 {
			t.Errorf("%+v: the curve ends at %+v", c.want, last)
		}
		if len(fit.Points) != 6 || math.Abs(fit.Points[5].Rate/c.want.rate(8)-1) > 1e-9 || len(fit.Warnings) != 0 {
			t.Errorf("%+v: points %+v, warnings %q", c.want, fit.Points, fit.Warnings)
		}
	}
}

func TestScalingKeepsCoefficientsFromBeingNegative(t *testing.T) {
	// Better than linear: no law has that, the linear one is nearest, and says so.
	var points []Sample
	for _, n := range []float64{1, 2, 3, 4, 6, 8} {
		points = append(points, Sample{N: n, Rates: []float64{n * n * 1e5, n * n * 1e5}})
	}
	fit, err := Scaling(points, 0.03, 1)
	if err != nil {
		t.Fatal(err)
	}
	if fit.Law != result.Linear || fit.Sigma.Median != 0 || fit.Kappa.Median != 0 || !strings.Contains(strings.Join(fit.Warnings, "\n"), "the law is off by") {
		t.Errorf("%s %+v", fit.Law, fit.Warnings)
	}
}

func TestScalingIsTheSameFromTheSameSeed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	points := trying(rng, scaling{1e5, 0.05, 0.01}, 12)
	a, _ := Scaling(points, 0.03, 1)
	b, _ := Scaling(points, 0.03, 1)
	c, _ := Scaling(points, 0.03, 2)
	if a.Kappa.Low != b.Kappa.Low || a.Kappa.Low == c.Kappa.Low {
		t.Errorf("kappa from %v, %v, with another seed %v", a.Kappa.Low, b.Kappa.Low, c.Kappa.Low)
	}
	if a.Lambda.N != 96 || a.Lambda.Low >= a.Lambda.Median || a.Lambda.High <= a.Lambda.Median {
		t.Errorf("%+v", a.Lambda)
	}
}

func TestScalingDoesNotCareForTheOrderOfPoints(t *testing.T) {
	points := exactly(scaling{1e5, 0.05, 0.01}, 8, 1, 6, 2, 4, 3)
	fit, err := Scaling(points, 0.03, 1)
	if err != nil || fit.Points[0].N != 1 || fit.Points[5].N != 8 || points[0].N != 8 {
		t.Errorf("%v %+v, given %v", err, fit.Points, points[0].N)
	}
}

func TestScalingSaysWhatItCannot(t *testing.T) {
	law := scaling{1e5, 0.05, 0.01}
	for name, c := range map[string]struct {
		points []Sample
		want   string
	}{
		"few values":  {exactly(law, 1, 2, 3, 4, 6), "at least 6 values with a rate, and there are 5"},
		"no rate":     {append(exactly(law, 1, 2, 3, 4, 6), Sample{N: 8, Rates: []float64{0, 0}}), "there are 5"},
		"twice":       {exactly(law, 1, 2, 2, 3, 4, 6), "distinct values above 0, and 2"},
		"nought":      {exactly(law, 0, 1, 2, 3, 4, 6), "0 is not one"},
		"not a value": {exactly(law, math.NaN(), 1, 2, 3, 4, 6), "NaN is not one"},
	} {
		if _, err := Scaling(c.points, 0.03, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	points := exactly(law, 1, 2, 3, 4, 6, 8)
	points[3].Rates[2] = 0
	fit, err := Scaling(points, 0.03, 1)
	if err != nil || fit.Lambda.N != 47 || !strings.Contains(strings.Join(fit.Warnings, "\n"), "1 trials without a rate") {
		t.Errorf("%v %+v", err, fit)
	}
	for i := range points {
		points[i].Rates = points[i].Rates[:1]
	}
	fit, err = Scaling(points, 0.03, 1)
	if err != nil || fit.Lambda.Confidence != 0 || fit.LinearUpTo != 0 || len(fit.Warnings) != 2 {
		t.Errorf("%v %+v", err, fit)
	}
}

func TestLinearUpTo(t *testing.T) {
	// Rate per instance over that at 1, for each of 8 rounds the same.
	steps := func(kept ...float64) []Sample {
		var points []Sample
		for i, k := range kept {
			n := float64(i + 1)
			points = append(points, Sample{N: n, Rates: []float64{k * n, k * n, k * n, k * n, k * n, k * n, k * n, k * n}})
		}
		return points
	}
	for _, c := range []struct {
		points []Sample
		want   float64
	}{
		{steps(1, 1, 1, 1, 1, 1), 6},
		{steps(1, 1, 0.98, 0.96, 0.99, 1), 3}, // what recovers behind a fall does not count
		{steps(1, 0.5, 1, 1, 1, 1), 1},
		{steps(1, 1.1, 1.2, 1.1, 1.1, 1.1), 6},
	} {
		fit, err := Scaling(c.points, 0.03, 1)
		if err != nil || fit.LinearUpTo != c.want {
			t.Errorf("%v: linear up to %v, want %v", err, fit.LinearUpTo, c.want)
		}
	}
	// Rounds at 3 that disagree: the median decides, and the warning says so.
	for want, rounds := range map[float64][]float64{
		2: {0.9, 0.92, 0.93, 0.95, 0.96, 0.98, 0.99, 1.01}, // median 0.955
		6: {0.9, 0.95, 0.97, 0.98, 0.99, 1, 1.01, 1.02},    // 0.98
	} {
		open := steps(1, 1, 1, 1, 1, 1)
		for i, kept := range rounds {
			open[2].Rates[i] *= kept
		}
		fit, _ := Scaling(open, 0.03, 1)
		if fit.LinearUpTo != want || !strings.Contains(strings.Join(fit.Warnings, "\n"), "whether it is linear up to 3 could not be told") {
			t.Errorf("linear up to %v, want %v, warnings %q", fit.LinearUpTo, want, fit.Warnings)
		}
	}
	uneven := steps(1, 1, 1, 1, 1, 1)
	uneven[1].Rates = uneven[1].Rates[:7]
	if fit, _ := Scaling(uneven, 0.03, 1); fit.LinearUpTo != 6 {
		t.Errorf("a round less: linear up to %v", fit.LinearUpTo)
	}
}

func TestIntervalsOfALawAllowForWhatPointsAreTooFewToShow(t *testing.T) {
	// The kappa of 0.0005 is seldom enough to choose the universal law, and even so
	// its interval is more than 0.
	fit, err := Scaling(trying(rand.New(rand.NewPCG(1, 3)), scaling{1e5, 0.1, 0.0005}, 6), 0.03, 1)
	if err != nil {
		t.Fatal(err)
	}
	if fit.Law != result.Saturating || fit.Kappa.Median != 0 || !holds(fit.Kappa, 0.0005) || !holds(fit.Sigma, 0.1) {
		t.Errorf("%s, sigma %+v, kappa %+v", fit.Law, fit.Sigma, fit.Kappa)
	}
}

func TestAICcByHand(t *testing.T) {
	// Two values, five trials each; the law is off by 0.1 in log at each trial: the
	// mean square is 0.01, and two parameters cost 4 and 12/7 for so few trials.
	law := scaling{1, 0, 0}
	var data []observed
	for _, n := range []float64{1, 2} {
		x := math.Log(n)
		data = append(data, observed{Sample{N: n}, []float64{x + 0.1, x - 0.1, x + 0.1, x - 0.1, x + 0.1}, x})
	}
	if got, want := informationOf(data, law, 2), 10*math.Log(0.01)+4+12.0/7; math.Abs(got-want) > 1e-9 {
		t.Errorf("AICc %v, want %v", got, want)
	}
}

func TestResampledMeansVaryAsMeansDo(t *testing.T) {
	// A mean of four varies by a quarter of the variance of one (5/3 of 1, 2, 3, 4).
	rng := rand.New(rand.NewPCG(1, 1))
	var means []float64
	for range 100_000 {
		means = append(means, resampledMean([]float64{1, 2, 3, 4}, rng))
	}
	if got, want := stat.Variance(means, nil), 5.0/12; math.Abs(got/want-1) > 0.02 {
		t.Errorf("variance %v, want %v", got, want)
	}
}

func TestIntervalsOfALawHoldTheTruth(t *testing.T) {
	// A look only: the full table is in docs/statistics.md.
	lambda, sigma, kappa, universal := coverOfLaw(scaling{1e5, 0.05, 0.01}, 12, 100)
	for name, found := range map[string]float64{"lambda": lambda, "sigma": sigma, "kappa": kappa, "chosen": universal} {
		if found < 0.87 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func BenchmarkScaling(b *testing.B) {
	points := trying(rand.New(rand.NewPCG(5, 5)), scaling{1e5, 0.05, 0.01}, 12)
	for b.Loop() {
		if _, err := Scaling(points, 0.03, 1); err != nil {
			b.Fatal(err)
		}
	}
}
