package payload

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// fillJSON makes each body of size bytes one JSON value: an object as an event of an
// application is, padded by a string, or a number where that has no room.
func fillJSON(b []byte, size int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x6a736f6e))
	for ; size > 0 && len(b) >= size; b = b[size:] {
		copy(b, event(rng, size))
	}
}

func event(rng *rand.Rand, size int) string {
	actions := []string{"view", "click", "cart", "order"}
	text := fmt.Sprintf(`{"user":%d,"action":%q,"amount":%.2f,"ok":%t,"note":"`,
		rng.IntN(1_000_000), actions[rng.IntN(len(actions))], 100*rng.Float64(), rng.IntN(10) > 0)
	const end = `"}`
	if pad := size - len(text) - len(end); pad >= 0 {
		return text + letters(rng, pad) + end
	}
	if pad := size - len(`{"user":""}`); pad >= 0 {
		return `{"user":"` + letters(rng, pad) + end
	}
	return strings.Repeat("7", size)
}

func letters(rng *rand.Rand, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + rng.IntN(26))
	}
	return string(text)
}
