# make demo   install everything into .venv and run the quickstart study
# make test   install what the tests need and run them
# Needs make and Python 3.11 or newer: make demo PYTHON=python3.12 names another one, VENV=DIR another place.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# One worker per core, each with one thread; a file's tests share its fixtures, so they stay together. Bytecode is kept
# whatever the environment says: else each of the hundreds of processes that tests start compiles the package anew.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(RUN) -m pytest -n logical --maxprocesses 8 --dist loadfile -rs

.PHONY: help demo install test test-slow test-long check lint types docs layers

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo "make check   what CI runs: ruff, mypy, the tests, and those that run whole studies in processes of their own"
	@echo "make test-long   all tests, also those that take minutes"
	@echo "make docs    the documentation as a site, in build/site"
	@echo "make layers  what imports what, from the top floor down"

demo: install
	$(VENV)/bin/augdistill study
	@echo
	@echo "The page is outputs/studies/quickstart/report/index.html, every run a folder in outputs/runs;"
	@echo "$(VENV)/bin/augdistill runs lists them, and the same command again repeats nothing."

install: $(VENV)/.installed

test: $(VENV)/.installed-dev
	$(PYTEST)

test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m "not long"

test-long: $(VENV)/.installed-dev
	$(PYTEST) -m ""

check: lint types test-slow

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.installed-dev
	$(VENV)/bin/mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build
	@echo "build/site/index.html"

layers: $(VENV)/.installed-dev
	@$(RUN) tests/test_layers.py

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(RUN) -m pip install --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(RUN) -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("augdistill needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
