# The one front door. Every target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= auto
PEERS := benchmarks/.venvs
WORKFLOWS := $(wildcard examples/ci/github/*.yml)

.PHONY: demo test faults lint format docs bench bench-peers clean

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[emulator]'
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/.demo

demo: .venv/.demo
	@$(BIN)/reconciler demo

test: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m 'not long' -q

# The long form of the fault programme, whose short form runs in `make test`; prints what was counted.
faults: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m long -q tests/faults

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci examples/ci/gitlab/.gitlab-ci.yml
	$(BIN)/zizmor --offline --quiet --no-progress action.yml $(WORKFLOWS)
	$(BIN)/python -P .ci/lint_shell.py
	.ci/lint_actions $(WORKFLOWS)

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.dev
	$(BIN)/python -P docs/generate.py

# make bench, make bench SIZE=1000, make bench QUICK=1
bench: .venv/.dev
	@$(PYTHON) -m venv $(PEERS)/reconciler
	@$(PEERS)/reconciler/bin/python -m pip install --quiet --disable-pip-version-check .
	@$(BIN)/python -m benchmarks $(if $(SIZE),--size $(SIZE)) $(if $(QUICK),--quick)

# What `make bench` compares with, beyond what is installed here: each on its own, and none of them needed.
bench-peers:
	-$(PYTHON) -m venv $(PEERS)/octodns && $(PEERS)/octodns/bin/pip install --quiet octodns
	-npm install --silent --no-fund --no-audit --prefix $(PEERS)/ajv ajv-cli

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
