# `make quickstart` and `make test` are all that a fresh clone needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: quickstart test test-fast lint format bench clean

quickstart: $(VENV)/core
	$(BIN)/tunebench run

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev
	$(BIN)/python tests/benchmarks

# A stamp for each set of requirements: nothing is installed again until what is required changes.
$(VENV)/core: pyproject.toml constraints.txt constraints-nodeps.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt --editable .
	$(PIP) --no-deps --requirement constraints-nodeps.txt
	touch $@

$(VENV)/dev: $(VENV)/core
	$(PIP) --constraint constraints.txt --editable '.[dev,ray,diffusion,report]'
	$(PIP) --no-deps --requirement constraints-nodeps-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
