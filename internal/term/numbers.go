package term

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes a number with its thousands apart: 4,000,000.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Rate writes a number of things per second in at most three significant
// digits: "11.8 M", "149 k", "50". The unit of the things is the caller's. What is
// no number, or infinite, is "-".
func Rate(perSecond float64) string {
	number, unit := scale(perSecond, 1000, "", "k", "M", "G", "T", "P", "E")
	return strings.TrimRight(number+" "+unit, " ")
}

// Bytes writes a size in at most three significant digits and in units of 1024:
// "512 B", "1.5 GiB".
func Bytes(n int64) string {
	number, unit := scale(float64(n), 1024, "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
	return number + " " + unit
}

// scale picks the first unit in which v is below the next one, after rounding:
// 999.6 is "1 k", not "1000".
func scale(v, base float64, units ...string) (number, unit string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-", ""
	}
	for i, u := range units {
		rounded := significant(v)
		if math.Abs(rounded) < base || i == len(units)-1 {
			return strconv.FormatFloat(rounded, 'f', -1, 64), u
		}
		v /= base
	}
	return "", ""
}

// significant rounds to three significant digits; between 1000 and 1024 to the
// whole number, as a size in KiB may be.
func significant(v float64) float64 {
	a := math.Abs(v)
	if a >= 100 {
		return math.Round(v)
	}
	if a < 1e-3 {
		return 0
	}
	step := math.Pow10(2 - int(math.Floor(math.Log10(a))))
	return math.Round(v*step) / step
}

// Duration writes a span as people say it: "90 ns", "58 µs", "41 ms", "12.3 s", from a
// minute on "1:05" and from an hour on "1:02:05".
func Duration(d time.Duration) string {
	if d < 0 {
		if d == math.MinInt64 {
			d++
		}
		return "-" + Duration(-d)
	}
	if d.Seconds() >= 59.95 {
		s := int64(d.Round(time.Second) / time.Second)
		if s >= 3600 {
			return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
		}
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	if d >= time.Second {
		return strconv.FormatFloat(significant(d.Seconds()), 'f', -1, 64) + " s"
	}
	number, unit := scale(float64(d), 1000, "ns", "µs", "ms", "s")
	return number + " " + unit
}
