"""The command line as a user types it, in the smoke profile and a folder of its own.

One run of `report` executes every notebook; the tests after it look at what it left.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers.__main__ import _absolute, main
from helpers.benchmark.layout import STRIPS
from helpers.common import paths
from helpers.notebook import execute

NOTEBOOKS = ("1_dataset", "2_baseline", "3_search", "4_improved", "5_evaluation", "6_report")


def run(home, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        cwd=paths.ROOT,
        env={**os.environ, "NHPATCHES_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    done = run(folder, "report", "--profile", "smoke")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_report_says_at_the_start_how_long_it_will_take(home):
    assert "about three minutes" in (home / "stdout").read_text().splitlines()[0]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_report_leaves_each_notebook_executed_and_as_html(home, name):
    assert (home / "runs" / "notebooks" / f"{name}.ipynb").is_file()
    assert "<html" in (home / "runs" / "notebooks" / f"{name}.html").read_text()[:500]


def test_report_writes_figures_tables_and_numbers(home):
    for name in ("strips", "noise", "denoising", "denoiser-losses", "descriptor-losses"):
        assert (home / "figures" / f"{name}.pdf").is_file()
    for name in ("verification", "retrieval", "matching", "networks", "numbers"):
        assert (home / "report" / "generated" / f"{name}.tex").is_file()


@pytest.mark.skipif(not shutil.which("latexmk"), reason="LaTeX is not installed")
def test_report_builds_the_pdf_without_undefined_references(home):
    assert (home / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    log = (home / "report" / "build" / "report.log").read_text(errors="replace")
    assert "undefined" not in log


def test_figures_are_all_drawn_again_and_nothing_is_trained_or_searched(home):
    def found():
        drawn = {path.name: path.stat().st_mtime_ns for path in (home / "figures").iterdir()}
        return drawn, {path.name for path in home.glob("runs/*") if path.is_dir()}

    (drawn, runs), numbers = found(), home / "report" / "generated" / "numbers.json"
    numbers.unlink()
    done = run(home, "figures", "--profile", "smoke")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    again, runs_after = found()
    assert again.keys() == drawn.keys() and all(again[name] > drawn[name] for name in drawn)
    assert runs_after == runs and numbers.is_file()


def test_figures_of_a_report_that_was_not_made_are_refused(home, tmp_path):
    done = run(tmp_path, "figures", "--profile", "smoke", NHPATCHES_DATA=str(home / "data"))
    assert done.returncode == 2 and not (tmp_path / "figures").exists()
    assert re.search(r"smoke-\w+\.json is missing: run `make report` with the same", done.stderr)


def test_a_second_report_redoes_nothing(home):
    again = run(home, "report", "--profile", "smoke")
    assert again.returncode == 0 and again.stdout.count("nothing changed, kept") == len(NOTEBOOKS)


@pytest.fixture(scope="module")
def descriptor_run(home):
    (scored,) = (home / "runs").glob("improved-descriptor-*/scores.json")  # trials have none
    return scored.parent


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_describe_and_score_give_what_the_notebook_got(home, descriptor_run, kind):
    options = ("--profile", "smoke")
    target = home / f"descriptors-{kind}"
    done = run(
        home, "describe", "--run", descriptor_run, "--output", target, "--format", kind, *options
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if kind == "npy":
        array = np.load(sorted(target.glob("*.npy"))[0])
        assert array.ndim == 3 and array.shape[0] == 16 and array.shape[2] == 128
    done = run(home, "score", target, "--json", home / f"{kind}.json", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((home / f"{kind}.json").read_text())
    expected = json.loads((descriptor_run / "scores.json").read_text())
    for key in "VMRS":
        assert found[key] == pytest.approx(expected[key], abs=1e-6 if kind == "npy" else 5e-3)


def test_the_pretrained_descriptor_scores_a_dataset_without_any_training(home):
    options = ("--profile", "smoke")
    target = home / "pretrained-descriptors"
    done = run(home, "describe", "--run", "pretrained", "--output", target, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    done = run(home, "score", target, "--json", home / "pretrained.json", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((home / "pretrained.json").read_text())["V"] > 0.7  # untrained ones have .3


def test_the_improved_notebook_takes_the_pretrained_networks_and_trains_none(
    home, tmp_path, monkeypatch
):
    for name in ("NHPATCHES_HOME", "NHPATCHES_DATA"):  # what notebooks are told; restored after
        monkeypatch.setenv(name, "")
    places = {"HOME": "", "RUNS": "runs", "EXECUTED": "runs/notebooks", "FIGURES": "figures"}
    for name, place in places.items():
        monkeypatch.setattr(paths, name, tmp_path / place)
    monkeypatch.setattr(paths, "DATA", home / "data")
    (made,) = execute.execute_all({"PROFILE": "smoke", "PRETRAINED": True}, only="4")
    kinds = {run.name.split("-")[0] for run in (tmp_path / "runs").glob("[!.]*")}
    assert made.is_file() and kinds == {"pretrained", "notebooks"}


def test_the_search_of_the_profile_is_the_one_that_the_report_made(home):
    (winner,) = (home / "runs" / "search").glob("smoke-*.json")
    before = winner.read_text()
    done = run(home, "search", "--profile", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(winner) in done.stdout
    assert json.loads(winner.read_text())["changed"] == json.loads(before)["changed"]


def test_search_tries_settings_and_writes_the_winner(home):
    space, winner = home / "space.json", home / "winner.json"
    space.write_text('{"learning_rate": ["log", 0.001, 0.01]}')
    options = ("--profile", "smoke", "--part", "denoiser", "--trials", 2, "--winner", winner)
    storage = f"sqlite:///{home}/studies.db"
    done = run(home, "search", "small", "--space", space, "--storage", storage, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 of 2 trials finished" in done.stdout
    found = json.loads(winner.read_text())
    assert 0.001 <= found["settings"]["learning_rate"] <= 0.01 and found["provenance"]["device"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("dataset", "--profile", "huge"), "There is no profile 'huge': choose one of smoke"),
        (("dataset", "--dataset", "paintings"), "'paintings' is no dataset"),
        (("dataset", "--dataset", "n-hpatches:nowhere"), "nowhere"),
        (("dataset", "--split", "a"), "The photographs have one fixed split"),
        (("train", "improved", "--scenes", "v_coffee"), "The photographs have one fixed split"),
        (("report", "--split", "nowhere.json"), "The photographs have one fixed split"),
        (("dataset", "fetch", "imagenet"), "'imagenet' cannot be fetched: choose from"),
        (("dataset", "write"), "dataset write needs a name"),
        (
            ("search", "x", "--space", "no.json", "--storage", "sqlite:///x", "--trials", "1"),
            "no.json is missing",
        ),
        (("describe", "--run", "nowhere", "--output", "x"), "nowhere is missing: name the run"),
        (("search", "x"), "A search with a name needs --space, --storage and --trials"),
        (("search", "--trials", "5"), "A search of your own space needs a name"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_status_2(tmp_path, arguments, sentence):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_dataset_says_what_is_in_it(home):
    done = run(home, "dataset", "--profile", "smoke")
    assert done.returncode == 0 and "noise tough: sigma" in done.stdout


def test_a_written_dataset_can_be_opened_again(home):
    folder = home / "strips"
    assert run(home, "dataset", "write", folder, "--profile", "smoke").returncode == 0
    done = run(home, "dataset", "--profile", "smoke", "--dataset", f"n-hpatches:{folder}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "18 scenes, 720 points, 11520 patches" in done.stdout
    options = ("--split", home / "mine.json", "--scenes", "i_coffee,i_text", "--verify")
    (home / "mine.json").write_text('{"train": ["i_text"], "test": ["i_coffee", "i_page"]}')
    done = run(home, "dataset", "--profile", "smoke", "--dataset", f"n-hpatches:{folder}", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "n-hpatches, split mine.json, 2 chosen scenes" in done.stdout
    assert "2 scenes, 80 points" in done.stdout
    assert "Every patch is as it was built." in done.stdout


@pytest.mark.parametrize("command", ["dataset", "train", "describe", "score", "report", "figures"])
def test_every_command_that_opens_a_dataset_takes_split_and_scenes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "--split" in text and "--scenes" in text


def test_report_hands_split_and_scenes_to_the_notebooks(tmp_path, monkeypatch):
    handed = {}
    monkeypatch.setattr(notebooks, "execute_all", lambda values, data_key: handed.update(values))
    monkeypatch.setattr(report, "missing_tools", lambda: "no LaTeX")
    for scene in ("i_text", "v_chelsea"):  # only their names are looked at
        (tmp_path / "strips" / scene).mkdir(parents=True)
        for strip in (f"{name}{end}" for name in STRIPS for end in ("", "_noise")):
            (tmp_path / "strips" / scene / f"{strip}.png").touch()
    (tmp_path / "mine.json").write_text('{"train": ["i_text"], "test": ["v_chelsea"]}')
    monkeypatch.chdir(tmp_path)
    options = ["--dataset", "n-hpatches:strips", "--split", "mine.json", "--scenes", ""]
    assert main(["report", *options]) == 0
    assert handed["SPLIT"] == str(tmp_path / "mine.json") and handed["SCENES"] is None
    assert handed["DATASET"] == f"n-hpatches:{tmp_path / 'strips'}"
    assert main(["report", *options[:-1], "i_text,v_chelsea"]) == 0
    assert handed["SCENES"] == "i_text,v_chelsea"


@pytest.mark.parametrize("target", ["report", "figures"])
def test_make_passes_profile_split_and_scenes(target):
    given = ["PROFILE=smoke", "SPLIT=view", "SCENES=v_boat,v_bark"]
    command = ["make", "--dry-run", target, *given]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert f"helpers {target} --profile 'smoke'" in done.stdout
    assert "--split 'view' --scenes 'v_boat,v_bark'" in done.stdout


def test_without_latex_the_last_line_says_what_to_install_and_with_it_the_pdf_is_made(home):
    empty = home / "no-programs"
    empty.mkdir()
    pdf = home / "report" / "report.pdf"
    pdf.unlink(missing_ok=True)
    done = run(home, "report", "--profile", "smoke", PATH=str(empty))
    assert done.returncode == 0 and not pdf.exists()
    assert done.stdout.splitlines()[-1].startswith("The PDF needs latexmk")
    assert "apt-get install latexmk" in done.stdout.splitlines()[-1]
    if shutil.which("latexmk"):
        pdf.write_bytes(b"from an earlier run")  # as the one that comes with the checkout
        os.utime(pdf, (0, 0))
        assert run(home, "report", "--profile", "smoke").returncode == 0
        assert pdf.read_bytes().startswith(b"%PDF")


def test_each_path_of_a_joined_dataset_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _absolute("photographs+sequences:a+n-hpatches:b") == (
        f"photographs+sequences:{tmp_path}/a+n-hpatches:{tmp_path}/b"
    )


def test_options_of_a_search_of_ones_own_need_its_name(capsys):
    assert main(["search", "--approach", "baseline"]) == 2
    assert "takes no --approach" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(home, tmp_path):
    (place := tmp_path / "file").touch()
    asked = ("describe", "--run", "pretrained", "--output", place, "--profile", "smoke")
    done = run(home, *asked)
    assert done.returncode == 2 and f"error: {place}" in done.stderr.splitlines()[-1]
