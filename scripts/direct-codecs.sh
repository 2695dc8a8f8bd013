#!/usr/bin/env bash
# What each compression costs direct and franz-go, on real Apache Kafka, as
# direct-growth.sh has it: its report into OUT, with ARGS. Takes 7 minutes.
set -euo pipefail
SUITES=direct-codecs exec "$(dirname "${BASH_SOURCE[0]}")/direct-growth.sh"
