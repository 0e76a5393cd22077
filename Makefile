# Every target works on a fresh clone; "make" alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO      ?= go
PHOTOS  ?=
OUT     ?= demo-output
STUDY   ?= study-mini-output
TILES   ?= tiles-table-output
# What "declip version" says, also where Go does not record it.
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
# For one package: make test PACKAGES=./internal/graph
PACKAGES ?= ./...

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: setup
setup: ## fetch ONNX Runtime (npm) into .cache, and the Go modules
	@scripts/setup.sh

.PHONY: build
build: ## build bin/declip
	$(GO) build -trimpath -ldflags "-X github.com/declip/declip/internal/cli.Commit=$(COMMIT)" -o bin/declip ./cmd/declip

.PHONY: demo
demo: setup build ## localize the bundled sample with the embedded model
	bin/declip localize -o $(OUT) testdata/sample/forged.jpg
	@echo "The results are in $(abspath $(OUT)):" && ls $(OUT)

.PHONY: test
test: setup ## vet, then run all tests; with a Chromium, those of the web page too
	@scripts/chromium.sh
	$(GO) vet $(PACKAGES)
	$(GO) test -timeout 10m $(PACKAGES)

.PHONY: quick
quick: ## the tests that need no engine, in less than a minute: make quick [FLAGS=-v]
	@scripts/quick.sh $(FLAGS)

.PHONY: lint
lint: ## formatting, vet, golangci-lint, prose, imports, changelog, shell scripts, known vulnerabilities
	@scripts/lint.sh

.PHONY: changelog
changelog: ## assemble CHANGELOG.md from changelog/: make changelog [RELEASE=v1.2.0]
	$(GO) run ./tools/changelog $(if $(RELEASE),-release "$(RELEASE)")

.PHONY: release
release: ## make archives in dist/: make release [PLATFORMS="linux/amd64 linux/arm64"]
	scripts/release.sh $(PLATFORMS)

.PHONY: docker
docker: ## build the image declip: make docker [IMAGE=name:tag]
	docker build --tag "$(or $(IMAGE),declip)" .

.PHONY: bench
bench: setup ## measure the program and, for comparison, PyTorch and NumPy: make bench [MODEL=file]
	@scripts/bench.sh $(if $(MODEL),"$(MODEL)")

.PHONY: parity
parity: setup ## compare the paper's networks at full size with PyTorch, where Python has it
	@scripts/parity.sh

.PHONY: load
load: setup build ## measure the service: make load [PICTURES="a.jpg b.jpg"]
	$(GO) run ./tools/load $(or $(PICTURES),testdata/sample/forged.jpg testdata/sample/original.jpg)

.PHONY: soak
soak: setup build ## overload the service for an hour, with faults: make soak [FLAGS="-duration 5m"]
	$(GO) run ./tools/soak $(FLAGS)

.PHONY: chaos
chaos: ## kill processes of a queue of jobs at random: make chaos [KILLS=50] [SERVERS=1] [ITEMS=5000] [FLAGS=...]
	$(GO) run ./tools/chaos -kills $(or $(KILLS),50) -servers $(or $(SERVERS),1) -items $(or $(ITEMS),5000) $(FLAGS)

.PHONY: powercut
powercut: ## cut the power of a queue of jobs at random (root, loop devices): make powercut [CUTS=30] [FLAGS=...]
	$(GO) build -o bin/powercut ./tools/powercut
	bin/powercut -cuts $(or $(CUTS),30) $(FLAGS)

.PHONY: overhead
overhead: ## measure what a job costs at 5 ms a picture; fails over 1 % of the work
	$(GO) run ./tools/jobload -items 20480 -picture 5ms -batch 512 -workers 1 -most 1

.PHONY: mutate
mutate: setup build ## localize damaged pictures of all formats: make mutate [FILES=2000] [SEED=1]
	$(GO) run ./tools/mutate -n $(or $(FILES),2000) -seed $(or $(SEED),1) -keep mutate-faults

.PHONY: bench-packages
bench-packages: setup ## run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

.PHONY: lite
lite: setup build ## train the embedded model: make lite PHOTOS=folder (train/ and valid/ inside)
	@test -n "$(PHOTOS)" || { echo "make lite needs PHOTOS=folder of real photographs" >&2; exit 2; }
	scripts/lite.sh "$(PHOTOS)"

.PHONY: study-mini
study-mini: setup build ## forge four families, train on each, test on all, report: make study-mini PHOTOS=folder
	@test -n "$(PHOTOS)" || { echo "make study-mini needs PHOTOS=folder of real photographs" >&2; exit 2; }
	scripts/study-mini.sh "$(PHOTOS)" "$(STUDY)"

.PHONY: tiles-table
tiles-table: setup build ## measure tiles on small edits: make tiles-table PHOTOS=folder [TILES=output] (half an hour)
	@test -n "$(PHOTOS)" || { echo "make tiles-table needs PHOTOS=folder of real photographs with train/, valid/ and test/" >&2; exit 2; }
	scripts/tiles-table.sh "$(PHOTOS)" "$(TILES)"

.PHONY: sample
sample: ## render and forge the bundled sample again
	$(GO) run ./tools/sample

.PHONY: clean
clean: ## remove what build and demo made; .cache stays
	rm -rf bin demo-output
