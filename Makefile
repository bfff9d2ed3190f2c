# The environment of the README and CONTRIBUTING; another one: make check PYTHON=python3
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)

.PHONY: check lint docs test format bench

check: lint docs test  ## exactly what CI runs (.ci/run does it in a fresh environment)

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs:  ## the site, into site/
	$(PYTHON) -m mkdocs build --strict

test:
	$(PYTHON) -m pytest

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench:
	$(foreach script,$(wildcard benchmarks/*.py),$(PYTHON) $(script) &&) true
