"""The notebooks are paired and well-formed; how they are executed, shown on small ones."""

import json

import jupytext
import nbformat
import pytest

from helpers import notebooks, paths
from helpers.errors import InputError

SOURCES = notebooks.sources()


def ids(path):
    return path.stem


def test_there_are_notebooks():
    assert [source.stem[0] for source in SOURCES] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("source", SOURCES, ids=ids)
def test_script_and_notebook_are_a_pair(source):
    def cells(path):
        return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]

    assert cells(source) == cells(source.with_suffix(".ipynb")), "run: jupytext --to ipynb"


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


def test_an_unknown_parameter_is_refused_before_anything_runs():
    with pytest.raises(InputError, match="has no parameter PROFIL: it knows DATASET, DRIVE, PROF"):
        notebooks.execute_all({"PROFIL": "smoke"}, only="1")


def test_a_failing_notebook_is_named_and_kept_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "EXECUTED", tmp_path / "executed")
    (tmp_path / "1_bad.py").write_text("# %%\n1 / 0\n")
    with pytest.raises(InputError, match=r"1_bad\.py stopped with ZeroDivisionError: division"):
        notebooks.execute_all({})
    assert (tmp_path / "executed" / "1_bad.failed.ipynb").is_file()
    assert not (tmp_path / "executed" / "1_bad.ipynb").exists()


def test_an_executed_notebook_is_kept_until_its_source_changes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "EXECUTED", tmp_path / "executed")
    source = tmp_path / "1_small.py"
    source.write_text('# %% tags=["parameters"]\nSIZE = 1\n\n# %%\nprint(SIZE)\n')
    (first,) = notebooks.execute_all({"SIZE": 7})
    assert "7" in json.dumps(nbformat.read(first, as_version=4).cells[-1].outputs)
    assert first.with_suffix(".html").is_file()
    notebooks.execute_all({"SIZE": 7})
    assert "nothing changed, kept" in capsys.readouterr().out
    source.write_text(source.read_text() + "\n# %%\nprint('more')\n")
    notebooks.execute_all({"SIZE": 7})
    assert "running" in capsys.readouterr().out
