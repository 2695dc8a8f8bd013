#!/usr/bin/env bash
# Every built-in question on real Apache Kafka within 3 minutes each (TIME): the
# reports go to OUT (docs/runs/suites), one text file a suite.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${TIME:-3m} out=${OUT:-docs/runs/suites}
binary=$(mktemp -d)/redline
work=$(mktemp -d) # each run is stored in its runs, and says no path of this machine
runs=$work/runs
trap 'rm -rf "$(dirname "$binary")" "$work"' EXIT
go build -o "$binary" .
mkdir -p "$out"
for suite in $("$binary" suites | awk '{ print $1 }'); do
	echo "== $suite"
	began=$SECONDS
	(cd "$work" && "$binary" run "$suite" --kafka local --time "$time") >"$out/$suite.txt"
	echo "$suite took $((SECONDS - began)) s"
	"$binary" report "$runs"/*-"$suite" -o json >"$runs/$suite.json"
done
# The pages in a real browser: their figures are those of the JSON.
REDLINE_TEST_BROWSER=1 REDLINE_REPORTS="$runs/*.json" go test ./test/browser -count=1 -run 'PagesAreWhole|PagesFigures' -v | grep -E '^(---|    ---|ok|FAIL|PASS)'
