#!/usr/bin/env bash
# Fills a topic as fast as it goes and prints the block of "Experiments With
# Kafka": scripts/fast-producer.sh [SIZE [COUNT [THREADS]]]
# The topic and the broker come from TOPIC and BS.
set -euo pipefail

size=${1:-100} count=${2:-1000000} threads=${3:-4}
topic=${TOPIC:-test-topic} broker=${BS:-localhost:9092}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Milliseconds; seconds are all that an older bash knows.
now() {
	local t=${EPOCHREALTIME:-$(date +%s).000000}
	t=${t/[.,]/}
	echo $((t / 1000))
}

# Built before the clock starts.
(cd "$root" && go build -o bin/redline .)

cat <<BLOCK
Fast Kafka Producer
==================
  Topic: $topic
  Message size: $size bytes
  Message count: $count
  Threads: $threads
  Broker: $broker

Starting fast message production...
BLOCK

# What redline says beside its lines comes after the block.
talk=$(mktemp)
trap 'cat "$talk" >&2; rm -f "$talk"' EXIT
began=$(now)
"$root/bin/redline" produce -b "$broker" --topic "$topic" \
	--record-size "$size" --num-records "$count" --threads "$threads" 2>"$talk"
took=$(($(now) - began))
((took > 0)) || took=1
seconds=$((took / 1000))
((seconds > 0)) || seconds=1

cat <<BLOCK

Fast production completed!
  Total messages: $count
  Time taken: ${seconds}s
  Production rate: $((count * 1000 / took)) msg/sec
BLOCK
