# Everything that a newcomer needs: `make quickstart` runs a search, `make test` runs every check.
# Set PYTHON to choose an interpreter (3.11 to 3.13), VENV to put the environment elsewhere.

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(shell command -v $(p) >/dev/null 2>&1 && $(p) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(p))))
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_FLAGS ?= -n 2 --dist loadfile

.PHONY: quickstart setup check test faults benchmarks controls search-benchmark clean

quickstart: setup
	$(BIN)/automix search --data digits --preset smoke

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "automix needs Python 3.11, 3.12 or 3.13 on the PATH, or PYTHON=/path/to/one" >&2; exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON): downloads PyTorch once, several minutes on a slow line."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar off -e '.[test]'
	@touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest $(PYTEST_FLAGS)

# Kills the real command at random moments and compares with a search that nobody disturbed: half an hour.
faults: setup
	$(BIN)/pytest -s tests/faults --real-kills 24

benchmarks: setup
	for name in kernels loss training_step bookkeeping; do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/memory.py --seeds 5

controls: setup
	$(BIN)/python benchmarks/controls.py --write

# About an hour of one core for the trainings and half an hour for the searches; goes on where it was stopped.
search-benchmark: setup
	$(BIN)/python benchmarks/trials.py
	$(BIN)/python benchmarks/surrogate.py
	$(BIN)/python benchmarks/fidelity.py
	$(BIN)/python benchmarks/samplers.py --picture docs/images/regret.svg

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
