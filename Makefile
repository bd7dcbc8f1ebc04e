# `make demo`, `make check`, `make test`, `make extension` and `make docs`. All make what they need in .venv and .venv-bpy*.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHON311 ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := pip --disable-pip-version-check --quiet install
PIP := $(BIN)/$(INSTALL) -c constraints.txt

PACKAGING := blender_addon/packaging
include $(PACKAGING)/versions.mk
BLENDERS := 42 45 50
EXTENSION := $(shell sed -n 's/^version = "\(.*\)"/dist\/ex4d-\1.zip/p' blender_manifest.toml)

# Tests start hundreds of processes: none compiles again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo check test lint docs test-library extension test-blender perf fuzz fuzz-readers soak clean
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif

demo: $(VENV)/installed .venv-bpy50/checked extension
	@$(BIN)/python examples/whole_shot/run.py --blender_python .venv-bpy50/bin/python --zip $(EXTENSION)

# What a machine lacks is said before the tests run.
test: lint $(BLENDERS:%=.venv-bpy%/checked) extension test-library test-blender

# What to run before each commit: under a minute.
check: lint
	$(BIN)/pytest -m "not slow and not perf and not trial" -n auto -q --durations=0 --durations-min=2

# The add-on is checked inside the package that Blender installs it in: this folder, by another name.
TYPES := build/types
lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@mkdir -p $(TYPES) && ln -sfn ../.. $(TYPES)/extension
	MYPYPATH=$(TYPES) $(BIN)/mypy -p extension.blender_addon
	$(BIN)/codespell

# More processes than cores, for they wait a lot; each module in one of them. What measures times
# comes afterwards, alone.
PROCESSES ?= 3
test-library: $(VENV)/installed-test
	$(BIN)/pytest -m "not alone and not perf and not trial" -n $(PROCESSES) --dist loadfile --no-loadscope-reorder -q
	$(BIN)/pytest -m "alone and not perf and not trial" -q

# The zip that artists install, in dist/.
extension: .venv-bpy50/installed
	@.venv-bpy50/bin/python -m blender_addon.packaging.build_extension

# All versions side by side; what each says comes in one piece, when it is done. One that fails is
# named at the end, and stops no other.
test-blender: $(VENV)/installed extension $(BLENDERS:%=.venv-bpy%/checked)
	@$(MAKE) --no-print-directory --keep-going --jobs $(IN_ONE_PIECE) SIDE_BY_SIDE=1 $(BLENDERS:%=test-blender-%)

IN_ONE_PIECE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# Two processes for each Blender: the installed extension must have one to itself. Their exit codes
# count: 4.5 hangs and 4.2 crashes at exit when something stays registered.
test-blender-%: .venv-bpy%/checked
	$(call in-blender,$*) tests/blender_addon
	$(call in-blender,$*) tests/extension

in-blender = EX4D_EXTENSION_ZIP=$(EXTENSION) EX4D_PYTHON=$(BIN)/python timeout -k 10 1800 \
	.venv-bpy$(1)/bin/python -m pytest -q -m "blender and not perf and not trial"

# The site of docs/, in docs/_build/html; a page or a link that leads nowhere is an error.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build --quiet --fail-on-warning docs docs/_build/html

# Coverage-guided, of what anybody may send: SECONDS in all, TARGETS of tests/fuzz/targets.py.
fuzz-readers: $(VENV)/installed-fuzz
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),300) $(TARGETS)

# Benchmarks; on a quiet machine.
perf: $(VENV)/installed-test
	$(BIN)/pytest -m perf tests/perf -s

# Minutes of attack on a real server, without keys and with: make fuzz, or make fuzz MESSAGES=100000
# CONNECTIONS=200 SECONDS=30 SEED=1 KIND=--curve
fuzz: $(VENV)/installed-test
	$(BIN)/python -m tests.trials.fuzz $(MESSAGES:%=--messages %) $(CONNECTIONS:%=--connections %) \
		$(SECONDS:%=--seconds %) $(SEED:%=--seed %) $(KIND)

# The tests that wait long, then an hour of work and mischief, and its chart; as root it cuts networks
# and fills a disk, too: make soak SECONDS=60
CHART ?= docs/soak.png
soak: $(VENV)/installed-test
	$(BIN)/pytest -m trial tests/trials
	$(BIN)/python -m tests.trials.soak --chart $(CHART) $(SECONDS:%=--seconds %) $(SEED:%=--seed %)

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: EX-4D needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "the module venv is missing: apt-get install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable ".[test,wan,depth,train]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: $(VENV)/installed-test
	$(PIP) --editable ".[docs]"
	@touch $@

$(VENV)/installed-fuzz: $(VENV)/installed-test
	$(PIP) --editable ".[fuzz]"
	@touch $@

.venv-bpy%/installed: $(PACKAGING)/constraints.txt $(PACKAGING)/versions.mk
	@$(PYTHON311) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "Blender's module bpy needs Python 3.11: apt-get install python3.11 python3.11-venv, or name another one with make PYTHON311=/path/to/python3.11"; exit 2; }
	@$(PYTHON311) -m venv --clear $(@D) || { rm -rf $(@D); echo "the module venv of Python 3.11 is missing: apt-get install python3.11-venv"; exit 2; }
	$(@D)/bin/$(INSTALL) -c $(PACKAGING)/constraints.txt bpy==$(BPY_$*) av hypothesis pytest pytest-timeout
	@touch $@

.venv-bpy%/checked: .venv-bpy%/installed
	@$(@D)/bin/python $(PACKAGING)/preflight.py

.PRECIOUS: .venv-bpy%/installed

clean:
	rm -rf $(VENV) $(BLENDERS:%=.venv-bpy%) outputs dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
