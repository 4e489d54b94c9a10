# What a person types here; `make help` lists it. The environment is made first, from
# requirements.lock, and made again when that file or pyproject.toml changes.

SHELL := /bin/sh
VENV := .venv
EXTRAS := .venv-extras
# A comma in a call would end its argument.
OF_EXTRAS := -e '.[s3,dask]' --group extras
TORCH := .venv-torch
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
PYTEST := $(PYTHON) -m pytest
STAMP := $(VENV)/.as-locked
QUICKSTART := 01_quickstart.ipynb
# Every process of pytest would load what these lean on, for two seconds; the few tests that use them do it themselves.
SPARED := -p no:nbval -p no:schemathesis
ROOMS := --ignore=tests/browser -m "not browser and not soak and not extras and not torch"
# What `make soak` tries once more as users have it, with everything published behind it.
PUBLISHED_MEANWHILE := $(addprefix tests/,commands execute flows notebook services widgets)

# A command named python3.13 may be there and not work (pyenv's shims), so each is asked.
FIND_PYTHON := for each in python3.13 python3.12 python3.11 python3; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done
# An index that does not answer once often does a moment later.
TWICE := twice() { "$$@" || { echo "Trying once more: $$*" >&2; sleep 3; "$$@"; }; }

# An environment beside the locked one: (its folder, what is installed into it besides what is locked). It is made
# again only if what it was made of has changed.
define MAKE_ENVIRONMENT
made_of="$$(cat requirements.lock pyproject.toml Makefile | cksum)"; \
if [ "$$(cat $(1)/.as-made 2>/dev/null)" != "$$made_of" ]; then \
	$(TWICE); \
	{ test -x $(1)/bin/python || $(PYTHON) -m venv $(1); } && \
	{ { twice $(BIN)/uv pip sync --quiet --python $(1)/bin/python --require-hashes requirements.lock && \
		twice $(BIN)/uv pip install --quiet --python $(1)/bin/python $(2); } || \
	{ echo "uv could not install the packages; pip does." >&2; \
		twice $(1)/bin/python -m pip install --quiet --upgrade 'pip>=25.1' && \
		twice $(1)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock && \
		twice $(1)/bin/python -m pip install --quiet $(2); }; } && \
	echo "$$made_of" > $(1)/.as-made; \
fi
endef

# Where a machine forbids it, each of the hundreds of processes that tests start would compile every library anew.
unexport PYTHONDONTWRITEBYTECODE
# Each of them would also look through every installed package for plugins of pydantic, and find none.
test-rooms test-pages: export PYDANTIC_DISABLE_PLUGINS := __all__

.PHONY: help environment browser compiled demo lab test test-rooms test-pages test-extras test-torch check bench soak lock
.PHONY: reference outputs

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

environment: $(STAMP) ## make .venv as requirements.lock says

$(STAMP): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import pip' 2>/dev/null || { \
		python="$$($(FIND_PYTHON))"; \
		test -n "$$python" || { echo "nbpipe needs Python 3.11 or newer as python3." >&2; exit 1; }; \
		"$$python" -m venv --clear $(VENV) || \
			{ echo "Python has no venv module that works (on Debian: apt-get install python3-venv)." >&2; exit 1; }; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv-as-locked.txt
	@$(TWICE); twice $(PYTHON) -m pip install --quiet --require-hashes -r $(VENV)/uv-as-locked.txt
# pip knows an index from its own settings that uv does not: where uv cannot reach one, pip can.
	@$(TWICE); $(BIN)/uv pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock || { \
		echo "uv could not install the packages; pip does." >&2; \
		twice $(PYTHON) -m pip install --quiet --no-deps --require-hashes -r requirements.lock; }
	@$(TWICE); $(BIN)/uv pip install --quiet --python $(PYTHON) --no-deps -e . || \
		twice $(PYTHON) -m pip install --quiet --no-deps -e .
	@touch $@

browser: environment
	@$(TWICE); if command -v chromium || command -v chromium-browser || command -v google-chrome \
			|| command -v google-chrome-stable; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		twice apt-get update -qq && \
		twice apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	else twice $(BIN)/playwright install chromium; fi >/dev/null \
	|| echo "No browser could be installed; the browser tests will fail." >&2

# Installed packages come as text: each process that starts at the same time would compile them anew.
compiled: $(VENV)/.compiled

$(VENV)/.compiled: $(STAMP)
	@$(PYTHON) -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

demo: environment ## run the quickstart in a real kernel and tell what came of it
	@$(BIN)/nbpipe demo notebooks/$(QUICKSTART) --to .demo/$(QUICKSTART)

lab: environment ## open JupyterLab on the lessons
	@$(BIN)/jupyter-lab --ServerApp.root_dir=notebooks $$([ "$$(id -u)" = 0 ] && echo --allow-root)

test: environment browser compiled ## run every test: rooms, flows, lessons under nbval, the browser
	@$(MAKE) --no-print-directory --keep-going --jobs=2 test-rooms test-pages

# Where nothing is compiled yet, as in a fresh clone, one process does that for all: each would compile everything anew.
test-rooms: environment
	@ls tests/__pycache__/test_cli.*-pytest-*.pyc >/dev/null 2>&1 || $(PYTEST) $(SPARED) $(ROOMS) --collect-only -qq >/dev/null || true
	@$(PYTEST) $(SPARED) -n auto --dist loadfile --no-loadscope-reorder $(ROOMS)

# These wait half of the time, so they go on beside the others; what they say is shown when they are done. They take one
# process: a second would have a JupyterLab and a Chromium of its own, and be done no sooner than the others.
test-pages: environment browser
	@told="$$(mktemp)"; $(PYTEST) $(SPARED) -m browser tests/browser >"$$told" 2>&1; code=$$?; \
	cat "$$told"; rm -f "$$told"; exit $$code

# Extras for few stay out of the locked environment, also because some hold other packages back (s3fs: dateutil):
# each target has an environment of its own beside it, which begins as the locked one.
test-extras: environment ## run the tests of the extras s3 and dask, in an environment of their own
	@$(call MAKE_ENVIRONMENT,$(EXTRAS),$(OF_EXTRAS))
	@$(EXTRAS)/bin/python -m pytest -m extras tests

# Torch is several times as heavy as all the rest.
test-torch: environment ## run the tests that need torch, in an environment of their own (a download of gigabytes)
	@$(call MAKE_ENVIRONMENT,$(TORCH),-e . --group torch)
	@$(TORCH)/bin/python -m pytest -m torch tests

check: environment ## lint, format and types, nothing is changed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: environment ## run every benchmark and print the table
	@$(PYTHON) benchmarks/run.py

soak: environment ## run the long trials, the better part of an hour, and show the line of each
	@$(PYTEST) -m soak tests -v; code=$$?; \
	$(PYTEST) --hypothesis-profile=thorough -m "hypothesis and not browser and not soak and not extras and not torch" \
		tests || code=$$?; \
	$(PYTEST) --published-meanwhile -m "not browser and not soak and not extras and not torch" \
		$(PUBLISHED_MEANWHILE) && exit $$code

# The extras that everybody's environment has; the others would hold back what it may have newer. What is left out checks
# the format of a kind of address that nobody here writes, and builds a grammar for that in whatever imports nbformat:
# of 1.7 seconds, 1.4.
lock: environment ## write requirements.lock anew from pyproject.toml
	@echo rfc3987-syntax > $(VENV)/left-out.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra lab --extra test --no-header \
		--excludes $(VENV)/left-out.txt --no-emit-index-url --generate-hashes pyproject.toml -o requirements.lock

reference: environment ## write docs/commands.md and docs/reference.md anew
	@$(PYTHON) -m tests.reference

outputs: environment ## run the lessons and store what they show, each in a fresh workspace
	@for lesson in notebooks/*.ipynb; do \
		test -e "$$lesson" || { echo "There are no lessons yet."; break; }; \
		home=$$(mktemp -d) && \
		NBPIPE_HOME="$$home/workspace" IPYTHONDIR="$$home/ipython" $(BIN)/jupyter-nbconvert --log-level WARN \
			--to notebook --execute --inplace --ExecutePreprocessor.record_timing=False "$$lesson"; \
		code=$$?; rm -rf "$$home"; [ $$code = 0 ] || exit $$code; \
	done
