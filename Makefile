# `make demo` and `make test` need only Python >= 3.11 with venv, make, and a C++20 compiler; where there is no compiler,
# one is taken from PyPI (ziglang).

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3 python,$(if $(shell $(p) -c 'import sys, venv; assert sys.version_info >= (3, 11); print(1)' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT := out
BUILT := build/editable/.built
CORE := CMakeLists.txt $(wildcard dtopt/core/*.?pp solvers/core/*.?pp)
COMPILER := $(if $(filter-out default undefined,$(origin CXX)),$(CXX),$(firstword $(foreach c,c++ g++ clang++,$(shell command -v $(c) 2>/dev/null))))
ZIG := $(CURDIR)/$(BIN)/zig-c++
# Solvers are timed in one thread each, so that a comparison is fair.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
INSTALL = $(BIN)/pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev,docs]'

.PHONY: build stubs sanitize demo test lint docs report format clean

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: error: no Python >= 3.11 with venv was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check 'scikit-build-core>=0.11' 'nanobind>=2.4' cmake ninja
ifeq ($(COMPILER),)
	@echo "no C++ compiler was found: taking one from PyPI (ziglang) into $(VENV)"
	$(BIN)/pip install -q --disable-pip-version-check ziglang
	@printf '#!/bin/sh\nexec "%s" -m ziglang c++ "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(ZIG) && chmod +x $(ZIG)
	PATH="$(CURDIR)/$(BIN):$$PATH" CXX="$(ZIG)" $(INSTALL)
else
	PATH="$(CURDIR)/$(BIN):$$PATH" $(INSTALL)
endif
	@touch $@ $(BUILT)

# The compiled core, again after a change.
$(BUILT): $(CORE) | $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build build/editable
	@touch $@

build: $(INSTALLED) $(BUILT)

# The type stubs of the core, again after a change of its bindings.
stubs: build
	for package in dtopt solvers; do $(BIN)/python -m nanobind.stubgen -q -m $$package._core -O $$package; done

# The tests of the core with AddressSanitizer and UBSan, in a copy of the tree.
SANITIZED := build/sanitized
sanitize: build
	mkdir -p $(SANITIZED)
	git ls-files -z | xargs -0 cp --parents -t $(SANITIZED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake -S $(SANITIZED) -B $(SANITIZED)/build -G Ninja -DDTOPT_SANITIZE=ON \
	  -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	$(BIN)/cmake --build $(SANITIZED)/build
	cd $(SANITIZED) && PYTHONPATH=. ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  LD_PRELOAD="$$($(or $(COMPILER),c++) -print-file-name=libasan.so) $$($(or $(COMPILER),c++) -print-file-name=libstdc++.so)" \
	  $(CURDIR)/$(BIN)/python -m pytest -q -p no:cacheprovider $(SANITIZED_TESTS)

SANITIZED_TESTS := tests/core tests/dtopt/test_bounds.py tests/dtopt/test_wired.py tests/dtopt/test_utility_dual.py \
  tests/solvers/test_local_search.py tests/solvers/test_ejection.py tests/solvers/test_server_sets.py \
  tests/solvers/test_lns.py tests/solvers/test_policy.py tests/solvers/test_learning_kernels.py \
  tests/solvers/test_migration_core.py tests/solvers/test_clairvoyant_dual.py tests/solvers/test_exact.py

demo: build
	@mkdir -p $(OUT)
	$(BIN)/dtopt generate paper --seed 1 -o $(OUT)/paper.json
	$(BIN)/dtopt generate city --seed 1 -o $(OUT)/city.json
	@$(BIN)/dtopt generate melbourne --seed 1 --users 100 --stations 20 -o $(OUT)/melbourne.json 2>$(OUT)/melbourne.log \
	  || { rm -f $(OUT)/melbourne.json; echo "melbourne is left out: $$(cat $(OUT)/melbourne.log)"; }
	$(BIN)/dtopt compare $(OUT)/paper.json $(OUT)/city.json $$(ls $(OUT)/melbourne.json 2>/dev/null) --time-limit 20 \
	  --html $(OUT)/report.html --markdown $(OUT)/report.md --csv $(OUT)/report.csv
	@echo "the report with maps is $(OUT)/report.html"

test: build
	$(BIN)/pytest -n 2

# A quarter of an hour: the full comparison, its committed report and the README's table. A kill loses no finished run.
report: build
	@mkdir -p $(OUT)
	$(BIN)/dtopt bench reports/committed/full.toml -o $(OUT)/full.sqlite
	$(BIN)/dtopt report $(OUT)/full.sqlite -o $(OUT)/full -o reports/committed/report.md -o reports/committed/summary.csv \
	  -o reports/committed/tables.tex -o reports/committed/profile-time.svg -o reports/committed/gaps.svg
	$(BIN)/python -m reports.readme README.md reports/committed/summary.csv

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: build
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the site is $(OUT)/site/index.html"

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info */_core*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
