"""The command line, as a stranger would type it."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from helpers import benchmark
from helpers.benchmark.__main__ import main
from helpers.benchmark.files import write_descriptors

LENGTHS = {"v_one": 30, "i_two": 20, "v_three": 40}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two descriptors and a folder of lists for them."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    base = {name: rng.standard_normal((1, n, 8)) for name, n in LENGTHS.items()}
    for file, noise in (("good", 0.5), ("bad", 2.0)):
        views = {k: b + noise * rng.standard_normal((16, *b.shape[1:])) for k, b in base.items()}
        write_descriptors({k: np.float32(v) for k, v in views.items()}, folder / file, "npy")
    tasks = benchmark.generate_tasks(LENGTHS, split="mine", pairs=200)
    benchmark.write_tasks(tasks, folder / "tasks")
    split = {"mine": {"test": [*list(LENGTHS)[1:], "v_one"], "train": ["v_one"]}}
    (folder / "tasks" / "splits.json").write_text(json.dumps(split))
    return folder


def run(place, *more):
    options = ["--split", "mine", "--tasks", str(place / "tasks"), "--pools", "10", "50", "100"]
    return main([str(place / "good"), *options, *more])


def test_tables_of_every_task_are_printed(place, capsys):
    assert run(place) == 0
    printed = capsys.readouterr().out
    for part in ("Balanced variant (auc)", "Imbalanced variant (ap)", "matching", "retrieval"):
        assert part in printed
    assert "pool larger than the 60 distractors" in printed


def test_several_descriptors_give_a_comparison_best_first(place, capsys):
    files = [str(place / "bad"), str(place / "good")]
    assert main([*files, "--split", "found", "--pairs", "200", "--pools", "20"]) == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["good", "bad"]


def test_json_and_plots_are_written(place, tmp_path):
    assert run(place, "--json", str(tmp_path / "x.json"), "--plots", str(tmp_path / "plots")) == 0
    content = json.loads((tmp_path / "x.json").read_text())
    assert content["good"]["retrieval"]["easy"]["100"] is None
    names = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert names == {"precision_recall", "sequences", "pools"}


def test_whitened_scores_stand_beside_plain_ones(place, capsys):
    assert run(place, "--pca-power-law", "--task", "matching") == 0
    assert "good_pcapl" in capsys.readouterr().out


def test_drawn_lists_can_be_kept(place, tmp_path):
    options = ["--split", "found", "--pairs", "100", "--write-tasks", str(tmp_path)]
    assert main([str(place / "good"), *options]) == 0
    assert (tmp_path / "verif_pos_split-found.csv").is_file()
    again = ["--split", "found", "--tasks", str(tmp_path), "--task", "matching"]
    assert main([str(place / "good"), *again]) == 0


def test_ties_are_warned_of_and_the_pessimistic_score_stands_beside(place, tmp_path, capsys):
    same = {k: np.ones((16, n, 4)) for k, n in LENGTHS.items()}
    write_descriptors(same, tmp_path / "same", "npy")
    options = ["--split", "mine", "--tasks", str(place / "tasks"), "--pools", "20"]
    assert main([str(tmp_path / "same"), *options]) == 0
    printed = capsys.readouterr()
    assert "warning: same: Many distances are tied" in printed.out  # a log has no stderr
    assert "Pessimistic" in printed.out


@pytest.mark.parametrize("size", ["50MB", "1.5gb"])
def test_memory_is_given_in_units(place, size):
    assert run(place, "--memory", size) == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--memory", size) for size in ("50", "0MB", "much", "infGB", "nanMB", "-1GB")),
        *(("--threads", number) for number in ("-1", "0", "1e3", "1000000")),
        ("--pairs", "1e12"),
    ],
)
def test_numbers_that_are_none_are_refused_by_name(place, option, value, capsys):
    with pytest.raises(SystemExit):
        run(place, f"{option}={value}")
    assert option in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("option", "name"), [("--json", "x.json"), ("--plots", "x"), ("--write-tasks", "x")]
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    place, small_disk, option, name, capsys
):
    (small_disk / "much").write_bytes(bytes(2**21 - 4096))
    assert run(place, option, str(small_disk / name)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: {small_disk / name}") and "free some space" in said
    assert {path.name for path in small_disk.rglob("*") if path.is_file()} <= {"much"}


def test_lists_that_were_read_can_be_kept_elsewhere(place, tmp_path):
    assert run(place, "--task", "matching", "--write-tasks", str(tmp_path)) == 0
    assert benchmark.read_tasks(tmp_path, "mine").sequences == ("i_two", "v_three", "v_one")


def test_one_sequence_gives_tables_numbers_and_pictures(tmp_path, capsys):
    views = np.random.default_rng(0).standard_normal((16, 30, 8)).astype(np.float32)
    np.save(tmp_path / "v_one.npy", views)
    options = ["--pairs", "200", "--pools", "10", "--json", str(tmp_path / "x.json")]
    assert main([str(tmp_path), "--split", "found", *options, "--plots", str(tmp_path / "p")]) == 0
    printed = capsys.readouterr().out
    assert "There is one sequence only" in printed and "may hold flat patches" in printed
    assert "from 1 sequence," in printed
    (content,) = json.loads((tmp_path / "x.json").read_text()).values()
    assert content["V"] is None and content["R"] > 0 and content["tasks"]["lists"]


def test_bad_input_is_one_sentence_and_status_2(place, capsys):
    assert main([str(place / "no"), "--split", "mine", "--tasks", str(place / "tasks")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1


def test_an_interrupted_evaluation_leaves_no_traceback(tmp_path):
    views = np.random.default_rng(0).standard_normal((16, 3000, 64)).astype(np.float32)
    write_descriptors({"a": views, "b": views[:, ::-1]}, tmp_path, "npy")
    words = ["helpers.benchmark", str(tmp_path), "--split", "found", "--pairs", "1000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", *words], **pipes) as process:
        assert process.stdout.readline().startswith("Lists: ")
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130 and "Traceback" not in said


def test_neither_keras_nor_matplotlib_is_imported():
    code = (
        "import sys, helpers.benchmark.__main__ as m; "
        "print({'keras', 'tensorflow', 'matplotlib', 'helpers.common.files'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
