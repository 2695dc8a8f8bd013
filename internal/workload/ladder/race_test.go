//go:build race

package ladder

func init() { raced = true }
