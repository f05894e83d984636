# The one front door. Every target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= auto
PEERS := benchmarks/.venvs
WORKFLOWS := $(wildcard examples/ci/github/*.yml)
LOCKS := requirements
# What is locked comes from files with hashes, and builds the package without fetching anything else.
LOCKED := -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCKS)/build.txt --requirement
ITSELF := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command 'make lock'

.PHONY: sdks served demo test test-newest test-oldest faults rollouts claims quarters mutants lint format docs lock bench bench-peers clean

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml $(LOCKS)/demo.txt
	$(BIN)/python $(LOCKED) $(LOCKS)/demo.txt
	$(BIN)/python $(ITSELF) --editable .
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml $(LOCKS)/dev.txt
	$(BIN)/python $(LOCKED) $(LOCKS)/dev.txt
	$(BIN)/python $(ITSELF) --editable .
	@touch $@ .venv/.demo

demo: .venv/.demo
	@$(BIN)/reconciler demo

test: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m 'not long' -q

# The suite on what pyproject.toml allows: the newest versions there are, and the lowest. PYTHON chooses an interpreter.
test-newest: RESOLUTION := highest
test-oldest: RESOLUTION := lowest-direct
test-newest test-oldest: .venv/.dev
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venvs/$@
	$(BIN)/uv pip install --quiet --python .venvs/$@/bin/python --resolution $(RESOLUTION) --editable '.[dev]'
	$(BIN)/uv pip list --python .venvs/$@/bin/python
	.venvs/$@/bin/python -m pytest -n $(JOBS) -m 'not long' -q

# The SDKs for Node and browsers: tests/sdks runs them in `make test` where they are, and skips where they are not.
sdks:
	npm ci --silent --no-fund --no-audit --ignore-scripts --prefix tests/sdks/node

# The long form of tests/sdks: 200 random flags for 100,000 users through each SDK, every answer equal to ours.
served: .venv/.dev sdks
	$(BIN)/python -m pytest -n $(JOBS) -m long -q tests/sdks

# The long form of the fault programme, whose short form runs in `make test`; prints what was counted.
faults: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m long -q tests/faults tests/property/test_open_behaviours.py

# The long form of the programme of rollouts: 10,000 of them, with what goes wrong, and guards that count; prints what was counted.
rollouts: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m long -q -s tests/faults/test_rollouts.py tests/faults/test_guarded_rollouts.py

# The long form of the programme of claims about all users, beside Amplitude's engine; prints what was counted.
claims: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m long -q tests/property/test_claims.py

# The long form of the programme of a team's quarters: 200 of them; prints what was counted.
quarters: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m long -q tests/e2e/test_quarters.py

# make mutants, make mutants SEED=2 COUNT=300, make mutants PATHS="reconciler/drift reconciler/doctor.py" TESTS=tests/unit
mutants: .venv/.dev
	@$(BIN)/python -m mutants $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(TESTS),--tests $(TESTS) --) $(PATHS)

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

# Pin again what a fresh machine installs: the newest versions that pyproject.toml allows, the same for all uses.
lock: .venv/.dev
	$(COMPILE) --upgrade --extra dev pyproject.toml $(LOCKS)/build.in --output-file $(LOCKS)/dev.txt
	$(COMPILE) --upgrade --constraint $(LOCKS)/dev.txt pyproject.toml --output-file $(LOCKS)/run.txt
	$(COMPILE) --upgrade --constraint $(LOCKS)/dev.txt --extra emulator pyproject.toml --output-file $(LOCKS)/demo.txt
	$(COMPILE) --upgrade --constraint $(LOCKS)/dev.txt $(LOCKS)/build.in --output-file $(LOCKS)/build.txt
	$(COMPILE) --upgrade $(LOCKS)/bench.in --output-file $(LOCKS)/bench.txt

# make bench, make bench SIZE=1000, make bench QUICK=1
bench: .venv/.dev
	@$(PYTHON) -m venv $(PEERS)/reconciler
	@$(PEERS)/reconciler/bin/python $(LOCKED) $(LOCKS)/run.txt
	@$(PEERS)/reconciler/bin/python $(ITSELF) .
	@$(BIN)/python -m benchmarks $(if $(SIZE),--size $(SIZE)) $(if $(QUICK),--quick)

# What `make bench` compares with, beyond what is installed here: each on its own, and none of them needed.
bench-peers:
	-$(PYTHON) -m venv $(PEERS)/octodns
	-$(PEERS)/octodns/bin/python $(LOCKED) $(LOCKS)/bench.txt
	-npm ci --silent --no-fund --no-audit --ignore-scripts --prefix benchmarks/ajv

clean:
	rm -rf .venv .venvs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .mutants
