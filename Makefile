# Two commands for newcomers: `make demo` and `make test`. One for developers: `make check`.
# Each installs what it needs and says so. CI runs `make test`, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PYTHONPATH := src

.PHONY: help demo test check format lint types layers unit e2e bench fuzz docs install system clean

help:  ## what can be made
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

demo: install  ## a private Internet with a real Postfix: watch the door at work
	@scripts/system-setup demo
	@scripts/demo

test: install system check e2e  ## everything: check, and the tests against real Postfix, NSD and namespaces

check: install lint types layers unit docs  ## format, lint, types, layers, unit tests: under a minute

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format:  ## let the formatter have its way
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types:
	$(BIN)/mypy

layers:
	$(BIN)/lint-imports --no-logo

unit:
	$(BIN)/python -m pytest -q -n 2 tests/unit tests/contract tests/property tests/badconfig

docs:
	$(BIN)/python -m pytest -q tests/docs

e2e:
	$(BIN)/python -m pytest -q tests/e2e

fuzz: install  ## the codecs, fed with mutated octets for a minute each
	@set -e; for part in $(basename $(notdir $(filter-out fuzz/__init__.py,$(wildcard fuzz/*.py)))); do \
		echo "fuzz.$$part"; $(BIN)/python -m fuzz.$$part 60; done

bench: install system  ## speed, as ratios against the C floor and postgrey in one run
	$(BIN)/python -m bench.policy

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@scripts/python-setup $(PYTHON) $(VENV)
	@touch $@

system:
	@scripts/system-setup

clean:  ## remove what was built and installed here
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .ruff_cache .pytest_cache
