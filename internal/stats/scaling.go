package stats

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"redline/result"
)

const (
	// leastValues of N tell a law of three parameters from chance.
	leastValues = 6
	// resamples of the bootstrap.
	resamples = 2000
	// curvePoints draw the law, up to curveBeyond times the largest N.
	curvePoints = 40
	curveBeyond = 1.25
	// peakBeyond times the largest N is as far as a peak is foretold.
	peakBeyond = 2
)

// Sample is what one value of an axis came to.
type Sample struct {
	// N is the value, such as the number of consumers; above 0.
	N float64
	// Rates are those of all trials at N, by round; 0 where a trial came to nothing.
	Rates []float64
}

// Scaling fits laws of throughput over N, the number of instances, to at least six
// distinct values and keeps the one that they support best by AICc. Parameters that
// it does not have are 0. Their intervals are those of the universal law all the
// same, which has them all: what points are too few to show need not be 0. seed draws
// the bootstrap.
//
// With X the rate, all laws say N/X = c0 + c1 (N-1) + c2 N (N-1), linear in its
// coefficients, none of them negative: lambda = 1/c0, sigma = c1/c0, kappa = c2/c0.
// So the fit is exact, without a search: least squares of the relative error of N/X
// against the geometric mean at each N, weighted by the number of trials. AICc takes
// the residuals of log X of all trials. Intervals are the percentiles of resamples
// of n-1 of the n trials at each N (n-1, since n would make them too narrow: Rao and
// Wu, Resampling Inference with Complex Survey Data, 1988).
//
// LinearUpTo is the largest N up to which the rate per instance keeps at least
// 1-margin of that at the smallest N, by the median of the ratio (Paired where the
// numbers of rounds agree, else Unpaired); a warning says where its interval leaves
// that open.
//
// Source: Gunther, Guerrilla Capacity Planning, 2007 (the law, its peak
// sqrt((1-sigma)/kappa)); Burnham and Anderson, Model Selection, 2002 (AICc).
func Scaling(points []Sample, margin float64, seed uint64) (result.Fit, error) {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b Sample) int { return cmp.Compare(a.N, b.N) })
	data, missing, err := prepare(points)
	if err != nil {
		return result.Fit{}, err
	}
	fit := result.Fit{AICc: map[string]float64{}}
	if missing > 0 {
		fit.Warnings = append(fit.Warnings, fmt.Sprintf("%d trials without a rate were left out of the fit", missing))
	}
	best := choose(data, fit.AICc)
	law := best.fit(data)
	fit.Law = best.name
	bootstrap(&fit, law, data, rand.New(rand.NewPCG(seed, 0)))
	smallest, largest := data[0].N, data[len(data)-1].N
	fit.Peak = law.peak(peakBeyond * largest)
	for i := range curvePoints {
		n := smallest + (curveBeyond*largest-smallest)*float64(i)/(curvePoints-1)
		fit.Curve = append(fit.Curve, result.Point{N: n, Rate: law.rate(n)})
	}
	for _, d := range data {
		fit.Points = append(fit.Points, result.Point{N: d.N, Rate: math.Exp(median(slices.Sorted(slices.Values(d.logs))))})
	}
	fit.Warnings = append(fit.Warnings, misses(fit.Points, law, margin)...)
	var warnings []string
	fit.LinearUpTo, warnings = linearUpTo(data, margin)
	fit.Warnings = append(fit.Warnings, warnings...)
	return fit, nil
}

// observed is a sample with the logarithms of the rates that it has.
type observed struct {
	Sample
	logs []float64
	mean float64 // of logs
}

// prepare takes the logarithms of all rates of samples in ascending order, and
// counts the trials that have none. A sample without any is left out.
func prepare(points []Sample) (data []observed, missing int, err error) {
	for i, p := range points {
		if !(p.N > 0) || i > 0 && p.N == points[i-1].N {
			return nil, 0, fmt.Errorf("a law of scaling needs distinct values above 0, and %g is not one", p.N)
		}
		d := observed{Sample: p}
		for _, rate := range p.Rates {
			if rate > 0 {
				d.logs = append(d.logs, math.Log(rate))
			}
		}
		missing += len(p.Rates) - len(d.logs)
		if len(d.logs) > 0 {
			d.mean = stat.Mean(d.logs, nil)
			data = append(data, d)
		}
	}
	if len(data) < leastValues {
		return nil, 0, fmt.Errorf("a law of scaling needs at least %d values with a rate, and there are %d: try more of them", leastValues, len(data))
	}
	return data, missing, nil
}

// law is a form of scaling: the coefficients beside c0 that it lets differ from 0.
type law struct {
	name  string
	terms []int
}

// laws from the simplest on.
var laws = []law{
	{result.Linear, nil},
	{result.Saturating, []int{1}},
	{result.Universal, []int{1, 2}},
}

// scaling is a law with its parameters.
type scaling struct{ lambda, sigma, kappa float64 }

func (s scaling) rate(n float64) float64 {
	return s.lambda * n / (1 + s.sigma*(n-1) + s.kappa*n*(n-1))
}

// peak is the N with the highest rate; 0 when that lies beyond most, or nowhere.
func (s scaling) peak(most float64) float64 {
	if s.kappa <= 0 || s.sigma >= 1 {
		return 0
	}
	if n := math.Sqrt((1 - s.sigma) / s.kappa); n <= most {
		return n
	}
	return 0
}

// choose is the law with the least AICc, the simpler of equals; all go into aicc.
func choose(data []observed, aicc map[string]float64) law {
	best := laws[0]
	for _, l := range laws {
		aicc[l.name] = informationOf(data, l.fit(data), float64(len(l.terms)+2))
		if aicc[l.name] < aicc[best.name] {
			best = l
		}
	}
	return best
}

// informationOf is AICc of a law with k parameters, the variance among them.
// Differences below 1e-6 of a rate are none: they would make it boundless.
func informationOf(data []observed, s scaling, k float64) float64 {
	n, squares := 0.0, 0.0
	for _, d := range data {
		for _, x := range d.logs {
			residual := x - math.Log(s.rate(d.N))
			squares += residual * residual
			n++
		}
	}
	return n*math.Log(max(squares/n, 1e-12)) + 2*k + 2*k*(k+1)/(n-k-1)
}

// fit finds the parameters of least relative error. What has no solution without a
// negative coefficient has its best one where some of them are 0: it tries all sets.
func (l law) fit(data []observed) scaling {
	best, least := scaling{}, math.Inf(1)
	for set := range 1 << len(l.terms) {
		terms := []int{0}
		for i, term := range l.terms {
			if set>>i&1 == 1 {
				terms = append(terms, term)
			}
		}
		c, squares := solve(data, terms)
		if c[0] > 0 && c[1] >= 0 && c[2] >= 0 && squares < least {
			best, least = scaling{1 / c[0], c[1] / c[0], c[2] / c[0]}, squares
		}
	}
	return best
}

// solve is the linear least squares of some coefficients, the others being 0, and
// the sum of squares that it leaves: Gauss-Jordan on the normal equations, with the
// target as last column. Where the terms are alike both are NaN.
func solve(data []observed, terms []int) (c [3]float64, squares float64) {
	const target = 3
	var sums [4][4]float64
	for _, d := range data {
		unit := math.Exp(d.mean) / d.N // times N/X it is 1 where the law is right
		columns := [4]float64{unit, unit * (d.N - 1), unit * d.N * (d.N - 1), target: 1}
		for i, x := range columns {
			for j, y := range columns {
				sums[i][j] += float64(len(d.logs)) * x * y
			}
		}
	}
	for _, term := range terms {
		pivot := sums[term]
		for j := range pivot {
			pivot[j] /= sums[term][term]
		}
		for i := range sums {
			factor := sums[i][term]
			for j := range pivot {
				sums[i][j] -= factor * pivot[j]
			}
		}
		sums[term] = pivot
	}
	for _, term := range terms {
		c[term] = sums[term][target]
	}
	return c, sums[target][target]
}

// bootstrap gives the parameters that were found the intervals of the universal law.
// A value with one trial alone leaves them without.
func bootstrap(fit *result.Fit, found scaling, data []observed, rng *rand.Rand) {
	trials, fewest := 0, math.MaxInt
	for _, d := range data {
		trials += len(d.logs)
		fewest = min(fewest, len(d.logs))
	}
	var lambdas, sigmas, kappas []float64
	if fewest > 1 {
		drawn, universal := slices.Clone(data), laws[len(laws)-1]
		for range resamples {
			for i, d := range data {
				drawn[i].mean = resampledMean(d.logs, rng)
			}
			s := universal.fit(drawn)
			lambdas, sigmas, kappas = append(lambdas, s.lambda), append(sigmas, s.sigma), append(kappas, s.kappa)
		}
	} else {
		fit.Warnings = append(fit.Warnings, "n=1 at some value, no interval for the law (needs 2)")
	}
	fit.Lambda = percentiles(found.lambda, lambdas, trials)
	fit.Sigma = percentiles(found.sigma, sigmas, trials)
	fit.Kappa = percentiles(found.kappa, kappas, trials)
}

// resampledMean is the mean of n-1 of n values, drawn with replacement.
func resampledMean(values []float64, rng *rand.Rand) float64 {
	sum, n := 0.0, len(values)-1
	for range n {
		sum += values[rng.IntN(len(values))]
	}
	return sum / float64(n)
}

// percentiles is an estimate with the middle of resampled ones as its interval.
func percentiles(found float64, resampled []float64, n int) result.Estimate {
	if len(resampled) == 0 {
		return result.Estimate{Low: found, Median: found, High: found, N: n}
	}
	slices.Sort(resampled)
	return result.Estimate{
		Low:    min(found, stat.Quantile((1-Confidence)/2, stat.Empirical, resampled, nil)),
		Median: found,
		High:   max(found, stat.Quantile((1+Confidence)/2, stat.Empirical, resampled, nil)),

		Confidence: Confidence, N: n,
	}
}

// misses warns of the point that the law is farthest from, if beyond the margin.
func misses(points []result.Point, s scaling, margin float64) []string {
	at, most := 0.0, margin
	for _, p := range points {
		if off := math.Abs(s.rate(p.N)/p.Rate - 1); off > most {
			at, most = p.N, off
		}
	}
	if at == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the law is off by %.0f %% at %g: between the points that were tried it says little", most*100, at)}
}

// linearUpTo is the largest N with nearly the rate per instance of the first, and
// so all between; 0 when there are too few rounds to tell.
func linearUpTo(data []observed, margin float64) (float64, []string) {
	first := data[0].Sample
	upTo := first.N
	var warnings []string
	for _, d := range data[1:] {
		kept := perInstance(d.Sample, first)
		if kept.Confidence == 0 {
			return 0, append(warnings, fmt.Sprintf("up to where it is linear could not be told: %s at %g", strings.Join(kept.Warnings, ", "), d.N))
		}
		if kept.Low < 1-margin && kept.High >= 1-margin {
			warnings = append(warnings, fmt.Sprintf("whether it is linear up to %g could not be told: the rate per instance there is %.3f (%.3f to %.3f) of that at %g",
				d.N, kept.Median, kept.Low, kept.High, first.N))
		}
		if kept.Median < 1-margin {
			break
		}
		upTo = d.N
	}
	return upTo, warnings
}

// perInstance is the rate per instance at a over that at b.
func perInstance(a, b Sample) result.Estimate {
	if len(a.Rates) == len(b.Rates) {
		return Paired(a.perInstance(), b.perInstance()).Ratio
	}
	return Unpaired(a.perInstance(), b.perInstance())
}

func (s Sample) perInstance() []float64 {
	rates := make([]float64, len(s.Rates))
	for i, r := range s.Rates {
		rates[i] = r / s.N
	}
	return rates
}
