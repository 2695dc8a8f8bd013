package plan

import (
	"math/rand/v2"
	"slices"

	"redline/result"
)

// orderStream sets the numbers that decide the order apart from others that are
// drawn from the same seed.
const orderStream = 0x0a11ab0a

// Order gives the trials of so many rounds: every arm once in each. Rounds come in
// pairs, of which the second is the first one backwards (A B, B A), so that a
// steady drift of the machine meets all arms alike; each pair is drawn anew. Arms
// that need the same brokers stand together, in blocks that are drawn first, since
// a change of block starts brokers and fills topics. The first rounds of a plan
// are the same however many follow.
func Order(arms []result.Arm, rounds int, seed uint64) []result.Planned {
	rng := rand.New(rand.NewPCG(seed, orderStream))
	blocks := blocksOf(arms)
	var trials []result.Planned
	for round := 0; round < rounds; round += 2 {
		drawn := draw(blocks, rng)
		trials = addRound(trials, drawn, round)
		if round+1 < rounds {
			slices.Reverse(drawn)
			trials = addRound(trials, drawn, round+1)
		}
	}
	return trials
}

func addRound(trials []result.Planned, drawn []int, round int) []result.Planned {
	for _, arm := range drawn {
		trials = append(trials, result.Planned{Arm: arm, Round: round})
	}
	return trials
}

// blocksOf are the indexes of arms that share their brokers.
func blocksOf(arms []result.Arm) [][]int {
	var blocks [][]int
	at := map[string]int{}
	for i, arm := range arms {
		if arm.Cannot != "" {
			continue
		}
		key := BrokerKey(arm)
		if _, known := at[key]; !known {
			at[key] = len(blocks)
			blocks = append(blocks, nil)
		}
		blocks[at[key]] = append(blocks[at[key]], i)
	}
	return blocks
}

// draw is a permutation of all arms that keeps blocks together.
func draw(blocks [][]int, rng *rand.Rand) []int {
	var drawn []int
	for _, b := range rng.Perm(len(blocks)) {
		for _, i := range rng.Perm(len(blocks[b])) {
			drawn = append(drawn, blocks[b][i])
		}
	}
	return drawn
}
