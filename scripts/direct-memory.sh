#!/usr/bin/env bash
# Does direct's memory stay flat for TIME (10m) of producing and consuming at full speed,
# on real Apache Kafka?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
REDLINE_MEMORY=${TIME:-10m} REDLINE_TEST_KAFKA=1 go test ./test/kafka -count=1 -run DirectsMemoryIsFlat -v -timeout 2h
