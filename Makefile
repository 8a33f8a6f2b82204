# Every target does its own set-up: Python 3.11 or later, make and a Python package index are all that is needed.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
ARGS ?=
# Tests wait for sound, disks and servers more than they compute: a process more than two cores.
JOBS ?= 3

.PHONY: help demo test check test-interop fuzz format locks docs bench-asr bench-capture bench-assemble bench-codecs \
	bench-archive bench-search bench-handover bench-pipeline bench-web screenshots sample-model sample-calls clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.run ## place sample calls and watch them become sealed evidence (ARGS=--exit: stop afterwards)
	@$(BIN)/huiyin demo $(ARGS)

test: .venv/.dev ## run the tests (ARGS goes to pytest, JOBS=1: one after another)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.dev ## everything that must hold: tests, style, types, layers, locks, migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.check_locks
	@$(MAKE) --no-print-directory test

test-interop: .venv/.dev ## other people's SIP programs against the recorder (Debian: sip-tester socat baresip-core)
	@for p in sipp socat baresip; do command -v $$p >/dev/null || echo "NOT TESTED: $$p is not installed" >&2; done
	@$(BIN)/python -m pytest tests/interop tests/acceptance/test_sipp.py $(ARGS)

fuzz: .venv/.dev ## search for inputs that break a parser (ARGS="--seconds 600", one target: ARGS="sip --seconds 600")
	@$(BIN)/python -m tests.fuzz.search $(ARGS)

format: .venv/.dev ## put the code into its one form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: .venv/.dev ## write the generated parts of docs/
	@$(BIN)/python -m tools.write_docs

locks: .venv/.dev ## resolve the dependencies anew (hashes, no host names)
	@$(BIN)/python -m tools.check_locks --write

bench-asr: .venv/.dev ## character error rates and speed of the speech pipeline
	@$(BIN)/python -m benchmarks.asr $(ARGS)

bench-capture: .venv/.dev ## calls into the recorder: packets lost, CPU, memory, set-up times, most calls (12 min.)
	@$(BIN)/python -m benchmarks.capture $(ARGS)

bench-handover: .venv/.dev ## export of a house into a bag: recordings/s, MB/s, memory
	@$(BIN)/python -m benchmarks.handover $(ARGS)

bench-assemble: .venv/.dev ## spool to stereo FLAC: times real time
	@$(BIN)/python -m benchmarks.assemble $(ARGS)

bench-codecs: .venv/.dev ## how fast each codec decodes: times real time
	@$(BIN)/python -m benchmarks.codecs $(ARGS)

bench-seal: .venv/.dev ## closed calls sealed per second by the real sealer, on both databases and stores
	@$(BIN)/python -m benchmarks.seal $(ARGS)

bench-archive: .venv/.dev ## a million recordings: lookups, nightly scan, disposal, verification, ledger (ARGS="--recordings 20000")
	@$(BIN)/python -m benchmarks.archive $(ARGS)

bench-search: .venv/.dev ## words and phrases in a million calls of twenty turns (ARGS="--calls 50000")
	@$(BIN)/python -m benchmarks.search $(ARGS)

bench-pipeline: .venv/.dev ## page times and the way from BYE to text on the running service
	@$(BIN)/python -m benchmarks.pipeline $(ARGS)

bench-web: .venv/.dev ## page times at 20 users, on the demo's data and at 100,000 recordings (ARGS="--recordings 2000")
	@$(BIN)/python -m benchmarks.web $(ARGS)

screenshots: .venv/.dev ## every page in both languages, on a telephone and a desk, into docs/screenshots/all
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

sample-model: .venv-sample/.ready ## train the embedded speech model again (needs espeak-ng; 1.5 hours on 2 cores)
	@.venv-sample/bin/python -m tools.sample_model all --work .sample-model $(ARGS)

sample-calls: .venv-sample/.ready ## synthesise the demo's calls again (needs espeak-ng)
	@.venv-sample/bin/python -m tools.demo_calls.make_calls

clean: ## remove the environments and everything that the demo left
	rm -rf .venv .venv-sample .sample-model .demo build *.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; found none. Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "The environment could not be made; Debian: apt-get install python3-venv" >&2; exit 1; }

# --only-binary: nothing is compiled, so no compiler is needed.  bagit comes as source only: one module of Python.
WHEELS := --only-binary :all: --no-binary bagit

.venv/.run: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing the locked packages …"
	@$(PIP) --require-hashes $(WHEELS) -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	@echo "Installing the locked development packages …"
	@$(PIP) --require-hashes $(WHEELS) -r requirements-dev.txt
	@touch $@

# Training needs packages of its own, which nothing else uses.
.venv-sample/.ready: tools/sample_model/requirements.txt
	@command -v espeak-ng >/dev/null || { echo "espeak-ng is needed. Debian: apt-get install espeak-ng" >&2; exit 1; }
	@$(PYTHON) -m venv .venv-sample
	@.venv-sample/bin/python -m pip --disable-pip-version-check install --quiet -r tools/sample_model/requirements.txt
	@touch $@
