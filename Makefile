# make bench   measure this machine with bench.toml, after setting everything up (once)
# make demo    the whole tool in three minutes, likewise; nothing is downloaded but what it is installed from
# make check ARGS="--baseline main"   the regression gate (docs/ci.md)
# make test    lint, types and tests, likewise
# make acceptance   the tests that take long: whole gates, boards, films, every network; the installed executable
# make dist    wheel and sdist in dist/ (docs/release.md)
# PYTHON=python3.12 make bench      with another Python (3.10 or newer)
# make bench ARGS="--model x3d-s"   with options of `co3d-bench run`
# PIP_ARGS is passed to pip, for example to take torch from another index (docs/boards.md).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS)
SOURCES := pyproject.toml constraints.txt

.DELETE_ON_ERROR:
.PHONY: bench demo check test acceptance dist lint speed picture clean

bench: $(VENV)/.installed
	$(BIN)/co3d-bench run $(ARGS)

demo: $(VENV)/.installed
	$(BIN)/co3d-bench demo $(ARGS)

check: $(VENV)/.installed
	$(BIN)/co3d-bench check $(ARGS)

test: lint
	$(BIN)/python -m pytest $(ARGS)

# One process: some of these tests measure for real.
acceptance: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m acceptance -n 0 $(ARGS)

# The wheel is built from the sdist, in a folder of its own: nothing that lies about here comes into it. Its times are
# those of the commit, so that everybody who builds it gets the same file.
dist: $(VENV)/.installed-test
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
	  $(BIN)/python -m build --quiet --dependency-constraints-txt constraints.txt --outdir dist .

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# Ratios of our networks to the same ones built otherwise, in one process each; several minutes.
speed: $(VENV)/.installed-test
	$(BIN)/python tests/speed/step_vs_continual_inference.py
	$(BIN)/python tests/speed/clip_vs_plain_torch.py
	$(BIN)/python tests/speed/engines.py
	$(BIN)/python tests/speed/clip_engines_vs_plain.py

# The README's picture, of a store that was measured on an idle machine: make picture STORE=results
picture: $(VENV)/.installed-test
	$(BIN)/python tests/reports/picture.py $(STORE)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is missing or older than 3.10; name a newer one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 2; }

$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	@echo "installing into $(VENV), once; torch is large"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) $(VENV)/.installed
	$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
