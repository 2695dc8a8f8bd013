package direct

import (
	"math/rand/v2"
	"time"
)

const (
	// firstBackOff and mostBackOff are how long consumers and producers wait before they
	// try again what has failed, at first and at most.
	firstBackOff = 10 * time.Millisecond
	mostBackOff  = time.Second
	// backOffSpread is the share by which a wait is shorter or longer, at random: so clients
	// that lost the same broker do not come back all at once.
	backOffSpread = 0.2
)

// backOff is how long to wait after so many failures in a row, of which there is one.
func backOff(failures int) time.Duration {
	wait := min(mostBackOff, firstBackOff<<min(max(failures-1, 0), 10))
	return time.Duration(float64(wait) * (1 - backOffSpread + 2*backOffSpread*rand.Float64()))
}
