#!/usr/bin/env bash
# What redline's counting and metrics cost: `redline consume` against a bare
# franz-go loop, interleaved, on real Apache Kafka.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench Overhead -benchtime 1x -timeout 30m
