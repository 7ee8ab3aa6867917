# make report    the coursework report, from photographs to PDF (set up included)
# make test      all checks and tests (set up included)

PYTHON  ?= python3
PROFILE ?= coursework
DATASET ?= photographs
LATEX   := latexmk texlive-latex-recommended texlive-fonts-recommended lmodern

.PHONY: report test latex clean
.DEFAULT_GOAL := report

report: .venv/ready latex
	@.venv/bin/python -m helpers report --profile $(PROFILE) --dataset $(DATASET)

test: .venv/ready-for-tests latex
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pytest

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing Python packages into .venv (about 2 GB, a few minutes) ..."
	.venv/bin/python -m pip install --quiet --editable .
	@touch $@

.venv/ready-for-tests: .venv/ready
	.venv/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@

# Only tried where it can work; without LaTeX everything but the PDF is made.
latex:
	@if ! command -v latexmk >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing LaTeX (about 200 MB, under a minute) ..."; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(LATEX)) >/dev/null \
	    || echo "LaTeX could not be installed; the report's PDF will be left out."; \
	fi

clean:
	rm -rf data runs report/build
