"""Where things live. Only this file composes the paths of the project.

Set `NHPATCHES_HOME` to put everything that a run makes somewhere else (a scratch disk, a mounted
Drive folder, a temporary folder in the tests); the default is the checkout itself.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.path.expanduser(os.environ.get("NHPATCHES_HOME") or ROOT)).resolve()

NOTEBOOKS = ROOT / "notebooks"  # sources, without outputs
REPORT_SOURCES = ROOT / "report"  # report.tex, title.tex, references.bib
TEXTS = ROOT / "report" / "texts"  # paragraphs that are chosen by the data

# Patch stores, one folder a source and recipe; large, and mapped: best on a local disk.
DATA = Path(os.path.expanduser(os.environ.get("NHPATCHES_DATA") or HOME / "data")).resolve()
RUNS = HOME / "runs"  # one folder a training run
EXECUTED = HOME / "runs" / "notebooks"  # executed copies, with outputs, and their HTML
FIGURES = HOME / "figures"
REPORT = HOME / "report"
GENERATED = HOME / "report" / "generated"  # tables and numbers that report.tex inputs
MEASURED = ROOT / "report" / "measured"  # what longer runs found, kept with the code
REPORT_PDF = HOME / "report" / "report.pdf"
