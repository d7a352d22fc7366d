# `make demo` and `make test` are all a newcomer needs; the rest is what they and CI are made of.
# Asked for when it is needed, once: it takes a second.
PYTHON ?= $(eval PYTHON := $(shell python3 deployments/quickest_python.py || echo python3))$(PYTHON)
UV     := $(shell command -v uv 2>/dev/null)
BIN    := .venv/bin
LOCK   := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
          --custom-compile-command "make lock" pyproject.toml --group dev

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format lock bench simulate chaos screenshots machine clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

setup: .venv/.ready ## Install everything, locked, into .venv

.venv/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || echo "Python: $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Storyreel needs Python 3.11 or newer; set PYTHON=…")'
ifdef UV
	@test -x $(BIN)/python || uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps -e .
else
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
endif
	@touch $@

demo: setup ## Film an example script from nothing, with the sandbox in Luma's place
	@$(BIN)/storyreel demo

up: setup ## Run everything on this machine until Ctrl-C
	@$(BIN)/storyreel up

test: setup machine ## Run all tests: unit, integration, end to end
	$(BIN)/pytest

check: setup ## Lint, types, layers, and whether the lock is current
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@cp requirements.lock .venv/expected.lock && $(BIN)/$(LOCK) -o .venv/expected.lock \
	  && diff -q requirements.lock .venv/expected.lock >/dev/null \
	  || { echo "requirements.lock is not current: run 'make lock'"; exit 1; }

format: setup ## Put the code into its one shape
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

lock: ## Resolve the dependencies anew, keeping what still fits
	$(if $(UV),,$(BIN)/)$(LOCK) -o requirements.lock

bench: setup ## Measure: hostile scripts, a growing ledger, what a job costs; bench/README.md has the rest
	$(BIN)/python -m bench.storyboard
	$(BIN)/python -m bench.growth --jobs $(or $(JOBS),1000 100000)
	$(BIN)/python -m bench.cost --jobs $(or $(CROWDS),10 100)

simulate: setup ## Money rules under fire, from seeds: make simulate SEEDS=10000
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000)

chaos: setup ## Real processes killed for real: make chaos ROUNDS=10 LEDGER=postgresql
	$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),5) --ledger $(or $(LEDGER),sqlite)

screenshots: setup machine ## Pictures of the studio page for the README
	$(BIN)/python -m bench.screenshots

machine: setup ## See to a browser and a PostgreSQL for the tests
	@$(BIN)/python tests/machine.py chromium postgresql

clean: ## Remove what was installed and made here (not ./data)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
