# Needs only make and python3 (3.11 or later); everything else is installed into .venv.

PYTHON ?= python3
MUTANTS ?=
BIN := .venv/bin
PIP_OPTIONS := --quiet --disable-pip-version-check

.PHONY: setup demo test lint golden mutants bench clean
.DEFAULT_GOAL := setup

setup: .venv/installed  ## make .venv and install simtriggers into it, with the development tools

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "simtriggers needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up .venv (a minute or two the first time)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { \
	  rm -rf .venv; echo "could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -e '.[dev]'
	@touch $@

demo: setup  ## the whole story: live, then the same project in virtual time
	@$(BIN)/python examples/demo/demo.py

test: setup  ## all tests, on two processes
	$(BIN)/python -m pytest -n 2 -q

lint: setup  ## style, format, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

golden: setup  ## write the golden traces anew; look at the difference before you commit it
	SIMTRIGGERS_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_golden.py

mutants: setup  ## break rules one by one; the test named for each must notice
	$(BIN)/python -m tests.mutants $(MUTANTS)

bench: setup  ## measure; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

clean:  ## remove what the other targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
