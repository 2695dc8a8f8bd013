#!/usr/bin/env bash
# All tests, on real Apache Kafka too. Installs what they need: Debian packages
# through apt-get when root, Kafka's jars through mvn into redline's cache folder.
# Ends with a line that counts what passed, failed and was skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need=()
command -v java >/dev/null || need+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || need+=(maven)
command -v gcc >/dev/null || need+=(gcc libc6-dev)
command -v chromium >/dev/null || need+=(chromium)
command -v make >/dev/null || need+=(make)
python3 -c 'import ensurepip' 2>/dev/null || need+=(python3 python3-venv)
if ((${#need[@]})); then
	if [[ $(id -u) != 0 ]]; then
		echo "missing: ${need[*]}. Install them: sudo apt-get install -y ${need[*]}" >&2
		exit 1
	fi
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${need[@]}"
fi

log=$(mktemp)
trap 'rm -f "$log" "$log.failed"' EXIT
count() { grep -acE "^ *--- $1: " "$log" || true; }

unformatted=$(gofmt -l $(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))
if [[ -n $unformatted ]]; then
	echo "not formatted with gofmt: $unformatted" >&2
	exit 1
fi
go vet ./...
CGO_ENABLED=0 go vet ./...
GOOS=darwin CGO_ENABLED=0 go build -o /dev/null .

# A program with the race detector sleeps for a second before it ends: hundreds do here.
export GORACE=atexit_sleep_ms=20

# The race detector on everything that needs Go alone, but for the examples of help,
# which measure, and allocations, which it adds to. Then real Kafka: first where nothing
# is measured, two packages at a time; test/kafka and the article have the machine alone.
status=0
REDLINE_TEST_PYTHON=1 go test -race -v -timeout 15m -skip 'TestEveryExampleRuns|TestKafkas' $(go list ./... | grep -v /test/) >"$log" 2>&1 || status=$?
go test -v -timeout 10m -run 'Allocates?Nothing' ./internal/workload/ladder ./direct/... >>"$log" 2>&1 || status=$?
REDLINE_EXAMPLES=1 go test -v -timeout 10m -run TestEveryExampleRuns ./internal/cli >>"$log" 2>&1 || status=$?
JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 REDLINE_TEST_KAFKA=1 REDLINE_TEST_BROWSER=1 go test -p 2 -v -count=1 -timeout 20m ./internal/client/java $(go list ./test/... | grep -v /test/kafka) >>"$log" 2>&1 || status=$?
REDLINE_TEST_KAFKA=1 REDLINE_TEST_PYTHON=1 go test -v -parallel 4 -count=1 -timeout 20m ./test/kafka >>"$log" 2>&1 || status=$?
ARTICLE_SCALE=100 scripts/article.sh >>"$log" 2>&1 || { echo "--- FAIL: scripts/article.sh" >>"$log"; status=1; }

grep -aE '^(ok|FAIL|panic|fatal error|signal|exit status|---? FAIL| +--- FAIL| +--- SKIP|--- SKIP)' "$log" || true
if ((status)); then
	# What a test has to say stands before the line that it failed. A process that was killed
	# or died of the runtime has no such line, a package's is its last.
	echo "----- the log around the failures"
	grep -aE -B60 -A20 '^ *--- FAIL|^ +FAIL: |panic: |fatal error: |DATA RACE' "$log" >"$log.failed" || true
	head -c 100000 "$log.failed"
	echo "----- the ends of the packages that failed"
	grep -aE -B60 $'^FAIL\t' "$log" >"$log.failed" || true
	head -c 100000 "$log.failed"
fi
echo "$(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"
if (($(count SKIP))) && [[ -n ${CI:-} ]]; then
	echo "a test was skipped: on CI every test has to run" >&2
	status=1
fi
exit $status
