# make report    the coursework report, from photographs to PDF (set up included)
# make figures   its figures, tables and PDF again, from finished runs: nothing is trained
# make test      all checks and tests, in about eleven minutes on two cores (set up included)
# make test-all  the same and deeper: more kills, more cases, all of training on JAX as well
# make notebook  JupyterLab on the notebooks
# make readme    results of the last report into README.md
# make clean     removes data/ (fetched archives too) and runs/, keeps figures and report

PYTHON  ?= python3
PROFILE ?= coursework
DATASET ?= photographs
SPLIT   ?=
SCENES  ?=
# These reach the commands as they were typed: neither make nor a shell looks for $, ' or ; in them.
define AS_TYPED
override $(1) := $$(value $(1))
export $(1)
endef
$(foreach name,PROFILE DATASET SPLIT SCENES NHPATCHES_HOME NHPATCHES_DATA KERAS_BACKEND,\
  $(if $(filter undefined,$(origin $(name))),,$(eval $(call AS_TYPED,$(name)))))
LATEX   := latexmk texlive-latex-recommended texlive-fonts-recommended lmodern

.PHONY: report figures test test-all notebook readme latex browser clean
.DEFAULT_GOAL := report

report figures: .venv/ready latex
	@.venv/bin/python -m helpers $@ --profile="$$PROFILE" --dataset="$$DATASET" \
	  --split="$$SPLIT" --scenes="$$SCENES"

# One worker a core; whoever has finished takes over tests of the others.
PYTEST := .venv/bin/pytest -n auto --dist worksteal --durations=10

test: .venv/ready-for-tests latex browser
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PYTEST)
	KERAS_BACKEND=jax $(PYTEST) -m 'second_backend and not deep'

test-all: .venv/ready-for-tests latex browser
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PYTEST) -m ''
	KERAS_BACKEND=jax $(PYTEST) -m '' tests/networks tests/training tests/experiments

notebook: .venv/ready
	.venv/bin/jupyter lab notebooks $$([ "$$(id -u)" = 0 ] && echo --allow-root)

readme: .venv/ready
	@.venv/bin/python -c "from helpers.report.readme import update_readme; update_readme()"

# Debian's python3 may come without venv; --clear mends a half-made environment.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); \
	  sys.exit(None if ok else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear .venv >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null && $(PYTHON) -m venv --clear .venv; } || \
	  { rm -rf .venv; command -v apt-get >/dev/null && cure="sudo apt-get install python3-venv" || cure="install a Python with its module venv"; \
	    echo "A virtual environment could not be made: $$cure"; exit 1; }

.venv/ready: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing Python packages into .venv (about 2 GB, a few minutes) ..."
	.venv/bin/python -m pip install --quiet --editable .
	@touch $@

.venv/ready-for-tests: .venv/ready
	.venv/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@

# Only tried where it can work; without LaTeX everything but the PDF is made.
latex:
	@if ! kpsewhich lmodern.sty >/dev/null 2>&1 && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing LaTeX (about 200 MB, under a minute) ..."; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(LATEX)) >/dev/null \
	    || echo "LaTeX could not be installed; the report's PDF will be left out."; \
	fi

# Without a browser the tests of the notebooks in JupyterLab are skipped.
browser:
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Chromium (about 100 MB, under a minute) ..."; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium) >/dev/null \
	    || echo "Chromium could not be installed; the tests of JupyterLab will be skipped."; \
	fi

clean:
	rm -rf data runs report/build report/figures
