# One command each; every target makes .venv/ and installs into it where that is not done yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: demo test lint test-nojit examples bench bench-quick bench-others clean

demo: $(READY)  ## plan the case that ships into out/demo/
	$(BIN)/template-designer demo -o out/demo --overwrite

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-nojit: $(READY)  ## the dose kernels as plain Python
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest tests/dose

examples: $(READY)  ## run every example into out/examples/
	for script in examples/[0-9]*.py; do $(BIN)/python $$script out/examples || exit 1; done

bench: $(READY)  ## how fast dose, loading and a series of 40 cases are; files into out/bench/ (45 minutes)
	$(BIN)/python -m tests.benchmarks

bench-quick: $(READY)  ## the same in some minutes: HiGHS has 20 s, the series 4 cases
	$(BIN)/python -m tests.benchmarks --quick

bench-others: out/pygrpm/bin/python  ## other people's TG-43 code for `make bench`, apart from ours

out/pygrpm/bin/python:
	$(PYTHON) -m venv out/pygrpm
	$@ -m pip install --quiet pygrpm==0.8.5 || { rm -rf out/pygrpm; exit 1; }

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) out build *.egg-info
