"""The notebooks are paired and well-formed; how they are executed, shown on small ones."""

import itertools
import json
import re
import subprocess

import jupytext
import nbformat
import pytest

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.notebook import execute

SOURCES = execute.sources()


def ids(path):
    return path.stem


def test_there_are_notebooks():
    names = ["1_dataset", "2_baseline", "3_search", "4_improved", "5_evaluation", "6_report"]
    assert [source.stem for source in SOURCES] == names


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_the_title_of_a_notebook_has_its_number_and_its_badge_its_name(source):
    text = jupytext.read(source).cells[0].source
    assert text.startswith(f"# {source.stem[0]} · ")
    badge = r"colab\.research\.google\.com/github/[\w-]+/n-hpatches/blob/main/([^)\s]+)\)"
    assert re.findall(badge, text) == [f"notebooks/{source.stem}.ipynb"]


@pytest.mark.parametrize(("source", "following"), list(itertools.pairwise(SOURCES)), ids=ids)
def test_a_notebook_ends_with_a_link_to_the_next_one(source, following):
    text = jupytext.read(source).cells[-1].source
    title = jupytext.read(following).cells[0].source.splitlines()[0].removeprefix("# ")
    (name, link) = re.search(r"Next: \[(.*)\]\((.*)\)", text).groups()
    assert link == f"{following.stem}.ipynb" and title.startswith(name)


@pytest.mark.parametrize("source", SOURCES[3:], ids=ids)
def test_notebooks_behind_the_search_take_its_winner_before_anything_else(source):
    codes = [c.source for c in jupytext.read(source).cells if c.cell_type == "code"]
    (opening,) = [code for code in codes if "open_data(" in code]
    assert opening.endswith('SPLIT, SCENES, winner=True, needs="report")')


@pytest.mark.parametrize("source", SOURCES[1:], ids=ids)
def test_what_cannot_work_is_refused_where_the_data_are_opened(source):
    assert 'needs="report")' in source.read_text()


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_script_and_notebook_are_a_pair(source):
    execute._check_pair(source, jupytext.read(source))


def test_an_edit_of_the_notebook_alone_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    (tmp_path / "1_small.py").write_text("# %%\nprint(1)\n")
    jupytext.write(jupytext.reads("# %%\nprint(2)\n", "py:percent"), tmp_path / "1_small.ipynb")
    with pytest.raises(InputError, match=r"1_small\.ipynb and 1_small\.py differ: run"):
        execute.execute_all({})


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_a_notebook_is_kept_without_outputs(source):
    for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_a_notebook_starts_with_its_title_and_defines_nothing(source):
    cells = jupytext.read(source).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    for cell in cells:
        if cell.cell_type == "code":
            assert "def " not in cell.source and "class " not in cell.source


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_parameters_are_few_plain_values_alike_in_all_notebooks(source):
    def parameters(path):
        cells = jupytext.read(path).cells
        (text,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
        return text

    values = {}
    exec(parameters(source), values)
    values.pop("__builtins__")
    assert len(values) <= 10
    assert all(isinstance(value, str | int | float | None) for value in values.values())
    assert parameters(source) == parameters(SOURCES[0])


@pytest.mark.parametrize(("number", "approach"), [("2", "baseline"), ("4", "improved")])
def test_the_minutes_that_a_notebook_announces_are_about_those_of_the_committed_runs(
    number, approach
):
    (source,) = (path for path in SOURCES if path.name.startswith(number))
    announced = re.search(r"about (\d+) minutes on two CPU cores \|", source.read_text())[1]
    name = "report/generated/numbers.json"  # as committed: a user's own run may have changed it
    done = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=paths.ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    numbers = json.loads(done.stdout)
    parts = (f"{approach}-denoiser", f"{approach}-descriptor")
    trained = sum(numbers[f"outcome.{part}.minutes"] for part in parts)
    assert trained / 2 < int(announced) < trained * 2


def test_the_notebooks_that_draw_are_those_of_data_search_and_report():
    assert execute.that_draw() == ("1_dataset", "3_search", "6_report")


def test_the_key_of_a_notebook_holds_what_was_asked_and_the_notebooks_before(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    for name in ("1_first", "2_second"):
        (tmp_path / f"{name}.py").write_text(f"# %%\n{name!r}\n")
    before, asked = execute._keys([{"A": 1}]), execute._keys([{"A": 2}])
    (tmp_path / "2_second.py").write_text("# %%\n'changed'\n")
    first, second = (before[path] == found for path, found in execute._keys([{"A": 1}]).items())
    assert first and not second
    assert not set(asked.values()) & set(before.values())
    (tmp_path / "1_first.py").write_text("# %%\n'changed'\n")
    assert not set(execute._keys([{"A": 1}]).values()) & set(before.values())


def test_a_failing_notebook_is_named_and_kept_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "EXECUTED", tmp_path / "executed")
    (tmp_path / "1_bad.py").write_text("# %%\n1 / 0\n")
    with pytest.raises(InputError, match=r"1_bad\.py stopped with ZeroDivisionError: division"):
        execute.execute_all({})
    assert (tmp_path / "executed" / "1_bad.failed.ipynb").is_file()
    assert not (tmp_path / "executed" / "1_bad.ipynb").exists()


def test_an_executed_notebook_is_kept_until_its_source_changes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "EXECUTED", tmp_path / "executed")
    source = tmp_path / "1_small.py"
    source.write_text('# %% tags=["parameters"]\nSIZE = 1\n\n# %%\nprint(SIZE)\n')
    (first,) = execute.execute_all({"SIZE": 7})
    assert "7" in json.dumps(nbformat.read(first, as_version=4).cells[-1].outputs)
    assert first.with_suffix(".html").is_file()
    execute.execute_all({"SIZE": 7})
    assert "nothing changed, kept" in capsys.readouterr().out
    execute.execute_all({"SIZE": 7}, only="1")
    assert "nothing changed, kept" not in capsys.readouterr().out
    source.write_text(source.read_text() + "\n# %%\nprint('more')\n")
    execute.execute_all({"SIZE": 7})
    assert "running" in capsys.readouterr().out


def test_outputs_that_were_put_back_or_deleted_are_made_again(tmp_path, monkeypatch):
    for name in ("EXECUTED", "FIGURES", "GENERATED"):
        monkeypatch.setattr(paths, name, tmp_path / name)
        (tmp_path / name).mkdir()
    made, numbers = [], paths.GENERATED / "numbers.tex"

    def make(source, target, parameters, key):
        made.append(source.stem)
        numbers.write_text("new")

    monkeypatch.setattr(execute, "_execute", make)
    monkeypatch.setattr(execute, "_is_made", lambda executed, key: True)
    count = len(execute.sources())
    execute.execute_all({})
    execute.execute_all({})
    assert len(made) == count
    numbers.write_text("committed")
    execute.execute_all({})
    assert len(made) == 2 * count


@pytest.mark.parametrize(
    "change", [lambda file: file.unlink(), lambda file: file.write_text("an older one")]
)
def test_what_stands_on_a_file_that_is_gone_or_another_is_made_again(tmp_path, monkeypatch, change):
    for name in ("NOTEBOOKS", "EXECUTED", "FIGURES", "GENERATED"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    paths.NOTEBOOKS.mkdir()
    scores = tmp_path / "scores.json"
    training = f"from pathlib import Path\nPath({str(scores)!r}).write_text('of this training')\n"
    (paths.NOTEBOOKS / "1_train.py").write_text(f"# %%\n{training}")
    for expected in (True, False):
        before = scores.stat().st_mtime_ns if scores.exists() else None
        execute.execute_all({}, needed=lambda: [scores])
        assert (scores.stat().st_mtime_ns != before) == expected
    change(scores)
    execute.execute_all({}, needed=lambda: [scores])
    assert scores.read_text() == "of this training"


def test_a_damaged_executed_copy_counts_as_not_made(tmp_path):
    executed = tmp_path / "1_dataset.ipynb"
    executed.write_text('{"cells": [')
    executed.with_suffix(".html").touch()
    assert not execute._is_made(executed, "key")
