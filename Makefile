# Short verbs for everything one does here; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install core console screenshots demo check unit test soak bench bench-peers bench-search-core check-dgl serve docs clean python servers browser
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# Python 3.11: by name, else a python3 that is it.
PYTHON := $(shell command -v python3.11 || { python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	2>/dev/null && command -v python3; })
# Silenced: setuptools warns at length about every editable installation.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --quiet
# Of pytest: more than two cores, since tests with servers wait a lot.
WORKERS ?= 3
BENCH ?=

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

CONSOLE_SOURCES := $(shell find api/console -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/generated/*' 2>/dev/null)

install: $(VENV)/.installed-dev $(VENV)/.console ## environment for working here: the package, its extras, the tools
core: $(VENV)/.installed-core $(VENV)/.console

console: $(BIN)/python ## the console's pages, where their sources changed
	@infra/setup/console.sh $(BIN)/python

demo: core ## ingest a sample company, search it, ask it, change it; no server, no Docker
	@$(BIN)/kb demo

check: install ## style, types and import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install ## fast tests, offline, about a minute
	$(BIN)/pytest tests/unit -m "not slow" -n $(WORKERS) --dist loadfile

test: check servers browser ## everything: check, then unit, contract and integration tests
	$(BIN)/pytest tests/unit tests/contract tests/integration -n $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: install servers ## the long tests, one after the other
	$(BIN)/pytest tests/integration tests/soak -m soak --timeout 7200

bench: install ## the rows of the measurements page that apply to this machine
	$(BIN)/kb bench $(BENCH)

screenshots: install browser ## the console's pages as pictures in docs/pictures
	KB_TEST_PICTURES=1 $(BIN)/pytest tests/integration/test_console_pictures.py -q -m "soak or not soak"

bench-search-core: install ## what each tier of the search core adds on public sets (hours on two cores)
	$(BIN)/python -m tests.benchmarks.bench_search_core $(BENCH)

bench-peers: .venv-peers/.installed ## environment of the systems we measure beside (about 6 GB)

check-dgl: install .venv-dgl/.installed ## the same weights by DGL's message passing, in its own environment (about 6 GB)
	$(BIN)/python -m tests.benchmarks.dgl.export .venv-dgl/parity
	DGLBACKEND=pytorch .venv-dgl/bin/python -m tests.benchmarks.dgl.compare .venv-dgl/parity

serve: core ## the API on loopback; prints a first admin key once
	$(BIN)/kb serve

docs: install ## write the pages that are generated from the code
	$(BIN)/python -m infra.settings_docs

clean: ## forget the environment and every cache; data folders stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found (python3 is $$(python3 --version 2>&1)); install it with:" \
		"sudo apt-get install -y python3.11 python3.11-venv python3.11-dev" >&2; exit 1; }

# The tests say themselves what is missing where these cannot be installed: they skip, or fail where CI is set.
servers: ## Debian's packages for the server tests and `kb stack up`: PostgreSQL, MariaDB, Redis, Java, Maven
	@infra/setup/debian.sh servers || true

browser: ## Debian's Chromium for the tests of the console
	@infra/setup/debian.sh browser || true

$(BIN)/python: | python
	@infra/setup/debian.sh compiler $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

# Without npm's registry this warns, and everything but the console works.
$(VENV)/.console: $(CONSOLE_SOURCES) | $(BIN)/python
	@infra/setup/console.sh $(BIN)/python && touch $@ || true

.venv-peers/.installed: tests/benchmarks/peers/requirements.txt tests/benchmarks/peers/constraints.txt | python
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install -c $(word 2,$^) -r $<
	@touch $@

.venv-dgl/.installed: tests/benchmarks/dgl/requirements.txt tests/benchmarks/dgl/constraints.txt | python
	$(PYTHON) -m venv .venv-dgl
	.venv-dgl/bin/python -m pip --disable-pip-version-check --quiet install -c $(word 2,$^) -r $<
	@touch $@

# The stamps make a second `make` quick; a changed dependency list installs again.
$(VENV)/.installed-core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing autoglm-kb into $(VENV)"
	$(BIN)/python infra/setup/core_requirements.py > $(VENV)/code.txt
	$(BIN)/python infra/setup/core_requirements.py --data > $(VENV)/data.txt
	$(PIP) install -c constraints.txt -r $(VENV)/code.txt
	$(PIP) install -c constraints.txt --no-deps -r $(VENV)/data.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing autoglm-kb and its tools into $(VENV); the first time takes some minutes"
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-core
