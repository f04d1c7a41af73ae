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
	@echo "make bench   the measurements"

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

bench: prepare
	$(CARGO) bench --locked --profile release -p chainchat-benches
