import ast
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import jupytext
import numpy as np
import pytest
from matplotlib.figure import Figure

import helpers
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.notebook import execute
from helpers.report import latex, numbers, readme, tables

LEVELS = ("easy", "hard", "tough")
RUNS = ("baseline-denoiser", "baseline-descriptor", "improved-denoiser", "improved-descriptor")

needs_latex = pytest.mark.skipif(
    shutil.which("latexmk") is None, reason=f"no LaTeX: apt-get install {latex.DEBIAN_PACKAGES}"
)


def scores(value: float) -> dict:
    cell = {"auc": value, "ap": value}
    pools = {str(pool): value if pool <= 1000 else None for pool in tables.POOLS}
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
    }


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, away from the checkout."""
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    monkeypatch.setattr(paths, "GENERATED", tmp_path / "report" / "generated")
    paths.FIGURES.mkdir()
    return tmp_path


def write_small_report(home: Path, body: str) -> Path:
    """Sources of a report that says `body`, and one number."""
    sources = home / "sources"
    sources.mkdir()
    head = re.search(
        r"\\makeatletter.*?\\makeatother\n", (paths.REPORT_SOURCES / "report.tex").read_text(), re.S
    ).group()
    (sources / "report.tex").write_text(
        "\\documentclass{article}\n\\usepackage{graphicx}\n\\graphicspath{{figures/}}\n"
        f"{head}\\input{{generated/numbers}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    (sources / "references.bib").write_text("")
    numbers.write_numbers({"improved.S": 0.5})
    return sources


MACHINE = {
    "backend": "tensorflow", "device": "cpu", "python": "3.12.1", "commit": "abc",
    "versions": {"keras": "3.15"},
}  # fmt: skip


# --- numbers -------------------------------------------------------------------------------------


def test_flatten_joins_names_by_dots_and_keeps_lists():
    nested = {"improved": {"S": 0.5, "intervals": {"S": [0.4, 0.6]}}, "seed": 1}
    assert numbers.flatten(nested) == {
        "improved.S": 0.5, "improved.intervals.S": [0.4, 0.6], "seed": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("improved.S", 0.56789, "0.568"),
        ("improved.intervals.S", [0.1, 0.25], "[0.100, 0.250]"),
        ("improved.R", None, "--"),
        ("outcome.x.minutes", 3.14159, "3.1"),
        ("outcome.x.patches_per_second", 1386.4, "1,386"),
        ("outcome.x.trainable_parameters", 1336032, "1,336,032"),
        ("settings.x.learning_rate", 1e-5, r"\ensuremath{10^{-5}}"),
        ("settings.x.learning_rate", 3e-5, r"\ensuremath{3\times 10^{-5}}"),
        ("settings.x.learning_rate", 0.002, "0.002"),
        ("settings.x.epochs", 1.0, "1"),
        ("settings.x.redraw", True, "yes"),
        ("settings.x.seed", 20181, "20181"),
        ("noise.easy", 25.5, "25.5"),
        ("denoising.noisy.easy", 13.456, "13.46"),
        ("dataset.fingerprint", "0123456789abcdef", "0123456789ab"),
        ("dataset.name", "my_scenes & 50%", r"my\_scenes \& 50\%"),
        ("improved.tasks.sequences", ["v_a", "i_b"], r"v\_a, i\_b"),
    ],
)
def test_value_is_formatted_by_its_name_and_kind(name, value, text):
    assert numbers.format_value(name, value) == text


def test_comparison_is_in_words_that_follow_from_the_numbers():
    words = numbers.compare(scores(0.5), scores(0.6))
    assert words["word"]["S"] == "above"
    assert words["difference"]["S"] == "+0.100"
    assert words["intervals"]["S"] == "do not overlap"
    assert numbers.compare(scores(0.6), scores(0.595))["word"]["M"] == "below"
    assert numbers.compare(scores(0.6), scores(0.595))["intervals"]["M"] == "overlap"
    assert numbers.compare(scores(0.6), scores(0.6))["word"]["V"] == "equal to"


def test_comparison_with_a_missing_score_says_so():
    words = numbers.compare(
        scores(0.5) | {"R": None, "intervals": dict.fromkeys("VMRS")}, scores(0)
    )
    assert words["word"]["R"] == "not comparable with"
    assert words["intervals"]["R"] == "are not known"


def test_name_that_latex_cannot_look_up_is_refused(tmp_path):
    with pytest.raises(InputError, match="'a b' may hold letters"):
        numbers.write_numbers({"a b": 1}, tmp_path / "numbers.tex")


@pytest.mark.parametrize(("joining", "cost"), [("frozen", 3.0), ("direct", 2.0)])
def test_a_pipeline_costs_what_its_networks_cost(joining, cost):
    numbers = {
        "settings.improved-descriptor.joining": joining,
        "outcome.improved-descriptor.macs": 2_000_000,
        "outcome.improved-denoiser.macs": 1_000_000,
    }
    assert numbers.pipeline_cost(numbers, "improved") == cost


# --- the build -----------------------------------------------------------------------------------


@needs_latex
def test_report_builds_from_results_with_no_warning(home):
    fill_home(home)
    target = latex.build_pdf(target=home / "report" / "report.pdf")
    assert target.read_bytes().startswith(b"%PDF")
    log = (home / "report" / "build" / "report.log").read_text(errors="replace")
    assert "undefined" not in re.sub(r"LaTeX Font Warning:.*(\n\(Font\).*)*", "", log)


@needs_latex
def test_report_builds_where_no_baseline_was_trained_until_early_stopping(home):
    fill_home(home)
    numbers = paths.GENERATED / "numbers.tex"
    kept, left_out = [], []
    for line in numbers.read_text().splitlines(keepends=True):
        (left_out if re.search(r"\.end\.", line) else kept).append(line)
    assert left_out
    numbers.write_text("".join(kept))
    assert latex.build_pdf(target=home / "report.pdf").read_bytes().startswith(b"%PDF")


@needs_latex
def test_same_inputs_give_the_same_pdf(home):
    sources = write_small_report(home, r"\result{improved.S}")
    sources.joinpath("report.tex").write_text(
        "\\pdfinfoomitdate=1\\pdftrailerid{}\\pdfsuppressptexinfo=-1\n"
        + sources.joinpath("report.tex").read_text()
    )
    first = latex.build_pdf(sources, home / "a.pdf").read_bytes()
    assert latex.build_pdf(sources, home / "b.pdf").read_bytes() == first


@needs_latex
def test_unknown_result_stops_the_build_by_name_and_leaves_the_old_pdf(home):
    sources = write_small_report(home, r"\result{improved.no_such-name}")
    (home / "report.pdf").write_text("the old one")
    with pytest.raises(InputError, match=r"no result 'improved\.no_such-name' in generated"):
        latex.build_pdf(sources, home / "report.pdf")
    assert (home / "report.pdf").read_text() == "the old one"


@needs_latex
def test_undefined_reference_stops_the_build_by_name(home):
    sources = write_small_report(home, r"See \ref{fig:lost}.")
    with pytest.raises(InputError, match="refers to fig:lost"):
        latex.build_pdf(sources, home / "report.pdf")
    assert not (home / "report.pdf").exists()


@needs_latex
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("photographs", ["the photographs", "with photographs"]),
        ("photographs+n-hpatches", ["another", "with photographs", "with n-hpatches"]),
        ("n-hpatches", ["another", "with n-hpatches"]),
        ("my_hpatches", ["another"]),
    ],
)
def test_text_follows_the_dataset(home, name, said):
    body = (
        r"\whendata{photographs}{\typeout{says the photographs}}{\typeout{says another}}"
        r"\withdata{photographs}{\typeout{says with photographs}}"
        r"\withdata{hpatches}{\typeout{says with hpatches}}"
        r"\withdata{n-hpatches}{\typeout{says with n-hpatches}}nothing"
    )
    sources = write_small_report(home, body)
    numbers.write_numbers({"dataset.name": name})
    latex.build_pdf(sources, home / "report.pdf")
    log = (home / "build" / "report.log").read_text(errors="replace")
    assert re.findall(r"^says (.+)$", log, re.MULTILINE) == said


@needs_latex
def test_text_that_depends_on_an_unknown_result_stops_the_build(home):
    sources = write_small_report(home, r"\when{no.such}{yes}{a}{b}")
    with pytest.raises(InputError, match=r"no result 'no\.such'"):
        latex.build_pdf(sources, home / "report.pdf")


@needs_latex
def test_line_that_sticks_out_is_warned_of(home):
    sources = write_small_report(home, r"\noindent\rule{500pt}{1pt}")
    with pytest.warns(UserWarning, match="pt too wide"):
        latex.build_pdf(sources, home / "report.pdf")


def test_missing_figure_and_table_are_named(home, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    sources = write_small_report(home, r"\includegraphics[width=3in]{lost} \input{generated/gone}")
    with pytest.raises(InputError, match=r"needs .*gone\.tex, .*lost\.pdf: run the notebooks"):
        latex.build_pdf(sources, home / "report.pdf")


def test_figure_in_a_comment_is_not_needed(home, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(report, "_run_latex", lambda *_: pytest.fail("LaTeX was called"))
    sources = write_small_report(home, "% \\includegraphics{lost}\n\\includegraphics{found}")
    with pytest.raises(InputError) as caught:
        latex.build_pdf(sources, home / "report.pdf")
    assert "found.pdf" in str(caught.value) and "lost" not in str(caught.value)


def test_missing_latex_names_the_packages(home, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(InputError, match="apt-get install latexmk texlive-latex-recommended"):
        latex.build_pdf(target=home / "report.pdf")


def test_names_in_the_report_are_listed_without_comments(tmp_path):
    source = tmp_path / "report.tex"
    source.write_text("\\result{b.c} 5\\% \\result{a} % \\result{hidden}\n\\result{a}")
    assert latex.result_names(source) == ["a", "b.c"]


ABLATION = {
    "dataset": {"name": "made_up"}, "profile": "smoke", "budget": 0.5, "scenes": 2, "points": 100,
    "batches_for_statistics": 40,
    "provenance": {"device": "cpu"},
    "rows": {
        name: {**dict.fromkeys("VMRS", 0.5), "macs": 1_000_000}
        for name in numbers.ABLATED.values()
    },
}  # fmt: skip
TRIAL = {
    "number": 0,
    "macs": 10**7,
    "depth": 2,
    "width": 12,
    "learning_rate": 0.004,
    "validation_loss": 0.5,
}
DEPTH = {
    **{key: ABLATION[key] for key in ("dataset", "profile", "provenance", "scenes", "points")},
    "budget": 0.5, "points_per_scene": 50, "network": "resnet_descriptor", "steps": 90,
    "trials": 2, "pruned": 1,
    "best": {"value": 0.5, "values": {"depth": 2, "width": 12, "learning_rate": 0.004}},
    "rows": [TRIAL, TRIAL | {"validation_loss": None}],
}  # fmt: skip
TRAINING = {
    "epochs": 2.0, "steps": 10, "patches": 1000, "minutes": 1.0, "kept_step": 8,
    "stopped": "after 4 of 10 steps",
}  # fmt: skip
SEEDS = {
    **{key: ABLATION[key] for key in ("dataset", "profile", "provenance", "scenes", "points")},
    "rows": {
        "improved": [{"seed": seed, **scores(seed / 9)} for seed in (1, 2, 3)],
        numbers.EARLY_STOPPED: [{"seed": 1, **scores(0.5), "trainings": [TRAINING] * 2}],
    },
}
TAUGHT = {"run": "made-up", "dataset": {"name": "sequences"}, **TRAINING}
NETWORKS = ("baseline", numbers.EARLY_STOPPED, "improved", "pretrained")
GENUINE = {
    **{key: ABLATION[key] for key in ("profile", "provenance", "points")},
    "dataset": {"name": "sequences", "split": "a"}, "scenes": ["v_a", "i_b"],
    "macs": dict.fromkeys(NETWORKS, 17_900_000),
    "trained_on": dict.fromkeys(NETWORKS, TAUGHT),
    "rows": {name: scores(0.3) for name in numbers.ON_GENUINE.values()},
}  # fmt: skip
INFERENCE = {
    "batch": 512, "patches": 2048, "rounds": 7, "profile": "smoke", "baseline_by_improved": 3.21,
    "provenance": {"device": "cpu"},
    "rows": {
        name: {
            "milliseconds": 1.5, "low": 1, "high": 2, "macs": 115_081_216, "parameters": 9
        }
        for name in ("baseline, both", "improved, both")
    },
}  # fmt: skip
SPECTRUM = {name: {"low": 50.0, "middle": 20.0, "high": 9.0} for name in ("baseline", "improved")}
MEASURED = {
    "ablation": ABLATION, "depth": DEPTH, "seeds": SEEDS, "inference": INFERENCE,
    "genuine": GENUINE,
}  # fmt: skip


def test_of_measured_tables_the_text_gets_all_but_the_rows_and_what_stopped_early():
    found = numbers.measured_numbers(SEEDS)
    assert set(found) == SEEDS.keys() - {"rows"} | {"end"}
    assert found["end"]["descriptor"]["stopped"] == "after 4 of 10 steps"
    assert found["end"]["intervals"]["S"] == [0.49, 0.51]
    for table in (INFERENCE, DEPTH):
        rest = {key: value for key, value in table.items() if key != "rows"}
        assert numbers.measured_numbers(table) == rest


def test_what_latex_could_not_look_up_gets_a_short_name():
    assert list(numbers.measured_numbers(GENUINE)["trained_on"]) == [
        "baseline", "end", "improved", "pretrained",
    ]  # fmt: skip
    rows = {"RootSIFT of clean patches": 1, "another": 2}
    assert numbers.named_rows({"rows": rows}, numbers.ON_GENUINE) == {"root_sift_clean": 1}


def test_a_pipeline_is_timed_by_one_of_as_many_macs_alone(tmp_path):
    runs = {name: write_run(tmp_path / name) for name in RUNS}
    costs = numbers.pipeline_costs(runs, INFERENCE)
    assert costs["baseline"] == {
        "parameters": 119_554, "macs": 115_081_216, "minutes": 1.0, "milliseconds": 1.5,
    }  # fmt: skip
    edit(runs["improved-denoiser"] / "outcome.json", macs=5)
    assert numbers.pipeline_costs(runs, INFERENCE)["improved"]["milliseconds"] is None


def fill_home(home: Path) -> None:
    """Made-up results of every kind that report.tex asks for."""
    baseline, improved = scores(0.4), scores(0.6)
    runs = {name: write_run(home / "runs" / name) for name in RUNS}
    part = {"scenes": 2, "points": 100, "patches": 1600}
    dataset = {
        "name": "made_up",
        "split": "a",
        "parts": dict.fromkeys(("train", "validation", "test"), part),
    }
    dataset["lengths"] = {"v a/b": 100}
    errors = dict.fromkeys(("noisy", "baseline", "improved"), dict.fromkeys(("ref", *LEVELS), 9.0))
    provenance = {"profile": "smoke", "seed": 1, "versions": {"keras": "3"}}
    noise = dict.fromkeys(LEVELS, 30.0)
    numbers.write_numbers(
        numbers.collect_numbers(
            baseline, improved, runs,
            dataset=dataset, denoising=errors | {"points": 200}, noise=noise,
            provenance=provenance,
            search={
                "trials": 10, "best": 0.3, "base": 0.4, "budget": 0.5, "widths": ["12", "16"]
            },
            classical={"root_sift": {"noisy": baseline, "clean": improved}},
            **{name: numbers.measured_numbers(table) for name, table in MEASURED.items()},
            ablated=numbers.named_rows(ABLATION, numbers.ABLATED),
            on_genuine=numbers.named_rows(GENUINE, numbers.ON_GENUINE),
            spectrum=SPECTRUM,
            **{"improved-clean": improved},
        )
    )  # fmt: skip
    outcomes = {name: json.loads((run / "outcome.json").read_text()) for name, run in runs.items()}
    made = {
        "verification": tables.verification_table(baseline, improved),
        "retrieval": tables.retrieval_table(baseline, improved),
        "matching": tables.matching_table(baseline, improved),
        "summary": tables.summary_table(baseline, improved),
        "denoising": tables.denoising_table(errors),
        "networks": tables.networks_table(outcomes),
        "dataset": tables.dataset_table(dataset),
        "comparison": tables.comparison_table(
            {"baseline": baseline, "improved, of clean patches": improved},
            numbers.pipeline_costs(runs, INFERENCE),
        ),
        "ablation": tables.ablation_table(ABLATION),
        "depth": tables.search_table(DEPTH),
        "seeds": tables.seeds_table(SEEDS),
        "levels": tables.levels_table(SEEDS),
        "inference": tables.inference_table(INFERENCE),
        "genuine": tables.comparison_table(GENUINE["rows"]),
        "genuine-verification": tables.verification_table(baseline, improved),
        "genuine-retrieval": tables.retrieval_table(baseline, improved),
        "genuine-matching": tables.matching_table(baseline, improved),
        "provenance": tables.provenance_table(provenance),
    }
    for name, frame in made.items():
        tables.write_table(frame, name)
    text = (paths.REPORT_SOURCES / "report.tex").read_text()
    for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", text):
        Figure(figsize=(3.3, 1)).savefig(paths.FIGURES / f"{name}.pdf")


def write_run(folder: Path) -> Path:
    keys = ("batch", "epochs", "triplets", "patience", "validation_batches")
    settings = dict.fromkeys(keys, 50)
    outcome = {
        "trainable_parameters": 59777, "macs": 57_540_608, "epochs": 1.0, "minutes": 0.5,
        "patches_per_second": 400.0, "patches": 60_000,
        "stopped": "after the planned number of steps",
    }  # fmt: skip
    folder.mkdir(parents=True)
    settings |= {"learning_rate": 1, "redraw": True, "seed": 1, "joining": "frozen"}
    settings["network_options"] = {"width": 16, "dropout": 0.3}
    settings["loss_options"] = {"level_weights": [1, 1, 1]}
    dataset = {"name": "made_up", "fingerprint": "0123456789abcdef"}
    described = {"settings": settings, "dataset": dataset} | MACHINE
    (folder / "settings.json").write_text(json.dumps(described))
    (folder / "outcome.json").write_text(json.dumps(outcome))
    return folder


def test_provenance_is_that_of_the_runs_and_shows_where_they_differ(tmp_path):
    runs = {"one": write_run(tmp_path / "one"), "two": write_run(tmp_path / "two")}
    elsewhere = MACHINE | {"device": "gpu:0"}
    found = numbers.runs_provenance(runs, {"baseline": {"provenance": elsewhere}})
    assert found["dataset"] == "made_up" and found["seed"] == "1" and found["keras"] == "3.15"
    assert found["device"] == "cpu; gpu:0"


# --- no result is typed --------------------------------------------------------------------------


@pytest.fixture
def reported(home, monkeypatch):
    """Runs the cells of the report's notebook on made-up run folders, as often as it is called.

    What would need trained networks is replaced (pictures, hand-made descriptors, the search),
    and so is what is measured once; scores, outcomes and settings are read from the run folders as
    ever.
    """
    cells = jupytext.read(paths.NOTEBOOKS / "6_report.py").cells
    codes = [cell.source for cell in cells if cell.cell_type == "code"]
    stand_ins = {}
    for name in helpers_imported(codes) - {"files", "paths", "report", "settings", "tables"}:
        stand_ins[name] = MagicMock()
        monkeypatch.setattr(helpers, name, stand_ins[name], raising=False)
    runs = {name: write_run(home / "runs" / name) for name in RUNS}
    for approach, value in (("baseline", 0.4), ("improved", 0.6)):
        scored = scores(value) | {"provenance": MACHINE}
        files.write_json(runs[f"{approach}-descriptor"] / "scores.json", scored)
    part = {"scenes": 2, "points": 100, "patches": 1600}
    parts = dict.fromkeys(("train", "validation", "test"), part)
    store = MagicMock(fingerprint="0123456789abcdef", split="its own")
    store.summary.return_value = {"name": "photographs", "split": "its own", "parts": parts}
    evaluation, search = stand_ins["evaluation"], stand_ins["search"]
    evaluation.find_runs = lambda _profile, approach, *_: (
        runs[f"{approach}-denoiser"], runs[f"{approach}-descriptor"],
    )  # fmt: skip
    evaluation.score_run = lambda run, *_, **__: files.read_json(run / "scores.json")
    patches = np.zeros((2, 16, 4, 4), np.uint8)
    sample = (patches, dict.fromkeys(("noisy", "baseline", "improved"), patches))
    stand_ins["inspection"].denoise_sample.return_value = sample
    stand_ins["spectra"].by_band.return_value = SPECTRUM
    space = {"network_options.width": ["choice", [12, 16]]}
    files.write_json(home / "winner.json", {"searched": {"space": space, "budget": 0.5}})
    monkeypatch.setattr(paths, "MEASURED", home / "measured")
    for name, table in MEASURED.items():
        files.write_json(paths.MEASURED / f"{name}.json", table)
    search.with_winner = lambda profile, _: profile
    search.winner_path.return_value = home / "winner.json"
    search.summary.return_value = {"trials": 2, "best": 0.3, "base": 0.4}
    by_hand = ("RootSIFT", "RootSIFT of clean patches")
    stand_ins["classical"].score_rows.return_value = dict.fromkeys(by_hand, scores(0.5))
    monkeypatch.setattr("helpers.dataset.open_dataset", lambda *_, **__: store)
    monkeypatch.setattr("helpers.dataset.look_at_scene", lambda *_, **__: None)  # no images
    monkeypatch.setattr(report, "build_pdf", lambda: "no PDF")
    readme = home / "README.md"
    shutil.copy(paths.ROOT / "README.md", readme)

    def run() -> SimpleNamespace:
        namespace: dict = {}
        for code in codes:
            exec(code, namespace)
        readme.update_readme(readme)
        made = {path.stem: path.read_text() for path in paths.GENERATED.glob("*.tex")}
        text = expanded(latex._without_comments(paths.REPORT_SOURCES / "report.tex"))
        return SimpleNamespace(runs=runs, readme=readme.read_text(), text=text, **made)

    return run


def helpers_imported(codes: list[str]) -> set[str]:
    """The names that cells import from `helpers` itself."""
    found = (node for code in codes for node in ast.walk(ast.parse(code)))
    imports = [node for node in found if isinstance(node, ast.ImportFrom)]
    return {name.name for node in imports if node.module == "helpers" for name in node.names}


def expanded(text: str) -> str:
    r"""The text with what numbers.tex says in place of every \result{...}."""
    numbers = (paths.GENERATED / "numbers.tex").read_text()
    known = dict(re.findall(r"^\\@namedef\{result@(.+?)\}\{(.*)\}$", numbers, re.MULTILINE))
    return re.sub(r"\\result\{([^}#]+)\}", lambda name: known.get(name[1], name[0]), text)


def between(start: str, end: str, text: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def edit(path: Path, **values) -> None:
    files.write_json(path, files.read_json(path) | values)


def test_an_edited_score_reaches_the_text_the_tables_and_the_readme(reported):
    before = reported()
    assert not any("0.988" in text for text in vars(before).values() if isinstance(text, str))
    edit(before.runs["improved-descriptor"] / "scores.json", S=0.98765)
    after = reported()
    assert r"\@namedef{result@improved.S}{0.988}" in after.numbers
    assert r"\textbf{0.988}" in after.summary and "0.988" in after.comparison
    assert re.search(r"^\| improved .*0\.988", after.readme, re.MULTILINE)


def test_an_edited_score_is_read_in_the_abstract_and_in_the_results(reported):
    runs = reported().runs
    edit(runs["improved-descriptor"] / "scores.json", V=0.98765, S=0.91234)
    text = reported().text
    results = between(r"\section{Results}", r"\section", text)
    assert "0.988" in between(r"\begin{abstract}", r"\end{abstract}", text)
    assert "0.988" in results and "+0.512" in results  # 0.912 - 0.4: compare.difference.S


def test_the_notebook_writes_every_number_that_the_text_asks_for(reported):
    asked = re.findall(r"\\result\{([^}#]+)\}", reported().text)
    assert {name for name in asked if not name.startswith("matches.")} == set()  # no images here


def test_an_edited_outcome_reaches_the_text_the_tables_and_the_readme(reported):
    runs = reported().runs
    edit(runs["baseline-denoiser"] / "outcome.json", minutes=77.77, macs=123_400_000)
    after = reported()
    assert r"\@namedef{result@outcome.baseline-denoiser.minutes}{77.8}" in after.numbers
    assert re.search(r"^baseline-denoiser .*123\.4 .*77\.8", after.networks, re.MULTILINE)
    assert re.search(r"^\| baseline .* 180\.9 \|$", after.readme, re.MULTILINE)  # both networks


COUNT = (
    r"(?:\d[\d.,]*|an?|half(?: an?)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|fifteen|twenty|thirty|forty|fifty|sixty|a hundred)"
)
TYPED = [
    r"(?<![\w.])\d*\.\d+",  # decimals
    r"\d\s*(?:\\,|~)?\s*(?:\\?%|per ?cent)",  # shares
    # durations, but not "a second image"
    rf"\b(?!a\s+second\b){COUNT}[\s~-]+(?:milliseconds?|ms|seconds?|s|minutes?|min|hours?|days?)\b",
    rf"\b(?!an? ){COUNT}[\s~-]*(?:times|fold)\b",  # speed-ups
    r"\d\s*(?:×|x|\$\\times\$)(?!\w|\s*\d)",
    r"\b\d{1,3}(?:,\d{3})+\b|\b\d{3,}\b",  # counts
]
# Not results: what is defined, asked for or promised. Taken out before anything is looked for.
DEFINITIONS = [
    r"128\s+(?:numbers|outputs)|(?:B|K|points), 128\)",  # of a descriptor
    r"cut out 16 times",  # of a point
    r"0\.\.255|\[0, 255\]",  # grey levels
    r"95(?:\\,|\s)+\\?%",  # of an interval
    r"pools of 100 to 20,000",  # of the benchmark
    r"(?:original\s+coursework|original coursework's epoch)[\w\s]*100,000(?:\s+triplets)?",
    r"all\s+116 sequences",  # of HPatches
    r"\b(?:19|20)\d\d\b|Python 3\.\d+(?: to 3\.\d+)?|4\.1 GB|100MB",  # years, versions, sizes
    r'width="\d+"',  # of a picture
    r"at most 200 steps",  # tests/test_readme.py compares it with training.CHECKPOINT_STEPS
    r"^\| `(?:smoke|coursework|long|full)`.*$|about 45 minutes",  # the same, with the profiles
    r"^\| (?!needs).*\bminutes?\b[\w ]* on two CPU cores \|$|^\| .*under a minute \|$",  # "takes"
    r"waits three\s+minutes",  # until a trial counts as lost
    r'\["log", 0\.001, 0\.01\]',  # an example of a search space
]


def typed_results(text: str) -> list[str]:
    """All that looks like the outcome of a measurement, with a few words around it."""
    text = re.sub(r"\\(?:result|when|includegraphics)(?:\[[^]]*\])?\{[^}]*\}", "", text)
    text = re.sub(r"(?<![\w.])\d*\.?\d+(?:pt|in|em)\b|\]\([^)]*\)|https?://\S+", "", text)
    for definition in DEFINITIONS:
        text = re.sub(definition, "", text, flags=re.MULTILINE)
    found = (match for typed in TYPED for match in re.finditer(typed, text))
    return [text[max(0, match.start() - 30) : match.end() + 20] for match in found]


@pytest.mark.parametrize(
    "sentence",
    [
        "S rises to .74", "S of 0.743", "12 % better", r"by 12\,\% of it", "in 40 minutes",
        "takes 3.5 s", "trained for twenty minutes", "half an hour", "within an hour", "8x faster",
        r"is 3$\times$ as fast", "five times faster", "tenfold", "2,718 points", "5109 points",
        "| improved | 0.868 |",
    ],
)  # fmt: skip
def test_a_typed_result_is_found(sentence):
    assert typed_results(f"The improved approach {sentence}.")


@pytest.mark.parametrize(
    "sentence",
    [
        r"reaches \result{improved.S} on 32$\times$32 pixels", "128 numbers", r"95\,\% bootstrap",
        "grey levels 0..255", "an epoch of three levels", r"\setlength{\tabcolsep}{3.2pt}",
    ],
)  # fmt: skip
def test_a_definition_is_not_taken_for_a_result(sentence):
    assert typed_results(f"The improved approach {sentence}.") == []


def test_the_report_contains_no_typed_result():
    text = latex._without_comments(paths.REPORT_SOURCES / "report.tex")
    assert typed_results(text[text.index(r"\begin{document}") :]) == []


@pytest.mark.parametrize("page", ["README.md", "helpers/EXTENDING.md"])
def test_pages_contain_no_typed_result(page):
    text = readme.README_BLOCK.sub("", (paths.ROOT / page).read_text(encoding="utf-8"))
    code = re.compile(r"^```python$.*?^```$", re.DOTALL | re.MULTILINE)  # examples, no results
    assert typed_results(code.sub("", text)) == []


@pytest.mark.parametrize("source", execute.sources(), ids=lambda path: path.stem)
def test_the_text_of_a_notebook_contains_no_typed_result(source):
    cells = jupytext.read(source).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert typed_results(text) == []


def test_recipes_of_joined_datasets_become_numbers_one_by_one(tmp_path):
    recipe = {"joined": [{"seed": 1, "sigma": {"easy": 25.5}}, {"seed": 2}]}
    flat = numbers.flatten({"recipe": recipe})
    assert flat == {
        "recipe.joined.0.seed": 1,
        "recipe.joined.0.sigma.easy": 25.5,
        "recipe.joined.1.seed": 2,
    }
    numbers.write_numbers(flat, tmp_path / "numbers.tex")
