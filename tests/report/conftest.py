"""A report of made-up runs: the cells of its notebook that write tables, numbers and phrases."""

import ast
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest
from matplotlib.figure import Figure

from helpers import settings
from helpers.benchmark.layout import LEVELS, POOLS
from helpers.common import files, paths
from helpers.dataset.noise import SIGMA
from helpers.report.figures import style
from helpers.report.paragraphs import KNOWN

MACHINE = {
    "backend": "tensorflow", "device": "cpu", "python": "3.12.1", "commit": "abc",
    "versions": {"keras": "3.15"},
}  # fmt: skip
OUTCOME = {
    "trainable_parameters": 59777, "macs": 57_540_608, "epochs": 1.0, "minutes": 0.5,
    "patches_per_second": 400.0, "patches": 60_000, "stopped": "after the planned number of steps",
}  # fmt: skip
SETTINGS = {
    "batch": 50, "epochs": 50, "triplets": 50, "patience": 50, "validation_batches": 50,
    "learning_rate": 1, "redraw": True, "seed": 1, "joining": "frozen",
    "network_options": {"width": 16, "dropout": 0.3},
    "loss_options": {"level_weights": [1, 1, 1]},
}  # fmt: skip
PART = {"scenes": 2, "points": 100, "patches": 1600}
SUMMARY = {
    "name": "photographs", "split": "its own", "lengths": {"v a/b": 100},
    "parts": dict.fromkeys(("train", "validation", "test"), PART),
}  # fmt: skip
MATCHES = {"scene": "v_a", "points": 60, "right": {"baseline": 20, "improved": 30}}


def make_scores(value: float) -> dict:
    """A scores dictionary in which all that is known is `value`."""
    cell = {"auc": value, "ap": value}
    pools = {str(pool): value if pool <= 1000 else None for pool in POOLS}
    return {
        "verification": {level: {"inter": cell, "intra": cell} for level in LEVELS},
        "retrieval": dict.fromkeys((*LEVELS, "mean"), pools),
        "matching": {
            **dict.fromkeys((*LEVELS, "mean"), value),
            "sequences": {"v a/b": {"e1": {"ap": value, "sr": value}}},
        },
        **dict.fromkeys("VMRS", value),
        "intervals": {key: [value - 0.01, value + 0.01] for key in "VMRS"},
        "tasks": {"positives": 1000, "queries": 100, "distractors": 990},
        "provenance": MACHINE,
    }


@pytest.fixture(scope="session")
def scores() -> Callable[[float], dict]:
    return make_scores


@pytest.fixture(scope="session")
def write_runs() -> Callable[[Path], dict[str, Path]]:
    """Writes the run folders of both approaches: name of a network -> folder."""

    def write(folder: Path, **others: float) -> dict[str, Path]:
        runs = {}
        for approach, value in {"baseline": 0.4, "improved": 0.6, **others}.items():
            for role in ("denoiser", "descriptor"):
                runs[f"{approach}-{role}"] = run = folder / f"{approach}-{role}"
                dataset = {"name": "made_up", "fingerprint": "0123456789abcdef"}
                network, loss = min(KNOWN.get(run.name, {("my_network", "my_loss")}))
                made = {"settings": SETTINGS | {"network": network, "loss": loss}}
                made |= {"dataset": dataset, **MACHINE}
                files.write_json(run / "settings.json", made)
                files.write_json(run / "outcome.json", OUTCOME)
            files.write_json(run / "scores.json", make_scores(value))
        return runs

    return write


@pytest.fixture(scope="session")
def pdf_of() -> Callable[[Figure], bytes]:
    """What `figures.save` writes as PDF, without the PNG beside it."""

    def draw(figure: Figure) -> bytes:
        buffer = io.BytesIO()
        with style():
            figure.savefig(buffer, format="pdf")
        return buffer.getvalue()

    return draw


@pytest.fixture(scope="session")
def move_home() -> Callable[[Path, pytest.MonkeyPatch], None]:
    """As NHPATCHES_HOME does it, for what a report is made of."""

    def move(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        report = folder / "report"
        monkeypatch.setattr(paths, "FIGURES", folder / "figures")
        monkeypatch.setattr(paths, "REPORT", report)
        monkeypatch.setattr(paths, "GENERATED", report / "generated")
        monkeypatch.setattr(paths, "REPORT_PDF", report / "report.pdf")
        paths.FIGURES.mkdir(parents=True)

    return move


@pytest.fixture
def home(tmp_path, monkeypatch, move_home):
    """An empty home, away from the checkout."""
    move_home(tmp_path, monkeypatch)
    return tmp_path


def tables_and_numbers() -> list[str]:
    """The imports of the report's notebook that need no network, and its cells from "Tables" on."""
    cells = jupytext.read(paths.NOTEBOOKS / "6_report.py").cells
    codes = [cell.source for cell in cells if cell.cell_type == "code"]
    imports = [
        ast.unparse(node)
        for node in ast.walk(ast.parse("\n".join(codes)))
        if isinstance(node, ast.ImportFrom) and node.module in ("helpers.common", "helpers.report")
    ]
    headings = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown"]
    (start,) = [i for i in headings if "## Tables" in cells[i].source]
    (end,) = [i for i in headings if "## The PDF" in cells[i].source]
    return imports + [cell.source for cell in cells[start:end] if cell.cell_type == "code"]


@pytest.fixture(scope="session")
def write_report() -> Callable[..., None]:
    """Writes tables, numbers and phrases for run folders into `paths.GENERATED`.

    What would need networks is made up; what is measured once is read as it is in the checkout.
    """
    codes = tables_and_numbers()

    def write(
        runs: dict[str, Path],
        dataset: dict | None = None,
        matched: dict = MATCHES,
        notes: tuple[str, ...] = (),
    ) -> None:
        names = [run.removesuffix("-denoiser") for run in runs if run.endswith("-denoiser")]
        approaches = {
            name: (runs[f"{name}-denoiser"], runs[f"{name}-descriptor"]) for name in names
        }
        scores = {
            name: files.read_json(descriptor / "scores.json")
            for name, (_, descriptor) in approaches.items()
        }
        measured = {path.stem: files.read_json(path) for path in paths.MEASURED.glob("*.json")}
        summary = dataset or SUMMARY
        errors = dict.fromkeys(("ref", *LEVELS), 9.0)
        bands = {"low": 50.0, "middle": 20.0, "high": 9.0}
        by_hand = dict.fromkeys(("root_sift", "root_sift_clean"), make_scores(0.5))
        namespace = {
            "runs": approaches, "scores": scores, "measured": measured, "by_hand": by_hand,
            "on_clean": make_scores(0.7), "profile": settings.SMOKE,
            "store": SimpleNamespace(summary=lambda: summary, notes=notes),
            "errors": dict.fromkeys(("noisy", "baseline", "improved"), errors),
            "clean": range(200), "bands": dict.fromkeys(("baseline", "improved"), bands),
            "info": SimpleNamespace(measured_sigma=lambda _: SIGMA), "matched": matched,
            "searched": {
                "trials": 2, "best": 0.3, "base": 0.4, "budget": 0.5,
                "settings": ["network_options.width"], "tried": ["12, 16"], "edges": [],
            },
            "described": {"improved": {"v_a": None}},
        }  # fmt: skip
        for code in codes:
            exec(code, namespace)

    return write
