# Each target does all of its own set-up: python3 >= 3.11 with python3-venv is enough, without root and without git.
# What is installed goes into .venv beside this file, and nowhere else.

PYTHON ?= python3
BIN := .venv/bin
LOCK := --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--constraint requirements/constraints.txt pyproject.toml requirements/build.in

.PHONY: help demo test check bench soak venv lock clean

help:  ## what there is (this)
	@sed -n 's/^\([a-z]*\):.*##/  make \1\t/p' Makefile | expand -t 16

demo:  ## the simulated machine: a fault, its quarantine, its escalation; no hardware, no account
	@$(PYTHON) requirements/install.py demo
	@$(BIN)/sickbay demo

test: venv  ## every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: venv  ## format, lint, types, floors, diagrams, systemd unit
	@.ci/check

bench: venv  ## the measurements that README and docs quote
	@$(BIN)/python bench/run.py

soak: venv  ## what must hold for long: power cuts, kills, full disks, floods; about ten minutes
	@PYTHONPATH=tests $(BIN)/python -m soak.run --write docs/reliability.md

venv:  ## .venv with all that tests and checks need
	@$(PYTHON) requirements/install.py dev

lock:  ## renew requirements/*.lock from pyproject.toml (wants uv)
	@for lock in demo dev; do uv pip compile $(LOCK) --extra $$lock --output-file requirements/$$lock.lock || exit; done

clean:  ## remove all that the targets above made
	@rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
