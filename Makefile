# Two commands a newcomer needs: `make demo` and `make test`. `make` alone lists all targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
# One process a core, each file's tests in one of them.
SPREAD  = --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z-]+:.*\#\# /{print $$1}' $(MAKEFILE_LIST))

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp makes a second run quick: it is redone only when what is to be installed has changed.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tidegate needs Python 3.11 or newer, this is %d.%d: try `make PYTHON=python3.12`" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.installed ## make the virtual environment and install Tidegate into it

demo: install ## run the whole loop on this machine: ARGS="--buyers 1500 --seconds 90"
	@$(BIN)/tidegate demo $(ARGS)

test: install lint ## the linters and the test suite
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow and not failover" $(ARGS)

test-slow: install ## the suites that take long
	@$(BIN)/python -m pytest $(SPREAD) -m "slow and not scenarios" $(ARGS)

test-scenarios: install ## the demo's scenarios with real processes: about six minutes
	@$(BIN)/python -m pytest -m scenarios $(ARGS)

test-failover: install ## Sentinel failovers with real servers: a minute or more
	@$(BIN)/python -m pytest -m failover $(ARGS)

# What speaks to the store, again on a server of another make and age: Debian's, or ARGS="--store-server /path/of/another".
ON_REDIS = $(wildcard tests/waitingroom/test_store_*.py tests/autoscaler/test_store_*.py) \
  $(addprefix tests/autoscaler/test_,admission_writes.py fences.py withdrawing.py) \
  $(addprefix tests/system/test_,store_sentinel_list.py leader_store.py) \
  $(addprefix tests/waitingroom/test_,hard_end.py holders_model.py losses_model.py release_model.py release_edges.py \
  rolled_back.py first_in_knows_nothing.py draw_kept.py moving.py)

test-redis: install ## the tests of the store, on Debian's redis-server: two minutes
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow" --store-server redis-server $(ON_REDIS) $(ARGS)

bench: install ## measure what the design promises, as JSON lines, all in about 25 minutes: ARGS="status join gate --json FILE"
	@$(BIN)/python -m tests.benchmarks $(ARGS)

sizing: install ## measure what a status, a join and a listener cost, and write the table of docs/how-to/production.md
	@$(BIN)/python -m tests.benchmarks.sizing --write $(ARGS)

fuzz: install ## throw bytes at all that reads strangers' text: ARGS="--minutes 10 place paths" (CPython 3.11, Linux)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps -r tests/fuzz/requirements.txt
	@$(BIN)/python -m tests.fuzz $(ARGS)

audit: install ## look the pinned packages up among the known weaknesses (asks the network; no part of CI)
	@$(PYTHON) -m venv out/audit
	@out/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	@out/audit/bin/pip-audit --require-hashes --disable-pip -r constraints.txt $(ARGS)

chaos: install ## kill, freeze, starve and cut off each part in mid-sale, with real processes: a quarter of an hour; ARGS="--list"
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: install ## a sale of 20 minutes in which no process may grow: ARGS="--minutes 60 --report docs/soak.md"
	@$(BIN)/python -m tests.soak $(ARGS)

screenshots: install ## take the pictures of both sides' pages in docs/img (needs Chromium), or some: ARGS="page-held console-service"
	@$(BIN)/python -m tests.screenshots $(ARGS)

lint: install ## ruff, mypy (strict), the import rules and bandit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive rules/rulebook queue/waitingroom scaler/autoscaler deploy/tidegate

format: install ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: install ## write the reference pages and schemas anew from what the code declares
	@$(BIN)/python -m tidegate.reference

RULES = deploy/prometheus/recording.yaml deploy/prometheus/alerts.yaml

prometheus-rules: install ## write the operator's PrometheusRule anew from deploy/prometheus
	@$(BIN)/python -m tidegate.prometheus_rules $(RULES) deploy/kubernetes/components/prometheus/rules.yaml

dashboards: install ## write the Grafana dashboards anew
	@$(BIN)/python -m grafana.boards deploy/grafana/dashboards

image-requirements: install ## pick anew from constraints.txt what the image needs
	@$(BIN)/python deploy/docker/requirements.py > deploy/docker/requirements.txt
	@$(BIN)/python deploy/docker/requirements.py hatchling > deploy/docker/build-requirements.txt

constraints: ## pin the dependencies anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --output-file constraints.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) out build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
