// Command redline finds how fast a Kafka goes, what holds it there, and which
// settings reach it. Run it without arguments for help.
package main

import (
	"os"

	"redline/internal/broker"
	"redline/internal/cli"
)

func main() {
	broker.MaybeChild()
	os.Exit(cli.Main(cli.OSProcess()))
}
