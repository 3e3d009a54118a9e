# Every target sets up what it needs (tools/setup.sh) and starts at once when that is already done.
#
#   make run                     discover a controller on the bundled grid: no key, no GPU
#   make test                    the tests
#   make lint                    style, types, import direction
#   make docs                    the documentation as a site, in build/site
#   make wheel                   build the wheel, and use it in a fresh environment outside of this folder
#
# Settings: SANDBOX=auto|docker|bubblewrap|process   how `make run` isolates candidates
#           INSTALL=1                                let the set-up install system packages through sudo
#           PYTHON=/path/to/python3                  the interpreter to build the virtual environment from
#           ARGS="…"                                 more arguments for autotts discover, or for pytest

SANDBOX ?= auto
export SANDBOX INSTALL PYTHON
bin := .venv/bin

.DEFAULT_GOAL := run
.PHONY: run test lint docs wheel setup setup-dev lock grid clean

run: setup
	$(bin)/autotts discover --sandbox '$(SANDBOX)' $(ARGS)

# A process a core; more than four would mostly wait for each other's sandboxes. ARGS=-n0 is one after the other.
test: setup-dev
	$(bin)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: setup-dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

docs: setup-dev
	$(bin)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[docs]'
	$(bin)/mkdocs build --strict $(ARGS)

# ARGS="python3.11 python3.14": the interpreters to try it with.
wheel:
	tools/try-wheel.sh $(ARGS)

setup:
	@tools/setup.sh run

setup-dev:
	@tools/setup.sh dev

# All but vllm, which brings a PyTorch of its own choice.
EXTRAS := agents dev docs gym inspect postgres ray searches studio

# The exact versions that every set-up is held to, for every Python from 3.11 on: pins what is new in pyproject.toml,
# with ARGS=--upgrade everything anew. Commit the result.
lock: setup-dev
	$(bin)/python -m pip install --quiet uv
	$(bin)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 $(EXTRAS:%=--extra %) \
	  --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --output-file requirements.lock $(ARGS)

# Collects the bundled grids again, from the model itself.
grid: setup
	tools/collect-bundled.sh

# Leaves runs/ alone: it is the user's work.
clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
