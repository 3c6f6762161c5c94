# The commands of every day. They build .venv from constraints.txt when it is missing or stale.
#
#   make venv     the environment
#   make lab      the front door: a lab that runs in minutes on two cores
#   make test     all tests that this machine can run
#   make check    what a reviewer need not look for
#   make fix      mends what can be mended without thinking
#   make bench    the promises, measured
#   make vllm     a second environment, with vLLM: 4 GB, for swarm serve and the tests marked vllm
#   make clean    removes what can be made again, runs excepted

PYTHON ?= python3
PY := .venv/bin/python
STAMP := .venv/stamp

# One thread each: many small jobs run side by side, and results must not depend on the number.
export OMP_NUM_THREADS := 1

.PHONY: venv lab test check fix bench vllm clean

venv: $(STAMP)

# A copied folder has an environment that points to where it was made: the stamp says where.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "swarm needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 2; }
	@rm -f $(STAMP)
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@printf '%s\n' "$(CURDIR)" > $(STAMP)

# vLLM asks for other versions than the lab has. Where there is a GPU it is the project's own build,
# else the CPU build: that one comes without the name "vllm", by which vLLM looks for itself.
VLLM := .venv-vllm
VLLM_VERSION := 0.32.0
VLLM_INFO := vllm-$(VLLM_VERSION)+cpu.dist-info

vllm: $(VLLM)/stamp

ifneq ($(shell cat $(VLLM)/stamp 2>/dev/null),$(CURDIR))
.PHONY: $(VLLM)/stamp
endif

$(VLLM)/stamp: constraints-vllm.txt
	@rm -rf $(VLLM)
	$(PYTHON) -m venv $(VLLM)
	@if nvidia-smi -L >/dev/null 2>&1; then \
		$(VLLM)/bin/python -m pip install --quiet vllm==$(VLLM_VERSION); \
	else \
		$(VLLM)/bin/python -m pip install --quiet --no-deps -r constraints-vllm.txt && \
		info=$$(echo $(VLLM)/lib/python3*/site-packages)/$(VLLM_INFO) && mkdir -p "$$info" && \
		printf 'Metadata-Version: 2.1\nName: vllm\nVersion: $(VLLM_VERSION)+cpu\n' \
			> "$$info/METADATA"; \
	fi
	@printf '%s\n' "$(CURDIR)" > $(VLLM)/stamp

# Whoever tests by hand need not build it: its tests are skipped then, and say so.
ifdef CI
test: $(VLLM)/stamp
endif

lab: $(STAMP)
	$(PY) -m swarm.scenarios.full_lab

test: $(STAMP)
	$(PY) -m pytest

check: $(STAMP)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command(["--no-cache"])'

fix: $(STAMP)
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

bench: $(STAMP)
	$(PY) -m swarm bench

clean:
	rm -rf .venv $(VLLM) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf .cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
