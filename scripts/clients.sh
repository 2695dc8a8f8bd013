#!/usr/bin/env bash
# The fair run of all clients and the ladders on real Apache Kafka, whole: SUITES (default
# all five), their reports into OUT (docs/runs/clients), one text file a suite. Takes an
# hour and a quarter. Whatever else the machine does meanwhile is in the figures.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suites=${SUITES:-clients ladder ladder-produce clients-scale clients-shapes} out=${OUT:-$PWD/docs/runs/clients}
work=$(mktemp -d) # each run is stored in its runs, and says no path of this machine
trap 'rm -rf "$work"' EXIT
go build -o "$work/redline" .
mkdir -p "$out"
for suite in $suites; do
	began=$SECONDS
	(cd "$work" && ./redline run "$suite" --kafka local) >"$out/$suite.txt"
	echo "$suite took $((SECONDS - began)) s" | tee -a "$out/$suite.txt"
done
