# stagebell: run it, test it. Needs Python 3.11 or newer and make; nothing else has to be installed first.
# A shim of a version manager may be there without its Python: only one that runs counts.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
ARGS ?=

.PHONY: help run test test-long test-fast coverage lint format services lock bench bench-long chaos audit docker-steps screenshots data-model clean

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## fresh machine to running service
	@$(BIN)/stagebell demo $(ARGS)

# Lint runs in what the tests leave free, which wait for their nodes most of the time.
test: $(VENV)/.dev services  ## fresh machine to green tests, real RabbitMQ and PostgreSQL included
	@nice -n 10 $(MAKE) --no-print-directory lint & linting=$$!; \
	$(BIN)/python -m $(TESTED) $(ARGS); tested=$$?; \
	wait $$linting || { echo "make lint found something, see above"; exit 1; }; exit $$tested
# What they compile is kept, whatever the shell says: four of them would compile it four times.
test test-fast test-long coverage: export PYTHONDONTWRITEBYTECODE :=
# Four of them on two cores: each waits two thirds of its time for nodes, processes and browsers.
TESTED := pytest -n 4 --dist worksteal -q -m "not long"

coverage: $(VENV)/.dev services  ## the tests of make test, and which lines none of them ran
	@$(BIN)/python -m slipcover --source service --omit 'service/ledger/migrations/versions/*' --skip-covered \
	-m $(TESTED) $(ARGS)

test-fast: $(VENV)/.dev  ## pure rules only, in seconds; fails when they leave branches of the heart untried
	@$(BIN)/python -m slipcover --threshold 100000 --branch --source service/domain,service/workflows \
	--json --out .heart.json -m tests.support.halves $(ARGS)
	@$(BIN)/python -m tests.support.heart .heart.json
# To take its probes out again, slipcover looks at every function there is, twenty times: that costs more than they do.

test-long: $(VENV)/.dev services  ## the heavier forms too
	@STAGEBELL_TEST_LONG=1 $(BIN)/python -m pytest $(PATIENT) -q $(ARGS)
	@STAGEBELL_TEST_FORGETS=0.01 $(BIN)/python -m pytest $(PATIENT) -n 2 -q tests/integration -m "not uninterrupted"
PATIENT := -o faulthandler_timeout=7200

lint: $(VENV)/.dev  ## rules, format, types, rooms, packs
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy
	@$(BIN)/bandit -q -r service -c pyproject.toml
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || (cat .lint-imports.log; exit 1)
	@rm -f .lint-imports.log
	@$(BIN)/stagebell check templates > /dev/null

format: $(VENV)/.dev  ## puts right what ruff can put right
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

services:  ## installs RabbitMQ, PostgreSQL and a browser for the tests, as root
	@./tests/support/install-services.sh

screenshots: $(VENV)/.dev services  ## the pictures in docs/, from a running demo
	@$(BIN)/python docs/screenshots.py

data-model: $(VENV)/.dev  ## docs/data-model.md from the tables
	@$(BIN)/python docs/data_model.py

bench: $(VENV)/.dev $(VENV)/.bench services  ## side by side with its peers; within 20 minutes
	@$(BIN)/python -m bench $(ARGS)

bench-long: $(VENV)/.dev services  ## 20 million past orders, 10 million clocks; as long as it takes
	@$(BIN)/python -m bench.long $(ARGS)

chaos: $(VENV)/.dev services  ## the long form of the fault tests
	@$(BIN)/python -m tests.chaos $(ARGS)

audit: $(VENV)/.dev  ## known vulnerabilities and risky code
	@$(BIN)/bandit -q -r service -c pyproject.toml
	@$(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements/run.lock

docker-steps: $(VENV)/.uv  ## what the Dockerfile runs, step by step, without a Docker engine
	@./tests/support/docker-steps.sh

lock: $(VENV)/.uv  ## new lock files from pyproject.toml
	@mkdir -p requirements
	@$(BIN)/uv pip compile pyproject.toml --upgrade --extra apprise $(LOCK_FLAGS) -o requirements/run.lock
	@$(BIN)/uv pip compile pyproject.toml --upgrade --extra apprise --group dev $(LOCK_FLAGS) -o requirements/dev.lock
	@$(BIN)/uv pip compile pyproject.toml --upgrade --group bench $(LOCK_FLAGS) -o requirements/bench.lock
LOCK_FLAGS := -q --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header

$(VENV)/.uv:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# The first prerequisite is the lock file; bytecode, so that a start need not compile.
define INSTALL
@$(PIP) $(BIN)/python --require-hashes -r $<
@$(PIP) $(BIN)/python --no-deps -e .
@$(BIN)/python -m compileall -q service
endef
PIP := $(BIN)/uv pip install -q --compile-bytecode --python

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/.uv
	$(INSTALL)
	@touch $@

$(VENV)/.bench: requirements/bench.lock pyproject.toml | $(VENV)/.uv
	@$(BIN)/python -m venv $(VENV)-bench
	@$(PIP) $(VENV)-bench/bin/python --require-hashes -r requirements/bench.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/.uv
	$(INSTALL)
	@touch $@ $(VENV)/.run

clean:  ## removes the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage
