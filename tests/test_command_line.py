"""The command line as a user types it, in the smoke profile and a folder of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace

import jupytext
import numpy as np
import pytest

from helpers import settings
from helpers.__main__ import _absolute, _absolute_split, _trainings, main
from helpers.benchmark.layout import STRIPS
from helpers.common import paths
from helpers.dataset.layout import PARTS
from helpers.notebook import execute
from helpers.report import latex

NOTEBOOKS = ("1_dataset", "2_baseline", "3_search", "4_improved", "5_evaluation", "6_report")
SMOKE = ("--profile", "smoke")


@pytest.fixture
def call(capsys):
    """Runs a command in this process: exit status, what it printed, what it complained of."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def home(smoke_home, at_home):
    """The home that all tests share, to look at."""
    return at_home(smoke_home)


@pytest.fixture
def new_home(at_home, tmp_path):
    """A home in which nothing was made yet."""
    return at_home(tmp_path)


# --- a process of its own ------------------------------------------------------------------------


def start(*arguments):
    command = [sys.executable, "-m", "helpers", *arguments]
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=300)


def test_help_names_every_command():
    done = start("--help")
    assert done.returncode == 0
    for name in ("dataset", "train", "search", "describe", "score", "report", "figures"):
        assert re.search(rf"^ +{name} ", done.stdout, re.MULTILINE), name


def test_an_error_ends_the_process_with_status_2_and_no_stack_trace():
    done = start("dataset", "--profile", "huge")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_a_training_with_one_line_and_the_same_command_goes_on(new_home):
    command = [sys.executable, "-m", "helpers", "train", "baseline", *SMOKE]
    told = {"cwd": paths.ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **told) as training:
        while "parameters" not in training.stdout.readline():
            pass
        training.send_signal(signal.SIGINT)
        _, complaint = training.communicate(timeout=120)
    assert training.returncode == 130 and "Traceback" not in complaint
    assert complaint.splitlines()[-1].startswith("interrupted: the same command again goes on")
    assert list(paths.RUNS.glob("*.unfinished"))


# --- the report, made once for all tests ---------------------------------------------------------


def test_report_says_at_the_start_how_long_it_will_take(smoke_home):
    assert "about three minutes" in (smoke_home / "stdout").read_text().splitlines()[0]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_report_leaves_each_notebook_executed_and_as_html(smoke_home, name):
    assert (smoke_home / "runs" / "notebooks" / f"{name}.ipynb").is_file()
    page = (smoke_home / "runs" / "notebooks" / f"{name}.html").read_text()
    assert "<html" in page[:500]


def test_report_writes_figures_tables_and_numbers(smoke_home):
    for name in ("strips", "noise", "denoising", "denoiser-losses", "descriptor-losses"):
        assert (smoke_home / "figures" / f"{name}.pdf").is_file()
    for name in ("verification", "retrieval", "matching", "networks", "numbers"):
        assert (smoke_home / "report" / "generated" / f"{name}.tex").is_file()


def test_report_trains_each_network_once(smoke_home):
    said = (smoke_home / "stdout").read_text()
    for name in ("baseline-denoiser", "baseline-descriptor", "improved-denoiser"):
        assert len(re.findall(rf"^{name}: .* parameters", said, re.MULTILINE)) == 1
    assert re.search(r"^improved-denoiser-\w+: trained already, loaded", said, re.MULTILINE)


@pytest.mark.latex
@pytest.mark.skipif(not shutil.which("latexmk"), reason="LaTeX is not installed")
def test_report_builds_the_pdf_without_undefined_references(smoke_home):
    assert (smoke_home / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    log = (smoke_home / "report" / "build" / "report.log").read_text(errors="replace")
    assert "undefined" not in log


def test_a_second_report_redoes_nothing(home, call):
    status, said, _ = call("report", *SMOKE)
    assert status == 0 and said.count("nothing changed, kept") == len(NOTEBOOKS)


@pytest.mark.latex
@pytest.mark.skipif(not shutil.which("latexmk"), reason="LaTeX is not installed")
def test_a_pdf_that_came_with_the_checkout_is_made_anew(copied_home, call):
    pdf = copied_home / "report" / "report.pdf"
    pdf.write_bytes(b"from an earlier run")
    os.utime(pdf, (0, 0))
    assert call("report", *SMOKE)[0] == 0
    assert pdf.read_bytes().startswith(b"%PDF")


def test_without_latex_the_last_line_says_what_to_install(copied_home, call, monkeypatch, tmp_path):
    pdf = copied_home / "report" / "report.pdf"
    pdf.unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said, _ = call("report", *SMOKE)
    assert status == 0 and not pdf.exists()
    assert said.splitlines()[-1].startswith("The PDF needs latexmk")


def test_figures_executes_what_draws_although_nothing_changed(copied_home, call, monkeypatch):
    executed = []
    monkeypatch.setattr(execute, "_execute", lambda source, *_: executed.append(source.stem))
    assert call("figures", *SMOKE)[0] == 0
    assert tuple(executed) == execute.that_draw()


@pytest.mark.deep
def test_figures_are_all_drawn_again_and_nothing_is_trained_or_searched(copied_home, call):
    def found():
        drawn = {path.name: path.stat().st_mtime_ns for path in copied_home.glob("figures/*")}
        return drawn, {path.name for path in copied_home.glob("runs/*") if path.is_dir()}

    (drawn, runs), numbers = found(), copied_home / "report" / "generated" / "numbers.json"
    numbers.unlink()
    status, said, complaint = call("figures", *SMOKE)
    assert status == 0, said[-3000:] + complaint[-3000:]
    again, runs_after = found()
    assert again.keys() == drawn.keys() and all(again[name] > drawn[name] for name in drawn)
    assert runs_after == runs and numbers.is_file()


def test_figures_without_one_of_the_runs_are_refused(copied_home, call):
    run = next(copied_home.glob("runs/improved-descriptor-*"))
    run.rename(run.with_name("elsewhere"))
    status, _, complaint = call("figures", *SMOKE)
    assert status == 2
    assert f"{run} is missing: run `make report` with the same options first." in complaint


@pytest.mark.deep
def test_the_cure_for_a_missing_run_and_winner_works(copied_home, call):
    shutil.rmtree(next(copied_home.glob("runs/improved-descriptor-*")))
    for found in copied_home.glob("runs/search/smoke-*"):
        found.unlink()
    assert call("figures", *SMOKE)[0] == 2
    assert call("report", *SMOKE)[0] == 0
    assert call("figures", *SMOKE)[0] == 0


@pytest.mark.parametrize("place", ["search/smoke-*.json", "improved-descriptor-*/scores*.json"])
def test_a_report_without_its_winner_or_scores_is_not_kept(copied_home, call, monkeypatch, place):
    executed = []
    monkeypatch.setattr(execute, "_execute", lambda source, *_: executed.append(source.stem))
    for found in copied_home.glob(f"runs/{place}"):
        found.unlink()
    assert call("report", *SMOKE)[0] == 0
    assert tuple(executed) == NOTEBOOKS


def test_a_report_of_damaged_patches_is_not_kept(copied_home, call, monkeypatch, tmp_path):
    data = shutil.copytree(paths.DATA, tmp_path / "data")
    monkeypatch.setattr(paths, "DATA", data)
    patches = next(data.glob("photographs-*/noisy.npy"))
    patches.write_bytes(patches.read_bytes()[:-1] + b"x")
    status, said, complaint = call("report", *SMOKE)
    assert status == 2 and "has changed in" in complaint and "kept" not in said


def test_figures_of_a_report_that_was_not_made_are_refused(new_home, call):
    status, _, complaint = call("figures", *SMOKE)
    assert status == 2 and not (new_home / "figures").exists()
    assert re.search(r"smoke-\w+\.json is missing: run `make report` with the same", complaint)


def test_report_hands_split_and_scenes_to_the_notebooks(new_home, call, monkeypatch):
    handed = {}
    monkeypatch.setattr(execute, "execute_all", lambda values, **_: handed.update(values))
    monkeypatch.setattr(latex, "missing_tools", lambda: "no LaTeX")
    assert call("dataset", "write", new_home / "strips", *SMOKE)[0] == 0
    names = sorted(path.name for path in (new_home / "strips").iterdir() if path.is_dir())
    parts = {"train": names[:2], "validation": names[2:4], "test": names[4:6]}
    (new_home / "mine.json").write_text(json.dumps(parts))
    monkeypatch.setattr(paths, "DATA", new_home / "data")
    monkeypatch.chdir(new_home)
    options = ["--dataset", "n-hpatches:strips", "--split", "mine.json", *SMOKE, "--scenes", ""]
    status, _, complaint = call("report", *options)
    assert status == 0, complaint
    assert handed["SPLIT"] == str(new_home / "mine.json") and handed["SCENES"] is None
    assert handed["DATASET"] == f"n-hpatches:{new_home / 'strips'}"
    assert call("report", *options[:-1], ",".join(names[:6]))[0] == 0
    assert handed["SCENES"] == ",".join(names[:6])


def test_the_improved_notebook_takes_the_pretrained_networks_and_trains_none(new_home):
    cells = jupytext.read(paths.NOTEBOOKS / "4_improved.py").cells
    names = {}
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"PROFILE": "smoke", "PRETRAINED": True}
    kinds = {run.name.split("-")[0] for run in (new_home / "runs").glob("[!.]*")}
    assert kinds == {"pretrained"} and names["descriptor_run"].parent == new_home / "runs"


# --- networks, descriptors, scores ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", pytest.param("csv", marks=pytest.mark.deep)])
def test_describe_and_score_give_what_the_notebook_got(home, call, tmp_path, kind):
    found = (home / "runs").glob("improved-descriptor-*/scores-*.json")  # trials have none
    (scored,) = (path for path in found if '"patches": "noisy"' in path.read_text())
    target, options = tmp_path / "descriptors", ("--format", kind, *SMOKE)
    status, _, complaint = call("describe", "--run", scored.parent, "--output", target, *options)
    assert status == 0, complaint
    if kind == "npy":
        array = np.load(sorted(target.glob("*.npy"))[0])
        assert array.ndim == 3 and array.shape[0] == 16 and array.shape[2] == 128
    assert call("score", target, "--json", tmp_path / "scores.json", *SMOKE)[0] == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    expected = json.loads(scored.read_text())
    for key in "VMRS":
        assert found[key] == pytest.approx(expected[key], abs=1e-6 if kind == "npy" else 5e-3)


def test_the_pretrained_descriptor_scores_a_dataset_without_any_training(new_home, call):
    target = new_home / "descriptors"
    part = ("--part", "test", *SMOKE)
    assert call("describe", "--run", "pretrained", "--output", target, *part)[0] == 0
    assert call("score", target, "--json", new_home / "scores.json", *SMOKE)[0] == 0
    scores = json.loads((new_home / "scores.json").read_text())
    assert scores["V"] > 0.7  # untrained ones have .3


def test_a_place_that_cannot_be_written_is_named(new_home, call):
    (place := new_home / "file").touch()
    asked = ("--run", "pretrained", "--output", place, "--part", "validation")
    status, _, complaint = call("describe", *asked, *SMOKE)
    assert status == 2 and f"error: {place}" in complaint.splitlines()[-1]


# --- searches ------------------------------------------------------------------------------------


def test_the_search_of_the_profile_is_the_one_that_the_report_made(copied_home, call):
    (winner,) = (copied_home / "runs" / "search").glob("smoke-*.json")
    before = json.loads(winner.read_text())
    status, said, _ = call("search", *SMOKE)
    assert status == 0 and str(winner) in said
    assert json.loads(winner.read_text())["changed"] == before["changed"]


def test_search_tries_settings_and_writes_the_winner(new_home, call):
    space, winner = new_home / "space.json", new_home / "winner.json"
    space.write_text('{"learning_rate": ["log", 0.001, 0.01]}')
    asked = ("--approach", "baseline", "--role", "denoiser", "--trials", 2, "--winner", winner)
    storage = ("--space", space, "--storage", f"sqlite:///{new_home}/studies.db")
    status, said, complaint = call("search", "small", *storage, *asked, *SMOKE)
    assert status == 0, complaint
    assert "2 of 2 trials finished" in said
    found = json.loads(winner.read_text())
    rate = found["settings"]["learning_rate"]
    assert 0.001 <= rate <= 0.01 and found["provenance"]["device"]

    given = replace(settings.SMOKE.baseline_denoiser, learning_rate=rate)
    options = Namespace(approach="baseline", settings=winner)
    assert _trainings(settings.SMOKE, options)[0] == given
    asked = ("--approach", "baseline", "--role", "denoiser", "--trials", 1, "--settings", winner)
    status, said, complaint = call("search", "from there", *storage, *asked, *SMOKE)
    assert status == 0, complaint
    assert f"trial 0: {{'learning_rate': {rate}}}" in said


def test_a_broken_space_blocks_no_name(new_home, call):
    space = new_home / "space.json"
    asked = ("--role", "denoiser", "--trials", 1, "--budget", 0.1, "--space", space, *SMOKE)
    for broken in ('{"validations": ["integer", -1, 3]}', '{"part": ["choice", ["../x"]]}', "{"):
        space.write_text(broken)
        status, _, complaint = call(
            "search", "mine", "--storage", f"sqlite:///{new_home}/x", *asked
        )
        assert status == 2 and len(complaint.splitlines()) == 1 and "delete" not in complaint
    assert not (new_home / "x").exists()


@pytest.mark.parametrize("odd", [("--measure", "nonsense"), ("--budget", "2")])
def test_a_search_that_cannot_be_trains_no_denoiser(new_home, call, odd):
    space = new_home / "space.json"
    space.write_text('{"learning_rate": ["log", 0.001, 0.01]}')
    asked = ("--space", space, "--storage", f"sqlite:///{new_home}/x.db", "--trials", 1)
    status, _, complaint = call("search", "mine", *asked, *odd, *SMOKE)
    assert status == 2 and odd[1] in complaint and len(complaint.splitlines()) == 1
    assert not (new_home / "runs").exists() and not (new_home / "x.db").exists()


@pytest.mark.parametrize("name", ["--role", "--part"])
def test_options_of_a_search_of_ones_own_need_its_name(call, name):
    status, _, complaint = call("search", "--approach", "baseline", name, "denoiser")
    assert status == 2 and "takes no --approach, --role: see search" in complaint


# --- datasets and input --------------------------------------------------------------------------


def test_dataset_says_what_is_in_it(new_home, call):
    status, said, _ = call("dataset", *SMOKE)
    assert status == 0 and "noise tough: sigma" in said
    assert "18 scenes, 720 points" in call("dataset", "list")[1]


TOO_FEW = {  # what is refused: how many scenes a, b, c ... each part has
    "train improved": {"validation": "a", "test": "b"},
    "search": {"train": "a", "validation": "b", "test": "cd"},
    "report": {"train": "a", "validation": "bc", "test": "d"},
}


@pytest.mark.parametrize(("command", "part"), [*zip(TOO_FEW, PARTS, strict=True)])
def test_too_few_scenes_are_refused_before_anything_is_built(command, part, new_home, call):
    for scene in "abcd":
        (new_home / "strips" / scene).mkdir(parents=True)
        for strip in STRIPS:
            (new_home / "strips" / scene / f"{strip}.png").touch()
    split = new_home / "mine.json"
    split.write_text(json.dumps({name: list(scenes) for name, scenes in TOO_FEW[command].items()}))
    asked = ("--dataset", f"hpatches:{new_home / 'strips'}", "--split", split, *SMOKE)
    status, _, complaint = call(*command.split(), *asked)
    assert status == 2 and f"The {part} part of split mine.json" in complaint


def test_a_written_dataset_can_be_opened_again(new_home, call, monkeypatch):
    folder, mine = new_home / "strips", new_home / "mine.json"
    assert call("dataset", "write", folder, *SMOKE)[0] == 0
    monkeypatch.setattr(paths, "DATA", new_home / "data")
    written = ("dataset", "--dataset", f"n-hpatches:{folder}", *SMOKE)
    assert "18 scenes, 720 points, 11520 patches" in call(*written)[1]
    mine.write_text('{"train": ["i_text"], "test": ["i_coffee", "i_page"]}')
    _, said, _ = call(*written, "--split", mine, "--scenes", "i_coffee,i_text", "--verify")
    assert "n-hpatches, split mine.json, 2 chosen scenes" in said
    assert "2 scenes, 80 points" in said
    assert "Every patch is as it was built." in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("dataset --profile huge", "There is no profile 'huge': choose one of smoke"),
        ("dataset --dataset paintings", "'paintings' is no dataset"),
        ("dataset --dataset n-hpatches:nowhere", "nowhere"),
        ("dataset --split a", "The photographs have one fixed split"),
        ("train improved --scenes v_coffee", "The photographs have one fixed split"),
        ("report --split nowhere.json", "The photographs have one fixed split"),
        ("dataset fetch imagenet", "'imagenet' cannot be fetched: choose from"),
        ("dataset write", "dataset write needs a name"),
        ("dataset --dataset sequences:~nosuchuser/x", "nosuchuser/x does not exist"),
        ("search x --space no.json --storage sqlite:///x --trials 1", "no.json is missing"),
        ("describe --run nowhere --output x", "nowhere is missing: name the run"),
        ("search x", "A search with a name needs --space, --storage and --trials"),
        ("search --trials 5", "A search of your own space needs a name"),
        ("search --settings best.json", "takes no --settings"),
        ("train improved --settings no.json --profile smoke", "no.json is missing"),
        ("train better --profile smoke", "has no approach 'better': choose one of baseline"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_status_2(call, arguments, sentence):
    status, _, complaint = call(*arguments.split())
    assert status == 2
    assert sentence in complaint and complaint.startswith("error: ")


@pytest.mark.parametrize(
    "command", ["dataset", "train", "describe", "score", "search", "report", "figures"]
)
def test_every_command_that_opens_a_dataset_takes_split_and_scenes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "--split" in text and "--scenes" in text


def test_each_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _absolute("photographs+sequences:a+n-hpatches:b") == (
        f"photographs+sequences:{tmp_path}/a+n-hpatches:{tmp_path}/b"
    )
    assert [_absolute_split(name) for name in ("a", "x.json")] == ["a", f"{tmp_path}/x.json"]
