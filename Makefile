# Two commands on a fresh machine: `make demo` and `make test`. Both set themselves up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests start hundreds of processes: a machine that keeps no bytecode would read all sources in each.
unexport PYTHONDONTWRITEBYTECODE
STAMP := $(VENV)/.installed

.PHONY: setup install warm demo test test-all lint bench-svd bench-codec wheel-test fuzz fuzz-full bench-stream bench-flood soak clean help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: warm  ## virtual environment with everything, kernels compiled; nothing when up to date

install: $(STAMP)  ## the virtual environment alone

$(STAMP): pyproject.toml scripts/setup.sh scripts/opencv_fallback.py
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	@touch $(STAMP)

demo: setup  ## stream a synthetic conveyor through real processes, with a table and a picture
	$(BIN)/rankcast demo --out out/demo

lint: install  ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint warm  ## lint and all quick tests (under 6 minutes)
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist worksteal

test-all: lint warm  ## the slow tests too
	$(BIN)/python -m pytest --timeout 1200

warm: install  ## compile kernels whose sources changed
	$(BIN)/python -m rankcast_sender.warm

wheel-test: install  ## build the wheel and try it where the source folders cannot be seen
	VENV=$(VENV) sh scripts/wheel_test.sh

bench-svd: setup  ## figures of the svd codec, as ratios in one run
	$(BIN)/python benchmarks/svd.py $(if $(DATA),--data $(DATA))

bench-codec: warm  ## svd-patch and lossless beside JPEG, WebP, x264, PNG and JPEG 2000
	$(BIN)/python -c 'import av, imagecodecs, matplotlib, PIL' || $(BIN)/python -m pip install -q -e '.[bench]'
	$(BIN)/python benchmarks/codec.py $(if $(DATA),--data $(DATA))

bench-stream: warm  ## latency, what a stopped viewer costs the others, losses and memory (15 minutes)
	missed=0; for what in latency isolation stream; do \
	    $(BIN)/python benchmarks/$$what.py || missed=1; \
	done; exit $$missed

bench-flood: warm  ## what strangers cost a sender with keys: memory, and frames of its viewers
	$(BIN)/python benchmarks/flood.py

MINUTES ?= 30
SEED ?= 0

soak: warm  ## MINUTES=30 of 720p30 through random faults from SEED=0: memory, descriptors, ledgers, pictures
	$(BIN)/python benchmarks/soak.py --minutes $(MINUTES) --seed $(SEED)

SECONDS ?= 60
JOBS ?= 1
MODES ?= interpreted compiled
FUZZ = $(BIN)/python tests/fuzz/run.py --modes $(MODES) --jobs $(JOBS)

fuzz: $(STAMP)  ## fuzz parsers and decoders, SECONDS=60 each, JOBS=1 at a time; finds are kept in out/fuzz
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q -e '.[fuzz]'
	$(FUZZ) --seconds $(SECONDS)

fuzz-full: $(STAMP)  ## parsers and dispatch a million times, every decoder 50,000 times, or it fails (hours)
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q -e '.[fuzz]'
	$(FUZZ) --seconds 14400 --executions 1000000 --targets wire status receiver control desk doorkeeper model
	$(FUZZ) --seconds 14400 --executions 50000 --targets raw jpeg lossless svd svd-patch pca kmeans gan

clean:  ## remove what the targets made
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
