package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"redline/result"
)

// scale writes the values of one estimate alike: in the unit of its median, and
// to the digit that its interval bears.
type scale struct {
	unit     string
	divisor  float64
	step     float64 // what values are rounded to
	decimals int
}

// kind is what a figure is of.
type kind int

const (
	plain      kind = iota
	rate            // per second, in thousands and millions
	processors      // busy ones: their clock tells hundredths, not more
)

// newScale is the scale of an estimate.
func newScale(e result.Estimate, k kind) scale {
	n := bearing(e)
	v := math.Abs(e.Median)
	if v == 0 {
		v = math.Max(math.Abs(e.Low), math.Abs(e.High))
	}
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return scale{divisor: 1, step: 1}
	}
	s := scale{divisor: 1, step: math.Pow(10, magnitude(v)-float64(n-1))}
	v = s.round(v)
	if units := []string{"", "k", "M", "G", "T"}; k == rate && v >= 1000 {
		i := min(len(units)-1, int(magnitude(v))/3)
		s.unit, s.divisor = units[i], math.Pow(1000, float64(i))
	}
	s.decimals = max(0, n-1-int(magnitude(v/s.divisor)))
	if k == processors && s.decimals > 2 {
		s.decimals, s.step = 2, 0.01
	}
	return s
}

// magnitude is the power of ten of a number's first digit.
func magnitude(v float64) float64 { return math.Floor(math.Log10(v) + 1e-12) }

// bearing is how many significant digits an estimate bears: three when its
// interval reaches less than 10 % to each side, fewer when it is wider, two when
// there is none.
func bearing(e result.Estimate) int {
	half := (e.High - e.Low) / 2
	switch v := math.Abs(e.Median); {
	case e.Confidence == 0:
		return 2
	case half < 0.1*v:
		return 3
	case half < v:
		return 2
	}
	return 1
}

func (s scale) round(v float64) float64 {
	if s.step < 1 { // dividing by a power of ten above 1 is exact where multiplying by one below is not
		return math.Round(v*math.Round(1/s.step)) / math.Round(1/s.step)
	}
	return math.Round(v/s.step) * s.step
}

// number writes a value without its unit.
func (s scale) number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return signed(strconv.FormatFloat(s.round(v)/s.divisor, 'f', s.decimals, 64))
}

// signed writes minus as such, and no zero below zero.
func signed(number string) string {
	if strings.Trim(number, "-+0.") == "" {
		return strings.TrimLeft(number, "-+")
	}
	return strings.Replace(number, "-", "−", 1)
}

// value writes a value with its unit.
func (s scale) value(v float64) string { return strings.TrimRight(s.number(v)+" "+s.unit, " ") }

// span writes an interval with its unit.
func (s scale) span(low, high float64) string {
	return strings.TrimRight(s.number(low)+" – "+s.number(high)+" "+s.unit, " ")
}

// brief writes a number with at most n significant digits, and none for show.
func brief(v float64, n int) string {
	text := digits(v, n)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// unknown stands where there is no figure.
const unknown = "-"

// median writes the middle of an estimate.
func median(e result.Estimate, k kind) string {
	if e.N == 0 {
		return unknown
	}
	return newScale(e, k).value(e.Median)
}

// interval writes the bounds of an estimate, or why it has none.
func interval(e result.Estimate, k kind) string {
	switch {
	case e.N == 0:
		return "no trial counts"
	case e.Confidence == 0:
		return fmt.Sprintf("n=%d, none", e.N)
	}
	return newScale(e, k).span(e.Low, e.High)
}

// confidence says what the intervals of some estimates cover.
func confidence(all []result.Estimate) string {
	low, high := 1.0, 0.0
	for _, e := range all {
		if e.Confidence > 0 {
			low, high = min(low, e.Confidence), max(high, e.Confidence)
		}
	}
	switch {
	case high == 0:
		return ""
	case high-low < 0.0005:
		return fmt.Sprintf("%.1f %%", 100*low)
	}
	return fmt.Sprintf("%.1f to %.1f %%", 100*low, 100*high)
}

// trialsEach says how many trials stand behind each of some estimates.
func trialsEach(all []result.Estimate) string {
	low, high := math.MaxInt, 0
	for _, e := range all {
		low, high = min(low, e.N), max(high, e.N)
	}
	if low == high {
		return fmt.Sprintf("n=%d", low)
	}
	return fmt.Sprintf("n=%d to %d", low, high)
}
