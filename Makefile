# One word per chore. `make help` lists them.
SHELL := bash
COUNT ?= 1000000
SIZE ?= 100
THREADS ?= 4

.DEFAULT_GOAL := help
.PHONY: help build test test-full lint golden bench bench-overhead article faults fuzz produce clean

help: ## list the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

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

bench: ## benchmarks of the hot paths
	go test -run '^$$' -bench . -benchmem ./internal/audit ./internal/payload ./internal/latency

bench-overhead: ## what our counting costs against a bare franz-go loop, on real Kafka
	scripts/bench-overhead.sh

article: ## the article from top to bottom, on real Kafka
	scripts/article.sh

faults: ## kill -9 one of three nodes, on real Kafka
	go test ./test/kafka -count=1 -v -run 'Kill' -timeout 20m

fuzz: ## every fuzz target for FUZZTIME (1m)
	scripts/fuzz.sh

produce: ## fill test-topic as the article does: COUNT, SIZE, THREADS
	chmod +x scripts/fast-producer.sh
	./scripts/fast-producer.sh $(SIZE) $(COUNT) $(THREADS)

clean: ## remove what was built
	rm -rf bin
