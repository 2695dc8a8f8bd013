# One word per chore. `make help` lists them.
SHELL := bash
COUNT ?= 1000000
SIZE ?= 100
THREADS ?= 4

.DEFAULT_GOAL := help
.PHONY: help build test test-full lint golden reference man bench bench-overhead bench-engine bench-adapters bench-ladder bench-direct-tail bench-direct-live bench-direct-group direct-growth direct-codecs direct-quota direct-memory fuzz-corpus clients article suites aa simulate kills memory any-kafka faults fuzz produce clean

help: ## list the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

build: ## build bin/redline
	go build -o bin/redline .

test: ## the fast tests: Go alone, a minute
	go test ./...

test-full: ## all tests, on real Apache Kafka too; installs what they need
	scripts/test-full.sh

lint: ## golangci-lint, at the version pinned in tools/go.mod
	go tool -modfile=tools/go.mod golangci-lint run

golden: ## write the golden files anew, to be read in the diff
	go test ./internal/... -update

reference: ## write docs/reference and the JSON Schemas anew, to be read in the diff
	go test ./internal/cli -run 'Reference|Schemas|ThreeExamples' -update

man: ## write the man pages into man/
	go run . docs --type man man

bench: ## benchmarks of the hot paths
	go test -run '^$$' -bench . -benchmem ./internal/audit ./internal/payload ./internal/latency

bench-overhead: ## what our counting costs against a bare franz-go loop, on real Kafka
	scripts/bench-overhead.sh

bench-engine: ## what a trial costs against the workload alone and a bare loop, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench Engine -benchtime 1x -timeout 30m

bench-adapters: ## what each client's adapter costs against a bare loop, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench Adapters -benchtime 1x -timeout 30m

bench-ladder: ## whether each step alone predicts its rung, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench Ladder -benchtime 1x -timeout 30m

bench-direct-tail: ## direct against franz-go at the tail of 2,000 partitions, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench DirectTail -benchtime 1x -timeout 30m

bench-direct-live: ## direct against franz-go, producer and consumer in one process, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench DirectLive -benchtime 1x -timeout 30m

bench-direct-group: ## direct as a member of a group against direct with assigned partitions, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench DirectGroup -benchtime 1x -timeout 30m

direct-growth: ## 20 minutes: how direct and franz-go grow, on real Kafka
	scripts/direct-growth.sh

direct-codecs: ## 7 minutes: what each compression costs direct and franz-go, on real Kafka
	scripts/direct-codecs.sh

direct-quota: ## direct against franz-go with half a CPU, on real Kafka
	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$$' -bench DirectQuota -benchtime 1x -timeout 30m

direct-memory: ## ten minutes at full speed: does direct's memory stay flat? On real Kafka
	scripts/direct-memory.sh

clients: ## an hour and a quarter: every client and both ladders, on real Kafka
	scripts/clients.sh

suites: ## every built-in question in 3 minutes each, on real Kafka
	scripts/suites.sh

aa: ## an hour: how often redline cries wolf here, and how often it sees
	go run . aa --runs runs

simulate: ## four minutes: what the intervals cover and the plans find
	go test ./internal/stats -run '^$$' -bench Simulation -benchtime 1x -timeout 1h

kills: ## SIGKILL at 95 random moments of a run and at 5 aimed ones
	REDLINE_KILLS=95 go test ./test/kill -count=1 -v -timeout 1h

memory: ## a thousand short trials: does the heap stay flat?
	REDLINE_TRIALS=1000 go test ./internal/experiment -count=1 -run MemoryIsFlat -v -timeout 20m

article: ## the article from top to bottom, on real Kafka
	scripts/article.sh

any-kafka: ## every mechanism in every spelling, and every refusal, on real Kafka
	REDLINE_FULL=1 REDLINE_TEST_KAFKA=1 go test ./test/kafka -count=1 -run 'Secured|Expired|Outlives' -v -timeout 20m

faults: ## kill -9 one of three nodes, on real Kafka
	go test ./test/kafka -count=1 -v -run 'Kill' -timeout 20m

fuzz-corpus: ## the answers of a real Kafka that direct's fuzz targets begin with
	REDLINE_CORPUS=1 REDLINE_TEST_KAFKA=1 go test ./test/kafka -count=1 -run RealAnswers

fuzz: ## every fuzz target for FUZZTIME (1m)
	scripts/fuzz.sh

produce: ## fill test-topic as the article does: COUNT, SIZE, THREADS
	chmod +x scripts/fast-producer.sh
	./scripts/fast-producer.sh $(SIZE) $(COUNT) $(THREADS)

clean: ## remove what was built
	rm -rf bin man
