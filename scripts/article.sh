#!/usr/bin/env bash
# "Experiments With Kafka" from top to bottom, on real Apache Kafka, its commands
# as they are typed there; Kafka's own are replaced by redline's. Words behind the
# script's name are added to each consumer's command:
#   scripts/article.sh
#   scripts/article.sh --client confluent --profile defaults
# ARTICLE_SCALE=100 divides the numbers of records by 100. Fails when a record is
# lost or lag is left.
set -euo pipefail
set -m # each consumer gets a process group of its own, for its Ctrl-C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${ARTICLE_SCALE:-1}
added=("$@")
BS=localhost:9092
export BS

go build -o bin/redline .
redline=bin/redline
out=$(mktemp)
cleanup() {
	rm -f "$out"
	"$redline" broker down
}

say() { printf '\n$ %s\n' "$*"; }
typed() {
	say "$@"
	"$@"
}

# consume TOTAL GROUP FLAG…: runs the consumer until it has all, types Ctrl-C, and
# looks at the group.
consume() {
	local total=$1 group=$2
	shift 2
	say go run main.go "$@" "${added[@]}"
	go run main.go "$@" "${added[@]}" >"$out" 2>&1 &
	local job=$! waited=0
	until grep -q "Total: $total," "$out"; do
		kill -0 $job 2>/dev/null || break
		((++waited < 3000)) || break
		sleep 0.1
	done
	kill -INT -- -$job 2>/dev/null || true
	wait $job || true
	cat "$out"
	grep -q "Total messages consumed: $total\$" "$out" || { echo "article.sh: not all $total records came" >&2; exit 1; }
	grep -q "Account: .* 0 lost, 0 duplicated.*offsets agree" "$out" || { echo "article.sh: the account is broken" >&2; exit 1; }
	typed "$redline" group describe --bootstrap-server $BS --group "$group" | tee "$out"
	awk -v g="$group" '$1 == g { n++; if ($6 != 0) bad = 1 } END { exit bad || n == 0 }' "$out" ||
		{ echo "article.sh: lag is left" >&2; exit 1; }
}

produce() { typed make produce COUNT=$(($1 / scale)); }

recreate() {
	typed "$redline" topic delete --bootstrap-server $BS --topic test-topic
	typed "$redline" topic create --bootstrap-server $BS --topic test-topic --partitions "$1"
	typed "$redline" topic describe --bootstrap-server $BS --topic test-topic
}

say redline broker up --kafka local --detach
"$redline" broker up --kafka local --port 9092 --detach
trap cleanup EXIT

echo; echo "# Iteration 1"
typed "$redline" topic create --bootstrap-server $BS --topic test-topic --partitions 1
produce 1000000
consume $((1000000 / scale)) perf-test-consumer --topic=test-topic --consumers=1 --auto-offset-reset=earliest

echo; echo "# Iteration 2"
consume $((1000000 / scale)) t1 --topic=test-topic --consumers=1 --auto-offset-reset=earliest --group=t1

echo; echo "# Iteration 3"
recreate 2
produce 1000000
consume $((1000000 / scale)) t3 --topic=test-topic --consumers=2 --auto-offset-reset=earliest --group=t3

echo; echo "# Iteration 4"
recreate 4
produce 3000000
consume $((3000000 / scale)) t4 --topic=test-topic --consumers=4 --auto-offset-reset=earliest --group=t4

echo; echo "# Iteration 5"
recreate 8
produce 10000000
consume $((10000000 / scale)) t4 --topic=test-topic --consumers=8 --auto-offset-reset=earliest --group=t4
echo; echo "article.sh: every record accounted for, every lag 0"
