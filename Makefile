# On a fresh machine, run `make demo` or `make test`; both install what they need.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests start hundreds of processes, each of which would compile all sources without bytecode files.
unexport PYTHONDONTWRITEBYTECODE
STAMP := $(VENV)/.installed

.PHONY: setup core wasm core-tables demo test test-all lint wheel-test wheels bench-all bench-report \
    bench-extras soak fuzz fuzz-full fuzz-zmtp fuzz-core test-aarch64 test-aravis test-basler clean help

help:  ## list the targets
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## create the virtual environment and compile the native core; no-op if up to date

core: setup  ## compile the native core; a checkout also does so by itself when a source has changed
	$(BIN)/python scripts/build_core.py

wasm: setup  ## compile the decoders of the core as WebAssembly, into the package
	$(BIN)/python scripts/build_core.py wasm

core-tables: setup  ## write the tables of the core that are results of formulas
	$(BIN)/python scripts/make_core_tables.py

$(STAMP): pyproject.toml scripts/setup.sh scripts/opencv_fallback.py
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	@touch $(STAMP)

demo: setup  ## stream a synthetic conveyor between two processes; print a table, draw a contact sheet
	$(BIN)/rankcast demo --out out/demo

lint: setup  ## run ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## run lint and all quick tests, 7 minutes on two cores
	$(BIN)/python -m pytest -m "not slow" -n 4 --dist worksteal

test-all: lint  ## run lint and all tests, including slow ones
	$(BIN)/python -m pytest --timeout 1200

wheel-test: setup  ## build the wheel and test it in a folder without the sources
	VENV=$(VENV) sh scripts/wheel_test.sh

wheels: setup  ## build the wheels of all six platforms into dist/
	for platform in x86_64-linux aarch64-linux x86_64-windows aarch64-windows x86_64-macos aarch64-macos; do \
	    RANKCAST_TARGET=$$platform $(BIN)/python -m build --wheel --no-isolation || exit 1; \
	done

# One rule for all benchmarks: `make bench-codec-speed` runs benchmarks/codec_speed.py and writes
# benchmarks/results/codec-speed.json. DATA=DIR measures on real pictures, QUICK=1 cuts runs short.
BENCHMARKS := sizing narrow-link following substream latency stream isolation hostile-viewer flood \
    cameras grabber nats-streams web-clients web-quality startup metrics-scrape stopping codec \
    libaom codec-speed denoise svd methods kmeans-speed rank-cut wasm-speed web-page recording \
    recorder relay scale synthetic
WITH_DATA := sizing codec libaom codec-speed denoise svd methods kmeans-speed rank-cut wasm-speed
EXTRAS := import av, imagecodecs, matplotlib, PIL, sklearn
MINUTES ?= 30
SEED ?= 0

bench-all: bench-extras  ## run every benchmark except soak and gan: 2 hours, or 14 minutes with QUICK=1
	missed=0; for name in $(BENCHMARKS); do \
	    echo "== $$name"; $(MAKE) --no-print-directory bench-$$name || missed=1; \
	done; exit $$missed

bench-%: bench-extras  ## run one benchmark: bench-latency, bench-codec, ...; exits with 2 if a bar is missed
	$(BIN)/python benchmarks/$(subst -,_,$*).py --output benchmarks/results/$*.json \
	    $(if $(QUICK),--quick) $(if $(and $(DATA),$(filter $*,$(WITH_DATA))),--data $(DATA)) \
	    $(if $(filter $*,soak),--minutes $(MINUTES) --seed $(SEED)) \
	    $(if $(filter $*,gan),$(CLIP))

bench-report: setup  ## write docs/benchmarks.md and the figures of README.md from the results
	$(BIN)/python benchmarks/report.py

bench-extras: setup
	@$(BIN)/python -c '$(EXTRAS)' 2>/dev/null || $(BIN)/python -m pip install -q 'rankcast[bench,test]'

soak: bench-soak  ## stream for MINUTES=30 through random faults drawn from SEED=0

SECONDS ?= 60
JOBS ?= 1
FUZZ = $(BIN)/python tests/fuzz/run.py --jobs $(JOBS) --seed $(SEED)

fuzz: $(STAMP)  ## fuzz every parser and decoder for SECONDS=60, JOBS=1 at a time; findings in out/fuzz
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q 'rankcast[fuzz]'
	$(FUZZ) --seconds $(SECONDS)

fuzz-full: $(STAMP)  ## fuzz with a million inputs per parser and 50,000 per decoder; takes hours
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q 'rankcast[fuzz]'
	$(FUZZ) --seconds 14400 --executions 1000000 --targets wire status receiver control requests key-policy model recording
	$(FUZZ) --seconds 14400 --executions 50000 --targets raw jpeg lossless svd svd-patch pca kmeans gan

test-basler: setup  ## test basler: against Basler's emulator; installs pypylon with pip
	@$(BIN)/python -c 'import pypylon' 2>/dev/null || \
	    $(BIN)/python -m pip install -q 'rankcast[basler]' || \
	    { echo "missing: pypylon; it has wheels for Linux and Windows: pip install 'rankcast[basler]'"; exit 1; }
	$(BIN)/python -m pytest -n 2 --timeout 300 $(BASLER_TESTS)

BASLER_TESTS := tests/system/test_basler.py tests/unit/sender/devices/test_basler_device.py \
    tests/unit/sender/devices/test_pylon.py tests/unit/sender/devices/test_genicam_settings.py \
    tests/unit/sender/devices/test_frame_gaps.py tests/unit/sender/grabber/test_basler_sources.py \
    tests/unit/sender/sources/test_pixel_formats.py tests/unit/sender/cameras

ARAVIS_PACKAGES := aravis-tools gir1.2-aravis-0.8 python3-gi

test-aravis: setup  ## test aravis: against Aravis's fake GigE camera; installs the packages when root
	sh scripts/install_packages.sh $(ARAVIS_PACKAGES)
	REQUIRE_ARAVIS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/system/test_aravis.py \
	    tests/unit/sender/devices/aravis tests/unit/sender/grabber/test_aravis_source.py

EXECUTIONS ?= 0

fuzz-core: setup  ## fuzz the decoders of the native core with sanitizers for SECONDS=60, or to EXECUTIONS=1000000
	$(BIN)/python tests/native/fuzz_core.py --jobs $(JOBS) --executions $(EXECUTIONS) \
	    --seconds $(if $(filter 0,$(EXECUTIONS)),$(SECONDS),86400)

test-aarch64: setup  ## decode on an emulated aarch64 (apt-get install qemu-user) and compare bit by bit
	$(BIN)/python -m pytest -rs tests/contract/test_native_decoders.py \
	    tests/contract/test_packet_decoders.py -k aarch64

CONNECTIONS ?= 500000

fuzz-zmtp: $(STAMP)  ## attack every socket of a sender and a receiver with CONNECTIONS=500000 each
	$(BIN)/python -c 'import nacl' 2>/dev/null || $(BIN)/python -m pip install -q 'rankcast[fuzz]'
	$(BIN)/python tests/fuzz/zmtp/run.py --connections $(CONNECTIONS) --seed $(SEED)

clean:  ## remove everything that the targets created
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
