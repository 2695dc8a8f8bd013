package cli

import (
	"math/rand/v2"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// seedFlag is the number that order and bytes are drawn from.
type seedFlag struct {
	seed uint64
	flag *pflag.Flag
}

func (f *seedFlag) add(cmd *cobra.Command, usage string) {
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, usage)
	f.flag = cmd.Flags().Lookup("seed")
}

// given says whether a seed was typed.
func (f *seedFlag) given() bool { return f.flag.Changed }

// draw is the seed that was typed, or a new one.
func (f *seedFlag) draw() uint64 {
	if f.given() {
		return f.seed
	}
	return rand.Uint64()
}
