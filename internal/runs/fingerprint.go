package runs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"redline/result"
)

// Fingerprint is alike for plans that ask the same of the same Kafka: twelve
// hexadecimal digits over kind, arms, timing, cluster and fill. Runs of one fingerprint
// differ only by chance and by what the machine went through; their seeds, rounds,
// times and estimates may differ.
func Fingerprint(plan result.Plan) string {
	arms := slices.Clone(plan.Arms)
	for i := range arms {
		arms[i].Published = nil // somebody else's figure changes nothing here
	}
	asked, err := json.Marshal(struct {
		Kind      string
		Arms      []result.Arm
		Timing    result.Timing
		Kafka     string
		FillBytes int64
		FillTime  time.Duration
	}{plan.Kind, arms, plan.Timing, plan.Kafka, plan.FillBytes, plan.FillTime})
	if err != nil {
		return "" // texts and whole numbers can always be written
	}
	sum := sha256.Sum256(asked)
	return hex.EncodeToString(sum[:6])
}
