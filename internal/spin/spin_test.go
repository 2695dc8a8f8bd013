package spin

import (
	"testing"
	"time"
)

func TestTwiceTheWorkTakesAboutTwiceAsLong(t *testing.T) {
	w := Lasting(2 * time.Millisecond)
	for range 20 { // a slow machine may be interrupted a few times in a row
		one, two := w.Best(9), (2 * w).Best(9)
		if ratio := float64(two) / float64(one); ratio > 1.6 && ratio < 2.4 {
			return
		}
	}
	t.Error("the time of the work does not grow with its amount")
}

func TestWorkOfAShortTimeIsNotNothing(t *testing.T) {
	if Lasting(0) < 1 || Lasting(time.Microsecond) < 10 {
		t.Errorf("%d rounds, %d rounds", Lasting(0), Lasting(time.Microsecond))
	}
}
