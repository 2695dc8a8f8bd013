package direct

import "time"

// atOnce is how soon a timer is due at the earliest. In fake time (testing/synctest) one
// that is due already as it is set fires in the goroutine that sets it, and two such at
// once crash a process with the race detector: all timers of a bubble share one context of
// the detector (Go 1.26, unlockAndRun in runtime/time.go). A nanosecond later they fire one
// after the other, in our tests and in those of who uses this package.
const atOnce = time.Nanosecond
