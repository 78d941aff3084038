# `make` says what there is. The work is in tools/environment.py, which needs nothing but Python's own library.

PYTHON ?= python3
HOST ?= localhost
PORT ?= 8501
ARGS ?=

PROJECT := $(PYTHON) tools/environment.py
VENV := .venv/bin/python
export HOST PORT

.PHONY: help run test env check bench

help:
	@echo "make run      start the app at http://$(HOST):$(PORT)   (PORT= and HOST= choose another address)"
	@echo "make test     all tests; what is skipped is named with its reason   (ARGS='-k store' chooses)"
	@echo "make check    format, lint, types"
	@echo "make bench    what docs/performance.md shows, measured here   (ARGS=app chooses another benchmark)"
	@echo "make env      only the environment: .venv from requirements.txt"
	@echo
	@echo "Each makes the environment first where it is missing or out of date. PYTHON= chooses the interpreter (3.11 or"
	@echo "newer). KD_RUNS, KD_DATA and KD_TEST_DATA move the folders of runs, datasets and test data. KD_HOSTS=name,name allows"
	@echo "further names of the app, as of a proxy or a tunnel."

run:
	@exec $(PROJECT) run

env:
	@$(PROJECT)

test: env
	@$(VENV) -m pytest -n auto --maxprocesses=8 --dist worksteal $(ARGS)

check: env
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check .
	@$(VENV) -m mypy

bench: env
	@exec $(PROJECT) bench $(ARGS)
