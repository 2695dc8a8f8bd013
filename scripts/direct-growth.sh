#!/usr/bin/env bash
# How direct and franz-go grow, on real Apache Kafka: SUITES (default the three of
# growth), each with its report as text and as a page with charts into OUT
# (docs/runs/direct). Behind the text of a run stand the ratios of each cell, of CPU time
# too, corrected over all comparisons of the suite. Takes 20 minutes. The log of the broker
# lies in REDLINE_STATE, by default on a tmpfs, so that no disk is measured; it takes 8 GiB.
# ARGS are added to each run, such as "--rounds 2".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suites=${SUITES:-direct-growth-partitions direct-growth-size direct-growth-consumers} out=${OUT:-$PWD/docs/runs/direct}
read -ra args <<<"${ARGS:-}"
work=$(mktemp -d) # each run is stored in its runs, and says no path of this machine
if [[ -z ${REDLINE_STATE:-} && -w /dev/shm ]]; then
	REDLINE_STATE=$(mktemp -d -p /dev/shm)
	export REDLINE_STATE
	trap 'rm -rf "$work" "$REDLINE_STATE"' EXIT
else
	trap 'rm -rf "$work"' EXIT
fi
go build -o "$work/redline" .
mkdir -p "$out"
for suite in $suites; do
	began=$SECONDS
	(cd "$work" && ./redline run "$suite" --kafka local "${args[@]}") >"$out/$suite.txt"
	run=$(basename "$work"/runs/*-"$suite")
	{
		echo
		(cd "$work" && ./redline compare "$run")
		if [[ $suite == direct-growth-partitions ]]; then # what 2,000 of them cost more than 8
			echo
			(cd "$work" && ./redline compare "$run:client=direct,partitions=8" "$run:client=direct,partitions=2000")
		fi
		echo "$suite took $((SECONDS - began)) s"
	} | tee -a "$out/$suite.txt"
	cp "$work/runs/$run/report.html" "$out/$suite.html"
done
