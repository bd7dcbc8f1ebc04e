# The two commands: `make demo` and `make test`. Both make what they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet install -c constraints.txt

.PHONY: demo test lint perf clean

demo: $(VENV)/installed
	$(BIN)/ex4d demo --output_dir outputs/demo

test: lint
	$(BIN)/pytest

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

# Benchmarks; on a quiet machine.
perf: $(VENV)/installed-test
	$(BIN)/pytest -m perf tests/perf -s

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: EX-4D needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "the module venv is missing: apt-get install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable ".[test,wan]"
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) outputs dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
