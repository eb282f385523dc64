# What runs here is pinned: Consul, Prometheus, promtool and golangci-lint are Go tools in modules of their own, built once
# into ${XDG_CACHE_HOME:-~/.cache}/fedscrape. CONTRIBUTING.md says what each target is for.

.PHONY: build test tools lint format fuzz bench bench-scale bench-micro bench-diff bench-app model chaos soak clean

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS := -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(REVISION)

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o fedscrape ./cmd/fedscrape

tools:
	tools/build.sh consul
	tools/build.sh prometheus
	tools/build.sh promtool

test: tools
	tools/test.sh

lint:
	"$$(tools/build.sh golangci-lint)" run ./...

format:
	"$$(tools/build.sh golangci-lint)" fmt ./...

FUZZTIME ?= 30s

fuzz:
	@for package in $$(go list ./...); do \
		targets=$$(go test -list '^Fuzz' $$package) || { echo "$$targets"; exit 1; }; \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

bench:
	go run ./bench/grid $(if $(QUICK),-quick)

bench-scale:
	go run ./bench/grid -scale $(if $(QUICK),-quick)

bench-app: build
	/usr/bin/python3 bench/app/app.py --fedscrape ./fedscrape --section docs/performance-workers.md

bench-micro:
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem $(or $(PACKAGES),./...)

bench-diff:
	bench/diff.sh '$(OLD)' '$(or $(BENCH),.)' $(or $(PACKAGES),./exposition ./merge ./ledger ./scraper)

SCHEDULES ?= 20000

model: SHELL := bash
model:
	set -o pipefail; FEDSCRAPE_MODEL_SCHEDULES=$(SCHEDULES) go test -count=1 -timeout 60m -run '^TestModel$$' -v ./federator | \
		grep -v -e '=== ' -e '--- PASS: TestModel/'
	set -o pipefail; go test -count=1 -timeout 60m -run 'TestRestoreIsInvisible|TestCrashLaws' -v ./merge | grep -v -e '=== ' -e '^ *--- PASS: Test[A-Za-z]*/'

KILLS ?= 200

chaos: tools
	FEDSCRAPE_CHAOS_KILLS=$(KILLS) go test -race -count=1 -timeout 60m -run '^TestChaos$$' -v ./internal/e2e

SECONDS ?= 180
INSTANCES ?= 1000

soak:
	FEDSCRAPE_SOAK_SECONDS=$(SECONDS) FEDSCRAPE_SOAK_INSTANCES=$(INSTANCES) go test -count=1 -timeout 60m -run '^TestSoak$$' -v ./internal/e2e

clean:
	rm -f fedscrape
