# make demo    adapt a small DeepSeek model to Arabic and show what it learnt
# make test    the tests that a change must pass; test-slow runs the long ones, lint the style, bench the benchmarks
#
# Each target first makes .venv and installs the package into it with pip, once: again only after a change of
# pyproject.toml or constraints.txt. PYTHON names another interpreter, 3.11 or newer: make demo PYTHON=python3.12

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow lint bench

demo: .venv/runtime
	$(BIN)/arabic-r1 demo

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/dev
	set -e; for program in tools/bench_*.py; do echo "$$program"; $(BIN)/python $$program; done

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv; the first time takes some minutes."
	$(INSTALL) -e .
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv; the first time takes some minutes."
	$(INSTALL) -e ".[dev]"
	touch $@
