.DEFAULT_GOAL := help
PYTHON ?= python3
LIGHT := .venv-light
FULL := .venv
IMAGES ?=
export OMP_NUM_THREADS ?= 2

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(LIGHT)/ready ## Set up the light install, draw a small smear, count it, write a report (or IMAGES=folder for your own fields)
	$(LIGHT)/bin/leukolens demo --force --out build/demo $(if $(IMAGES),--images "$(IMAGES)")

test: $(FULL)/ready ## Set up everything and run all tests; those on real data where LEUKOLENS_DATA points
	$(FULL)/bin/python -m pytest

check: $(FULL)/ready ## Format, lint, contracts, types, and the tests of the repository's rules
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/ruff check .
	$(FULL)/bin/lint-imports
	$(FULL)/bin/mypy
	$(FULL)/bin/python -m pytest -q tests/house

fix: $(FULL)/ready ## Format, and mend what can be mended automatically
	$(FULL)/bin/ruff format .
	$(FULL)/bin/ruff check --fix .

bench: $(FULL)/ready ## Measure start-up, images and fields per second, and memory
	$(FULL)/bin/python bench/classify.py
	$(FULL)/bin/python bench/count.py

docs: $(FULL)/ready ## Write docs/results.md, docs/ladder.md and the picture from the committed figures; build all pages into build/docs
	$(FULL)/bin/python -m leukolens.datasets.synthetic docs/picture.png
	$(FULL)/bin/python scripts/write_results.py
	$(FULL)/bin/leukolens ladder table --pages build/docs
	$(FULL)/bin/python scripts/build_docs.py build/docs

wheel: $(FULL)/ready ## Build the wheel with its bundle and the light install's wheels for Linux and Windows, for a laptop without network
	sh scripts/offline.sh $(FULL)/bin/python

clean: ## Remove what was built here
	rm -rf build dist $(LIGHT) $(FULL)

$(LIGHT)/ready: pyproject.toml $(shell find src -type f -not -name '*.pyc')
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "LeukoLens needs Python 3.11 or newer; this is $$($(PYTHON) --version). Give another with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(LIGHT) || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(LIGHT)/bin/pip install --quiet --disable-pip-version-check --upgrade .
	@touch $@

$(FULL)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "LeukoLens needs Python 3.11 or newer; this is $$($(PYTHON) --version). Give another with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(FULL) || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(FULL)/bin/pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

.PHONY: help demo test check fix bench docs wheel clean
