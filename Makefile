# Two commands for newcomers: `make demo` and `make test`. One for developers: `make check`. Two for the machine's
# administrator: `make install` and `make uninstall` (docs/install.md).
# Each installs what it needs and says so. CI runs `make test`, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What was said for an installation; nothing of it is needed. PYTHON counts only when it was said.
PLACES := $(foreach name,DESTDIR PREFIX BINDIR LIBDIR PURGE FORCE,$(if $($(name)),$(name)='$($(name))')) \
	PYTHON='$(if $(filter file,$(origin PYTHON)),,$(PYTHON))'
export PYTHONPATH := src

.PHONY: help demo test check format lint types layers unit e2e bench fuzz docs install uninstall venv \
	system clean

help:  ## what can be made
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

demo: venv  ## a private Internet with a real Postfix: watch the door at work
	@scripts/system-setup demo
	@scripts/demo

test: venv system check e2e  ## everything: check, and the tests against real Postfix, NSD and namespaces

check: venv lint types layers unit docs  ## format, lint, types, layers, unit tests: under a minute

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

fuzz: venv  ## the codecs, fed with mutated octets for a minute each
	@set -e; for part in $(basename $(notdir $(filter-out fuzz/__init__.py,$(wildcard fuzz/*.py)))); do \
		echo "fuzz.$$part"; $(BIN)/python -m fuzz.$$part 60; done

bench: venv system  ## speed, as ratios against the C floor, postgrey and fail2ban in one run each
	$(BIN)/python -m bench.policy
	$(BIN)/python -m bench.bans

install:  ## the program, its user and its service, for the whole machine (root); again: an upgrade
	@$(PLACES) scripts/install

uninstall:  ## undo `make install`; configuration and state stay unless PURGE=1
	@$(PLACES) scripts/uninstall

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@scripts/python-setup $(PYTHON) $(VENV)
	@touch $@

system:
	@scripts/system-setup

clean:  ## remove what was built and installed here
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .ruff_cache .pytest_cache
