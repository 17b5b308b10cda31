# Lynceus: `make run` is all a fresh machine needs; `make help` lists the rest.
# Works with GNU make 3.81 (macOS) and newer.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# insightface asks for opencv-python, which overwrites the files of opencv-python-headless: installed without what it
# asks for; pyproject.toml lists what it really imports.
INSIGHTFACE := $(shell sed -n 's/^insightface==/insightface==/p' constraints.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test chaos lint bench clean

help:
	@echo 'make run      install what is missing, then start everything with demo cameras (Ctrl-C stops it)'
	@echo 'make install  make $(VENV) and install Lynceus into it; does nothing when that is up to date'
	@echo 'make test     lint, types, import rules, migrations and tests, on a real PostgreSQL and Redis'
	@echo 'make chaos    break streams, clocks, workers, Redis, PostgreSQL and a disk for real, and see all recover (15 min)'
	@echo 'make lint     the part of `make test` that takes seconds'
	@echo 'make bench    measure the frame path, alerts and recognition; prints tables (BENCH=--only=alerts: one)'
	@echo 'make clean    remove $(VENV), caches and test data; your own data in var/ stays'

install: $(INSTALLED)

install-dev: $(INSTALLED_DEV)

# The first Python from 3.11 on. `python3` comes first: it is what the person at the machine chose.
$(BIN)/python:
	@for candidate in $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$candidate" --version)"; \
	    if "$$candidate" -m venv $(VENV); then exit 0; fi; \
	    rm -rf $(VENV); \
	    echo 'This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo 'Lynceus needs Python 3.11 or newer and found none. Install one, or name yours: make PYTHON=/path/to/python' >&2; \
	exit 1

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing Lynceus into $(VENV) (some minutes the first time)'
	@$(BIN)/python -m pip install --quiet --no-warn-conflicts -c constraints.txt -e .
	@$(BIN)/python -m pip install --quiet --no-deps $(INSIGHTFACE)
	@touch $@
	@echo 'Installed.'

$(INSTALLED_DEV): $(INSTALLED)
	@echo 'Installing what the checks and tests need (PyTorch among it)'
	@$(BIN)/python -m pip install --quiet --no-warn-conflicts -c constraints.txt -e '.[dev,torch]'
	@touch $@
	@echo 'Installed.'

run: install
	@exec $(BIN)/python manage.py up --demo $(UP)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DATA_DIR=var/test $(BIN)/python manage.py check
	DATA_DIR=var/test $(BIN)/python manage.py makemigrations --check --dry-run

test: lint
	$(BIN)/pytest $(PYTEST)

# A folder of its own: servers are killed there.
chaos: install-dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	LYNCEUS_TEST_DIR="$$folder" $(BIN)/pytest -m chaos workers/tests/chaos $(PYTEST)

bench: install-dev
	@$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build lynceus.egg-info var/test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
