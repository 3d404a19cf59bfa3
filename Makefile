# What is done with this repository, a word each; `make` alone lists them. PYTHON is the Python that .venv is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
MODEL := models/multilingual-e5-small
CODE := src tests tools benchmarks
# TERRa's own files, for the benchmarks: make bench-full DATA=DIR. BENCH takes further options of `python -m benchmarks`.
DATA ?=
BENCH ?=
# Options of tools/soak.py: make soak SOAK="--kills 10 --seed 3".
SOAK ?=
# The tests run in two processes, each with one thread: more would fight for two cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.PHONY: help demo test test-slow test-4bit test-all soak browser check docs format bench bench-full clean
.DELETE_ON_ERROR:

help: ## list these words
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/installed $(MODEL)/origin.json ## install tuneoff into .venv, make the demo's model, run the demo study
	$(BIN)/tuneoff run demo

test: $(VENV)/installed-dev ## the quick tests
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/installed-dev $(MODEL)/origin.json ## the tests that need a pre-trained model, or time
	TUNEOFF_TEST_MODEL=$(MODEL) $(PYTEST) -m slow

test-4bit: $(VENV)/4bit/installed ## the tests of models in 4 bits, with bitsandbytes beside .venv's packages
	PYTHONPATH=$(VENV)/4bit $(PYTEST) tests/models/test_quantised.py tests/training/test_stage_4bit.py \
	  tests/exporting/test_4bit.py

test-all: test test-slow test-4bit ## all tests

browser: ## Debian's Chromium for the report's tests, which are skipped where there is none; needs root
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium)

soak: $(VENV)/installed-dev ## kill a small study 100 times and compare it with an undisturbed one: 25 minutes
	OMP_NUM_THREADS=1 $(BIN)/python tools/soak.py $(SOAK)

check: $(VENV)/installed-dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src
	$(BIN)/mypy -p benchmarks

format: $(VENV)/installed-dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q

bench: $(VENV)/installed $(MODEL)/origin.json ## tuneoff beside a plain loop and Trainer, in short: under 10 minutes
	$(BIN)/python -m benchmarks --model $(MODEL) $(if $(DATA),--data $(DATA)) $(BENCH)

bench-full: $(VENV)/installed $(MODEL)/origin.json ## the same on all of TERRa, about an hour: make bench-full DATA=DIR
	@test -n "$(DATA)" || { echo "the folder with TERRa's files is needed: make bench-full DATA=DIR"; exit 2; }
	$(BIN)/python -m benchmarks --whole --model $(MODEL) --data $(DATA) $(BENCH)

clean: ## remove .venv and what tools left behind; models/ and runs/ stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing tuneoff into $(VENV); the first time, with torch, takes minutes"
	$(PIP) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing tuneoff and its tools into $(VENV); the first time, with torch, takes minutes"
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/installed

# Apart from .venv: where it is found, every `import peft` takes a second longer.
$(VENV)/4bit/installed: constraints.txt | $(VENV)/installed-dev
	rm -rf $(VENV)/4bit
	$(PIP) --no-deps --target $(VENV)/4bit bitsandbytes
	@touch $@

$(MODEL)/origin.json: tools/fetch_demo_model.py | $(BIN)/python
	@$(MAKE) --no-print-directory -s $(VENV)/installed
	$(BIN)/python tools/fetch_demo_model.py $(MODEL)
	@touch $@
