package plan

import (
	"fmt"

	"redline/internal/stats"
	"redline/result"
)

// Again plans arms of stored runs anew, interleaved: what a comparison of two runs
// made apart cannot tell. base gives what is common: timing, bytes, Kafka. Each arm is
// compared with the one that its Against names.
func Again(base result.Plan, arms []result.Arm, w Want) (result.Plan, error) {
	p := result.Plan{
		Schema: result.PlanSchema, Name: "compare", Kind: result.Rounds, Created: w.Created, Seed: w.Seed, Kafka: base.Kafka,
		Question: "What changed from A to B?", Combine: "product", Arms: arms,
		Timing: base.Timing, FillBytes: base.FillBytes, FillTime: base.FillTime, Margin: w.Margin,
	}
	comparisons := 0
	for _, arm := range arms {
		if arm.Against >= 0 {
			comparisons++
		}
	}
	p.Rounds, p.RoundsWhy = stats.Rounds(comparisons)
	if w.Rounds > 0 {
		p.Rounds, p.RoundsWhy = w.Rounds, "as asked"
	}
	p.Trials = Order(arms, p.Rounds, w.Seed)
	if err := p.Check(); err != nil {
		return result.Plan{}, fmt.Errorf("cannot plan the settings anew: %w", err)
	}
	return p, nil
}
