# Everything a user runs. `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
# Further arguments for the installer, such as your own index: make demo PIP_ARGS="--index-url …"
PIP_ARGS ?=
# Processes that test; those that run Snakemake start two jobs each
TEST_WORKERS ?= 2
BIN := $(VENV)/bin
TESTS = PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest
LCZMAP := -c constraints.txt -e '.[workflow,dev]'
UV := $(shell command -v uv 2>/dev/null)
# uv reads its own variables: let it look where pip was told to look
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Bytecode is kept, whatever containers set: each of hundreds of processes would compile its libraries anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test unit-test lint style types setup w2w clean help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: setup ## map the simulated demo city
	PATH="$(abspath $(BIN)):$$PATH" snakemake --cores $(CORES)
	$(BIN)/python -m lczmap summarise-run results/demo/*/

# One thread for each process: libraries that use all cores get in each other's way. Long tests start first (conftest.py)
test: setup ## run all tests
	$(TESTS) --ignore tests/test_workflow_start.py -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
	$(TESTS) tests/test_workflow_start.py

unit-test: setup ## run the quick tests, which start no Snakemake, server, browser or long training
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not workflow and not server and not browser and not slow" -n auto --dist loadfile

lint: style types ## formatting, lint and types

style: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(abspath $(BIN)):$$PATH" snakemake --lint

types: setup
	$(BIN)/mypy

setup: $(VENV)/.installed ## virtual environment with pinned dependencies

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "lczmap needs Python 3.11, 3.12 or 3.13; name one: make demo PYTHON=python3.12" >&2; exit 1; }
	$(call environment,$(VENV),$(LCZMAP))
	@touch $@

w2w: .w2w/.installed ## w2w in an environment of its own (it needs another rasterio), for the tests that run it

.w2w/.installed:
	$(call environment,.w2w,w2w==0.6.0)
	@touch $@

# $(call environment,FOLDER,WHAT): a virtual environment with packages in it. uv does in seconds what takes pip minutes;
# where it fails (an index that only pip's own settings name), pip is asked.
define environment
	test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || uv venv --seed --allow-existing --python $(PYTHON) $(1) || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	{ $(if $(UV),true,$(1)/bin/python -m pip install -q $(PIP_ARGS) uv) && \
	  $(if $(UV),uv,$(1)/bin/uv) pip install --python $(1)/bin/python $(PIP_ARGS) $(2); } || \
	  $(1)/bin/python -m pip install $(PIP_ARGS) $(2)
endef

clean: ## remove results and intermediate files, keep the environment
	rm -rf results resources logs .snakemake
