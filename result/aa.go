package result

// AASchema names the form of an AAReport in JSON. Fields are only added within a
// version.
const AASchema = "redline.aa/v1"

// AAReport is what a campaign of null comparisons and planted slowdowns found: how
// often redline cries wolf here, and how often it sees.
type AAReport struct {
	Header
	Run string `json:"run"`
	// Nulls are comparisons of a setting with itself.
	Nulls Campaign `json:"nulls"`
	// Planted are slowdowns of known size, one Campaign a size.
	Planted []Campaign `json:"planted"`
	// Noise is the standard deviation of the log-ratio of one null pair: what
	// --noise of a plan should be on this machine.
	Noise    float64 `json:"noise"`
	Account  Account `json:"account"`
	Excluded int     `json:"excluded"`
	Failed   int     `json:"failed"`
}

// Campaign is some comparisons of the same kind.
type Campaign struct {
	// Effect is the loss of rate that was planted, as a share; 0 for nulls.
	Effect float64 `json:"effect"`
	// Pairs is how many pairs of trials each comparison has; Power the probability to
	// find the effect that they were planned for, 0 for nulls.
	Pairs int     `json:"pairs"`
	Power float64 `json:"power"`
	// Tries is how many comparisons have all their pairs, Found how many of them had a
	// sign-flip p below 0.05: alarms, when there was nothing to find.
	Tries int `json:"tries"`
	Found int `json:"found"`
	// Ratio is the median of the comparisons' ratios with its interval: for a planted
	// slowdown 1 - Effect if the calibration held.
	Ratio Estimate `json:"ratio"`
	// P are the sign-flip probabilities, in the order of the tries.
	P []float64 `json:"p"`
}
