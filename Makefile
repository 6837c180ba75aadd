# `make quickstart` and `make test` are all that a fresh clone needs; `make help` lists the rest.
# PYTHON names the Python to make the virtual environment with, VENV the folder that it goes to.
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile
# One of these may be at one thing for longer than the five minutes after which a test counts as standing still.
LONG := $(BIN)/python -m pytest -n 2 --dist loadfile -o faulthandler_timeout=3600
# Weights, clips and distances that others published: 181 MB, data only.
PUBLISHED := .published
export PYTHON

.PHONY: quickstart demo test test-fast faults simulate learn published-fad lint format docs figures bench help clean core dev with-diffusion

quickstart: core ## install, then make a leaderboard of computer-composed music
	@$(BIN)/tunebench run
	@echo "To use tunebench in this shell: source $(BIN)/activate" >&2
	@echo "Next: make demo, a small diffusion model and its LoRA, from clips to a survey" >&2

demo: with-diffusion ## install torch too, then compare a small diffusion model with its LoRA (six minutes on two cores)
	@$(BIN)/tunebench run results/demo.yaml --out results/demo
	@$(BIN)/tunebench compare results/demo nano nano-lora --by genre
	@$(BIN)/tunebench survey simulate results/demo -o results/demo-ratings.csv
	@$(BIN)/tunebench survey agree results/demo results/demo-ratings.csv
	@$(BIN)/tunebench report results/demo --ratings results/demo-ratings.csv

test: dev ## the test suite
	$(PYTEST)

test-fast: dev ## the test suite without the slow tests
	$(PYTEST) -m "not (slow or faults or simulate or learn)"

faults: dev ## tests with minutes of load, killed processes and full disks
	$(LONG) -m faults

simulate: dev ## thousands of simulations of each statistic
	$(BIN)/python tests/simulations/survey_designs.py
	$(BIN)/tunebench check metrics --prompts-needed docs/simulations  # 90 prompts × 27 clips, 60 subsets of 4 sizes
	$(LONG) -m simulate

learn: dev $(PUBLISHED)/fetched ## tests with trainings long enough to learn something, and a published FAD
	$(LONG) -m learn

published-fad: dev $(PUBLISHED)/fetched ## compute a published FAD again: ten minutes, 181 MB of data
	$(LONG) -m learn tests/metrics/embedders/test_published_fad.py

$(PUBLISHED)/fetched: .ci/published-wheels.txt | dev
	rm -rf $(PUBLISHED)
	$(BIN)/python -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes \
		--dest $(PUBLISHED)/wheels --requirement .ci/published-wheels.txt
	for wheel in $(PUBLISHED)/wheels/*.whl; do $(BIN)/python -m zipfile -e $$wheel $(PUBLISHED) || exit; done
	rm -r $(PUBLISHED)/wheels
	touch $@

lint: dev ## check style, spelling, types, imports between packages, and files for other machines
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell bench models metrics prompts results/published results/recipes tests docs .ci .github *.md *.toml *.py Makefile Dockerfile
	$(BIN)/shellcheck .ci/run .ci/install .ci/find-python
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --quiet --offline .github
	$(BIN)/mypy
	$(BIN)/python tests/house/measure.py
	$(BIN)/lint-imports --no-cache
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs: dev ## the site of the documentation, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

figures: dev ## measure and draw the figures of docs/metrics again: a quarter of an hour on one core
	$(BIN)/python docs/metrics/figures/draw.py

format: dev ## correct the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: dev ## measure the promised speeds
	$(BIN)/python tests/benchmarks

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

clean: ## remove the virtual environment and the caches
	rm -rf site $(VENV) $(VENV).installing .pytest_cache .mypy_cache .ruff_cache

# The virtual environment with what a user needs, and with what the checks need too.
core dev:
	@.ci/install $(VENV) $@

with-diffusion:
	@.ci/install $(VENV) demo
