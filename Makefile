# `make` lists the targets. tools/environment.py does the work; it needs Python's standard library only.

PYTHON ?= python3
HOST ?= localhost
PORT ?= 8501
ARGS ?=

PROJECT := $(PYTHON) tools/environment.py
VENV := .venv/bin/python
export HOST PORT

.PHONY: help run test env check bench results

help:
	@echo "make run      start the app at http://$(HOST):$(PORT)   (elsewhere: PORT=8600 HOST=0.0.0.0)"
	@echo "make test     run all tests   (some of them: ARGS='-k store')"
	@echo "make check    format, lint and type-check"
	@echo "make bench    run the benchmarks of docs/performance.md   (another one: ARGS=app)"
	@echo "make results  measure and write tables of docs/results.md   (one: ARGS=quick; which: ARGS=--list)"
	@echo "make env      create or update .venv from requirements.txt; the other targets do this first"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or newer)."
	@echo "KD_RUNS, KD_DATA, KD_TEST_DATA: folders of runs, datasets and test data."
	@echo "KD_HOSTS=name,name: further host names of the app, such as a proxy's."
	@echo "KD_PASSCODE=...: the operator's passcode on a network. KD_ALLOW=/a/folder: further folders that such a server may read."

run:
	@exec $(PROJECT) run

env:
	@$(PROJECT)

# Each worker and each server of a test would compile all modules again without their bytecode.
test: env
	@PYTHONDONTWRITEBYTECODE= $(VENV) -m pytest -n auto --dist worksteal $(ARGS)

check: env
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check .
	@$(VENV) -m mypy

bench: env
	@exec $(PROJECT) bench $(ARGS)

results: env
	@$(VENV) -m benchmarks.results $(ARGS)
