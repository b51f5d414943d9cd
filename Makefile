# make demo    set everything up, run the first experiment on a one-machine cluster, say what is next
# make test    set everything up, run all checks and tests
# make fuzz    set the environment up, fuzz all that reads a stranger's bytes for ten minutes
# make test-upstream DIR=...  the same chains with the real delegate_function and CFiddle's newer hook
# make test-walls  take one wall of the sandbox away at a time, and see that attacks get through then
# make bench   measure memory, latency and throughput of runs on the cluster, each beside a reference
# make up, make down, make status, make images    the one-machine cluster, step by step
#
# To be run as root on Debian 12 or 13, or Ubuntu 22.04 or 24.04.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLUSTER := $(BIN)/python -m cfiddle_slurm.cluster
READY := $(VENV)/ready

.PHONY: demo test test-upstream test-walls fuzz bench up down status images engine clean

demo: up
	$(CLUSTER) copy jovyan examples/first_experiment.py examples/first_experiment.py
	$(CLUSTER) run jovyan python3 examples/first_experiment.py
	@echo
	@echo "JupyterLab:  $$($(CLUSTER) url)"
	@echo "Stop all:    make down"

up: images
	$(CLUSTER) up --local $(UP_OPTIONS)

down: $(READY)
	if docker info >/dev/null 2>&1; then $(CLUSTER) down; fi
	sh cluster/engine.sh down

status: $(READY)
	$(CLUSTER) status

images: $(READY) engine
	$(CLUSTER) images build

engine:
	sh cluster/engine.sh up

test: $(READY)
	sh tests/run.sh

test-upstream:
	sh tests/upstream/run.sh $(DIR)

test-walls: images
	$(BIN)/python -m tests.attacks.undefended

fuzz: $(READY)
	$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -W ignore -m tests.fuzz.fuzz

bench: up
	$(BIN)/python -c 'import matplotlib' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks.bench_memory
	$(BIN)/python -m tests.benchmarks.bench_waterfall --image build/waterfall.png
	$(BIN)/python -m tests.benchmarks.bench_saturation
	$(BIN)/python -m tests.benchmarks.bench_bindings

$(READY): setup.cfg cluster/python.sh
	sh cluster/python.sh $(PYTHON) $(VENV)
	touch $@

clean: down
	rm -rf $(VENV) *.egg-info build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
