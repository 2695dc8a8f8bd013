#!/usr/bin/env bash
# Every fuzz target of PACKAGES (default: all) for FUZZTIME (default 1m) each, one
# after the other, with a line for each. Ends with the first finding: go test prints it,
# and leaves its input under testdata/fuzz, where it is a test from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${FUZZTIME:-1m} packages=${PACKAGES:-./...}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Into a file first: a package that does not compile must end this, not hide.
# Lines are names of targets, and after them "ok PACKAGE TIME".
go test -list '^Fuzz' $packages >"$log"
targets=$(awk '/^Fuzz/ { names[++n] = $1 } $1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' "$log")
if [[ -z $targets ]]; then
	echo "there is no fuzz target: go test -list '^Fuzz' ./... names none" >&2
	exit 1
fi

while read -r package target; do
	if ! go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s >"$log" 2>&1 </dev/null; then
		cat "$log"
		echo "FAIL $package $target"
		exit 1
	fi
	runs=$(grep -oE 'execs: [0-9]+' "$log" | tail -1 || true)
	echo "ok   $package $target $time, ${runs:-execs: none}"
done <<<"$targets"
