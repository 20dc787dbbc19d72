# Two commands are the whole set-up: `make ship` and `make test`. Both make .venv from the lock file first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
WORKSPACE ?= .workspace
BIN := .venv/bin
STAMP := .venv/.made-from-lock
# Tests of one file share what is costly to make (a workspace after `bighead ship`), so one process runs them all.
SIDE_BY_SIDE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup ship stop test test-fast test-offline test-cluster lint lock

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv from requirements.lock

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] >= (3, 11) else "bighead needs Python 3.11 or newer; set PYTHON=")'
	@echo "== making .venv from requirements.lock"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

ship: setup ## set up, then ship the example models end to end in $(WORKSPACE)
	@$(BIN)/bighead ship $(WORKSPACE)

stop: ## stop everything that `make ship` left running
	@test ! -x $(BIN)/bighead || $(BIN)/bighead stop $(WORKSPACE)

test: setup lint ## set up, then run every check and test
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-fast: setup ## only the tests that start no processes
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'not e2e'

test-offline: setup ## ship the example models where there is no other machine: a network namespace (Linux)
	@unshare --map-root-user --net sh -c 'ip link set lo up && exec "$$@"' - \
	  env BIGHEAD_TEST_OFFLINE=1 $(BIN)/python -m pytest tests/e2e/test_journeys.py

test-cluster: setup ## what needs a Kubernetes cluster: the one that KUBECONFIG names (docs/cluster.md)
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG names no cluster: see docs/cluster.md"; exit 2; }
	@$(BIN)/python -m pytest tests/cluster tests/conformance/test_platform.py tests/conformance/test_telemetry.py \
	  -k 'cluster or kubernetes'

lint: setup ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

lock: setup ## lock again after editing pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --quiet --output-file requirements.lock pyproject.toml
	$(BIN)/python -m bighead_ci.entry_points.default_locks
	$(BIN)/python -m bighead_ci.entry_points.expectation_types
