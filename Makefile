# Everything a fresh machine needs is fetched into this folder: .tools (uv) and .venv (CityEye).
# Needs make and Python 3.11 or newer. Outside this folder only caches grow, under ~/.cache.

PYTHON ?= python3
ARGS ?=
BENCH ?= serve
EXTRA ?= $(if $(findstring GPU,$(shell nvidia-smi -L 2>/dev/null)),gpu,cpu)
TEST_GROUPS := --group dev --group s3server --group tracking
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Most tests wait longer than they compute; those with Ray start a cluster per process.
WORKERS ?= 3
RAY_WORKERS ?= 2
SPREAD := -n $(WORKERS) --dist loadfile
RAY_SPREAD := -n $(RAY_WORKERS) --dist loadfile
RAY_FOLDERS := tests/benchmarks tests/e2e tests/serving
# The folder that ARGS names may have tests of one kind only.
OR_NONE := || [ $$? -eq 5 ]
READY := .venv/.ready-$(EXTRA)
PREPARE := PYTHON="$(PYTHON)" sh .ci/prepare $(EXTRA)
LEFTOVERS := .tools .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
    .nicegui .coverage .proofs var

# Ray would otherwise start every worker through `uv run` again, and phone home.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV := 0
export RAY_USAGE_STATS_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help demo quick test prove screenshots lint format bench install export-tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(READY)-run ## run the whole product on rendered cameras (ARGS="--duration 60")
	$(BIN)/cityeye demo $(ARGS)

quick: $(READY)-test ## the tests that take no time, in 90 seconds (ARGS="tests/models")
	$(PYTEST) --level quick $(SPREAD) $(ARGS)

test: lint ## check style, types and architecture, then run every test (ARGS="tests/models")
	$(PYTEST) -m "not ray" $(SPREAD) $(ARGS) $(OR_NONE)
	$(PYTEST) -m ray $(RAY_SPREAD) --no-loadscope-reorder $(or $(ARGS),$(RAY_FOLDERS)) $(OR_NONE)

prove: $(READY)-test ## fuzzing, kills, soaks and benches for hours; goes on where it stopped
	$(PYTEST) --level prove --timeout 3600 $(ARGS)

screenshots: $(READY)-test ## photograph every page of the console anew, for the docs
	CITYEYE_SCREENSHOTS=docs/screenshots $(PYTEST) -n 0 tests/event_hub/console -k accessible

lint: $(READY)-test ## check style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)-test ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)-run ## measure what this machine carries (BENCH=detect ARGS="--json out.json")
	@$(PREPARE) --no-dev --extra bench --inexact
	$(BIN)/cityeye bench $(BENCH) $(ARGS)

install: $(READY)-run ## make .venv/bin/cityeye ready

export-tools: $(READY)-run ## add ultralytics and PyTorch, for .pt files (several GB, AGPL-3.0)
	$(PREPARE) --no-dev --extra export

clean: ## remove what make made
	rm -rf $(LEFTOVERS) "$${XDG_CACHE_HOME:-$$HOME/.cache}/cityeye"
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY)-run: pyproject.toml uv.lock
	@rm -f .venv/.ready-*
	@$(PREPARE) --no-dev
	@touch $@

$(READY)-test: pyproject.toml uv.lock
	@rm -f .venv/.ready-*
	@$(PREPARE) $(TEST_GROUPS)
	@touch $(READY)-run $@
