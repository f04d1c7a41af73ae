# What a contributor runs. One profile (release) and one choice of features (the whole workspace)
# everywhere, so that RocksDB's C++ is compiled once.

CARGO := cargo
EVERYTHING := --release --locked --workspace

.PHONY: help build lint test demo bench prepare

help:
	@echo "make build   the binary target/release/chainchat"
	@echo "make test    everything that must be green: formatting, lints, all tests, real processes"
	@echo "make demo    a private network of three nodes on which two people talk"
	@echo "make lint    formatting and lints only"
	@echo "make bench   the measurements; writes the table of docs/performance.md (MESSAGES=1000000: the long run)"

prepare:
	@packaging/prepare

build: prepare
	$(CARGO) build $(EVERYTHING)

lint: prepare
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(EVERYTHING) --all-targets -- -D warnings

test: prepare
	@tests/run

demo: build
	@python3 tests/demo.py

# Of the rows measurement; `make bench MESSAGES=1000000` is the long run.
MESSAGES := 100000
FUNCTIONS := codec proof_of_work admission block_check apply import history_scan
MEASURE := $(CARGO) bench --profile release --locked --workspace

bench: build
	$(MEASURE) $(FUNCTIONS:%=--bench %)
	$(MEASURE) --bench rows -- --messages $(MESSAGES) --write
