# What a developer does here; `.ci/run` runs the same targets. Needs Python 3.11, make and pip, nothing else.

SHELL := bash
.SHELLFLAGS := -o pipefail -c

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
AZURITE := $(VENV)/share/azurite/node_modules
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test stress acceptance lint types layers docs format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stock pip has no --group. Torch goes first and alone, by its exact version, so that a local CPU build is taken.
$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@$(PIP) install -c constraints.txt -e '.[demo,images]' --group dev
	@touch $@

# An emulator of Azure for the tests, from npm; where that cannot be reached, they skip.
$(AZURITE): tests/support/servers/azurite_lock/package-lock.json | $(STAMP)
	@$(BIN)/python -m tests.support.servers.install_azurite

demo: $(STAMP) ## Write a small Delta table and train on it; MNIST=folder takes MNIST
	@$(BIN)/python docs/start/demo.py $(if $(MNIST),--mnist $(MNIST))

test: $(STAMP) $(AZURITE) ## Run the tests
	@$(BIN)/python -m pytest $(ARGS)

stress: $(STAMP) $(AZURITE) ## Run the same tests with ten times the examples: 500 random tables, 10,000 damaged files
	@DELTASTREAM_STRESS=1 $(BIN)/python -m pytest --timeout=1200 -o faulthandler_timeout=1000 $(ARGS)

acceptance: $(STAMP) ## Read every table of the corpus and print the tally by feature; DELTASTREAM_CORPUS=folder
	@$(BIN)/python -m tests.acceptance

lint: $(STAMP) ## Check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: $(STAMP) ## Fix what lint can fix by itself
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

types: $(STAMP) ## Check types, the public ones from outside too
	@$(BIN)/mypy

layers: $(STAMP) ## Check who imports whom
	@$(BIN)/lint-imports

docs: $(STAMP) ## Build the documentation strictly into site/
	@# Strict is broken links and missing names; a docstring that contradicts its signature only warns.
	@$(BIN)/zensical build --clean --strict 2>&1 | awk '{ print } /^griffe:/ { bad = 1 } END { exit bad }'

clean: ## Remove everything that was made here, the environment too
	rm -rf $(VENV) site build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
