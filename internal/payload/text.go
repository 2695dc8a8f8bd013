package payload

import (
	"math"
	"math/rand/v2"
	"strings"
)

// The commonest words of English, in order, begin the vocabulary; the rest are
// made of syllables, so that its size, and with it how well text compresses, is
// ours to choose.
const (
	commonWords = "the of and to in a is that for it as was with be by on not he his but at are this have from " +
		"or had an they which one you were all her she there would their we him been has when who will no more if " +
		"out so up said what its about than into them can only other time new some could these two may first then " +
		"do any like my now over such our man me even most made after also did many off before must well back " +
		"through years much where your way down should because long each just state those people too mr how little " +
		"good world make very year still see own work men day get here old between both life being under never same"
	onsets         = "b c d f g h l m n p r s t v w br ch cl cr dr fl gr pl pr sh sl sp st str th tr"
	nuclei         = "a e i o u ai ea ee ie io ou"
	codas          = "n r l s t d m nd nt rd rt st ng ck ll sh"
	vocabularySize = 1500
)

// fillText writes words drawn with a frequency of 1/rank (Zipf's law), with a
// full stop and a capital now and then.
func fillText(b []byte, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x74657874))
	words := vocabulary(rng)
	capital := true
	for len(b) > 0 {
		// exp of a uniform logarithm: rank r has a share of about 1/r.
		rank := int(math.Exp(rng.Float64()*math.Log(float64(len(words))+1))) - 1
		word := words[min(rank, len(words)-1)]
		n := copy(b, word)
		if capital {
			b[0] -= 'a' - 'A'
		}
		b = b[n:]
		capital = rng.IntN(12) == 0
		if capital {
			b = b[copy(b, "."):]
		}
		b = b[copy(b, " "):]
	}
}

func vocabulary(rng *rand.Rand) []string {
	words := strings.Fields(commonWords)
	on, nu, co := strings.Fields(onsets), strings.Fields(nuclei), strings.Fields(codas)
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	for len(words) < vocabularySize {
		var w strings.Builder
		for range 1 + rng.IntN(3) {
			w.WriteString(pick(on))
			w.WriteString(pick(nu))
		}
		w.WriteString(pick(co))
		words = append(words, w.String())
	}
	return words
}
