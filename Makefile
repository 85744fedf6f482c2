# `make demo` and `make test` need only Python >= 3.11 with venv, and make.

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3 python,$(if $(shell $(p) -c 'import sys, venv; assert sys.version_info >= (3, 11); print(1)' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT := out
PACKAGES := dtopt solvers instances reports
# Solvers are timed in one thread each, so that a comparison is fair.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test lint format report clean

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: error: no Python >= 3.11 with venv was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED)
	@mkdir -p $(OUT)
	$(BIN)/dtopt generate paper --seed 1 -o $(OUT)/paper.json
	$(BIN)/dtopt generate city --seed 1 -o $(OUT)/city.json
	@$(BIN)/dtopt generate melbourne --seed 1 --users 100 --stations 20 -o $(OUT)/melbourne.json 2>$(OUT)/melbourne.log \
	  || { rm -f $(OUT)/melbourne.json; echo "melbourne is left out: $$(cat $(OUT)/melbourne.log)"; }
	$(BIN)/dtopt compare $(OUT)/paper.json $(OUT)/city.json $$(ls $(OUT)/melbourne.json 2>/dev/null) --time-limit 20 \
	  --html $(OUT)/report.html --markdown $(OUT)/report.md --csv $(OUT)/report.csv
	@echo "the report with maps is $(OUT)/report.html"

test: $(INSTALLED)
	$(BIN)/pytest -n 2

# Hours: the full comparison, its committed report and the README's table. A kill loses no finished run.
report: $(INSTALLED)
	@mkdir -p $(OUT)
	$(BIN)/dtopt bench reports/committed/full.toml -o $(OUT)/full.sqlite
	$(BIN)/dtopt report $(OUT)/full.sqlite -o $(OUT)/full -o reports/committed/report.md -o reports/committed/summary.csv \
	  -o reports/committed/tables.tex -o reports/committed/profile-time.svg -o reports/committed/gaps.svg
	$(BIN)/python -m reports.readme README.md reports/committed/summary.csv

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
