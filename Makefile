# `make full` and `make test` are the two commands; `make` lists the others.
PYTHON ?= $(or $(shell for v in 3.11 3.12 3.13; do command -v python$$v && break; done),python3)
PROFILE ?= smoke
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED ?= $(VENV)/installed-all,dev

.DEFAULT_GOAL := help
.PHONY: help full test unit quick lint coverage mutants bench images doctor docs constraints hooks release clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# "Assessed, not ready" (exit code 1) is a complete evaluation: the verdict is for `fweval full` to return, not for make.
full: $(VENV)/installed-all ## Run the whole evaluation: [PROFILE=smoke|quick|full|audit] [ARGS="tiny --device cpu"]
	$(BIN)/fweval fetch
	$(BIN)/fweval full --profile $(PROFILE) $(ARGS) || test $$? -eq 1

test: lint ## Run linters and all tests: [ARGS="-k parity"]
	$(BIN)/fweval fetch
	$(BIN)/pytest $(ARGS)

unit: $(INSTALLED) ## Run the unit tests: seconds, no framework
	$(BIN)/pytest tests/unit $(ARGS)

quick: $(VENV)/installed-serving,dev ## Run linters and unit tests, with no more installed than they need
	$(MAKE) --no-print-directory lint unit INSTALLED=$<

lint: $(INSTALLED) ## Run ruff, mypy and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(INSTALLED) ## Say which lines the unit and contract tests run
	$(BIN)/pytest tests/unit tests/contract -n auto --cov --cov-report=
	$(BIN)/coverage report

mutants: $(INSTALLED) ## Put deliberate faults into what judges, and see that each is noticed: [ARGS="cosine"]
	$(BIN)/python -m tests.mutants $(ARGS)

bench: $(VENV)/installed-all,dev ## Ask what the numbers are worth, with goals: [ARGS="score_time --quick" | "--keep"]
	$(BIN)/fweval fetch
	$(BIN)/python -m bench $(ARGS)

images: | $(BIN)/python ## Build our container images, without a registry: [ARGS="--from debian:bookworm-slim"]
	PYTHON=$(BIN)/python docker/build $(ARGS)

doctor: $(VENV)/installed-all ## Say what this machine can measure, and how to get the rest
	$(BIN)/fweval doctor

docs: $(VENV)/installed-all,dev ## Renew what is generated in README.md and docs/
	$(BIN)/python docs/generate.py
	$(BIN)/python -m bench --page

constraints: ## Renew constraints.txt: the newest versions that fit together, in a fresh environment
	rm -rf $(VENV)
	$(MAKE) $(BIN)/python
	$(BIN)/python -m pip install -e '.[all,dev]'
	{ grep '^#' constraints.txt; $(BIN)/python -m pip freeze --all --exclude fweval --exclude pip \
	  | sed 's/+.*//' | LC_ALL=C sort -f; } > constraints.part
	mv constraints.part constraints.txt

hooks: $(INSTALLED) ## Check every commit before it is made, by pre-commit
	$(BIN)/pre-commit install

release: $(INSTALLED) ## Build and check what would be published, then tag it: VERSION=0.1.0
	.ci/release "$(VERSION)"

clean: ## Remove the environment and caches; runs and fetched data stay
	rm -rf $(VENV) build dist *.egg-info .*_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment; the stamp's name says which extras are in it. pip's own settings (index, mirror, proxy) apply.
$(VENV)/installed-%: setup.cfg constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt -e '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "fweval needs Python 3.11, \
	3.12 or 3.13, and '$(PYTHON)' is none. Get one from your system (Debian, Ubuntu: apt install python3 python3-venv), \
	from pyenv or from https://www.python.org/downloads/, then: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing (Debian, Ubuntu: apt install \
	python3-venv)"; exit 1; }
