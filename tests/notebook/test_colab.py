"""The first cell of a notebook: a stand-in for Colab, a local repository, a recorded pip."""

import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import jupytext
import pytest

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.notebook import colab, execute

SOURCES = execute.sources()
ADDRESS = re.compile(r"(?:github|colab\.research\.google)\.com/(?:github/)?([\w-]+/n-hpatches)\b")
BADGE = re.compile(r"colab\.research\.google\.com/github/[\w-]+/n-hpatches/blob/main/([^)\s]+)")

RECORDING_PIP = """
import sys
from pathlib import Path
constraints = Path(sys.argv[sys.argv.index("-c") + 1]).read_text()
Path(__file__).with_name("called").write_text(" ".join(sys.argv[1:]) + chr(10) + constraints)
"""
MOUNTED = 'def mount(place):\n    print("mounted", place)\n'
AFTERWARDS = """
from helpers.common import paths
print("root", paths.ROOT)
print("home", paths.HOME)
"""


def first_code_cells(source):
    """The parameters of a notebook and the cell behind them."""
    return [cell.source for cell in jupytext.read(source).cells if cell.cell_type == "code"][:2]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository that needs a package which is not installed."""
    folder = tmp_path_factory.mktemp("made") / "n-hpatches"
    unused = shutil.ignore_patterns("__pycache__", "pretrained", "dataset", "networks")
    shutil.copytree(paths.ROOT / "helpers", folder / "helpers", ignore=unused)
    needed = (paths.ROOT / "requirements.txt").read_text()
    (folder / "requirements.txt").write_text(f"made-up-package>=1.5  # for a test\n{needed}")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Test"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def machine(tmp_path):
    """Stand-ins for Colab's modules and for pip and nvidia-smi."""
    folder = tmp_path / "machine"
    for name, text in {
        "google/colab/__init__.py": "",
        "google/colab/drive.py": MOUNTED,
        "pip/__init__.py": "",
        "pip/__main__.py": RECORDING_PIP,
        "nvidia-smi": "#!/bin/sh\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "nvidia-smi").chmod(0o755)
    return folder


@pytest.fixture
def run_cell(tmp_path, repository, machine):
    """Runs the cell as a new kernel in an empty folder does; returns the finished process."""
    content = tmp_path / "content"
    content.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "NHPATCHES_HOME"}
    environment |= {
        "PYTHONPATH": str(machine),
        "PATH": f"{machine}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_COUNT": "1",  # what is asked of this address comes from the repository
        "GIT_CONFIG_KEY_0": f"url.{repository.parent}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/NAME/",
    }

    def run(begin="import google.colab", drive="", end=AFTERWARDS, account="NAME"):
        script = "\n".join([begin, *first_code_cells(SOURCES[0]), end])
        script = script.replace('DRIVE = ""', f"DRIVE = {drive!r}")
        script = script.replace("USER/n-hpatches", f"{account}/n-hpatches")  # as README's sed does
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=content,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_colab_gets_the_repository_and_only_what_is_missing(run_cell, machine, tmp_path):
    done = run_cell()
    assert done.returncode == 0, done.stderr
    assert f"root {tmp_path / 'content' / 'n-hpatches'}" in done.stdout
    assert "No GPU" not in done.stdout
    arguments, *constraints = (machine / "pip" / "called").read_text().splitlines()
    assert arguments.startswith("install") and "--upgrade" not in arguments
    assert arguments.endswith(".txt made-up-package>=1.5")
    kept = {name: version for name in colab.KEPT if (version := colab.installed(name))}
    assert constraints == [f"{name}=={version}" for name, version in kept.items()]
    assert {"numpy", "keras", "tensorflow"} <= kept.keys()


def test_a_restarted_kernel_uses_the_repository_that_is_there(run_cell, tmp_path):
    run_cell()
    marker = tmp_path / "content" / "n-hpatches" / "marker"
    marker.write_text("")
    done = run_cell()
    assert done.returncode == 0, done.stderr
    assert marker.exists() and f"root {marker.parent}" in done.stdout


@pytest.mark.parametrize(
    ("account", "sentence"),
    [("USER", "nobody's: put the account"), ("NAME/gone", "cannot be fetched: is it public, and")],
)
def test_an_address_that_gives_no_repository_is_refused(run_cell, tmp_path, account, sentence):
    done = run_cell(account=account)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{account}/n-hpatches" in done.stderr and sentence in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "content").iterdir())


def test_packages_that_are_too_old_are_missing(monkeypatch):
    found = {"keras": "3.10.0", "optuna": "4.8.0", "numpy": "2.1.0"}
    monkeypatch.setattr(colab, "installed", lambda name: found.get(name))
    missing = {package.name for package in colab.missing()}
    assert {"keras", "optuna"} <= missing and "numpy" not in missing


def test_without_drive_or_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(colab, "missing", list)
    monkeypatch.setenv("PATH", "")
    colab.set_up()
    said = capsys.readouterr().out
    assert "end with this machine" in said and "No GPU: choose Runtime" in said


def test_drive_holds_what_runs_make(run_cell):
    done = run_cell(drive="/content/drive/MyDrive/patches")
    assert "mounted /content/drive" in done.stdout
    assert "home /content/drive/MyDrive/patches" in done.stdout


def test_elsewhere_the_cell_does_nothing(run_cell, machine, tmp_path):
    done = run_cell(begin="", end="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list((tmp_path / "content").iterdir())
    assert not (machine / "pip" / "called").exists()


def test_a_pip_that_fails_is_explained(monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="ERROR: no such version\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    sentence = r"numba>=0.60 could not be installed beside .*keras==.*no such version\): connect"
    with pytest.raises(InputError, match=sentence):
        colab.install([colab.Requirement("numba>=0.60")])


def test_what_executes_notebooks_is_not_installed_in_colab(monkeypatch):
    monkeypatch.setattr(colab, "installed", lambda name: None)
    names = {package.name for package in colab.missing()}
    assert {"keras", "numba", "matplotlib", "tqdm"} <= names
    assert not {"jupyter", "papermill", "ipywidgets"} & names


def test_where_jax_is_there_tensorflow_is_not_missing(monkeypatch):
    versions = {"tensorflow": None, "jax": "1"}
    installed = colab.installed
    monkeypatch.setattr(colab, "installed", lambda name: versions.get(name, installed(name)))
    monkeypatch.setattr(os, "environ", {})
    assert colab.missing() == []
    colab.set_up()
    assert os.environ["KERAS_BACKEND"] == "jax"


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("/content/mine", "is not on Drive"),
        ("/content/drive/MyDrive/late", "comes too late: restart the session"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(folder, sentence):
    with pytest.raises(InputError, match=f"{folder} {sentence}"):
        colab.keep_on_drive(folder)


def test_all_notebooks_share_one_cell():
    assert len({first_code_cells(source)[1] for source in SOURCES}) == 1


def test_badges_of_the_readme_open_notebooks_that_are_there():
    opened = BADGE.findall((paths.ROOT / "README.md").read_text(encoding="utf-8"))
    assert opened == [f"notebooks/{source.stem}.ipynb" for source in SOURCES]


def test_one_address_stands_everywhere():
    texts = [path.read_text(encoding="utf-8") for path in [*SOURCES, paths.ROOT / "README.md"]]
    texts += [path.with_suffix(".ipynb").read_text(encoding="utf-8") for path in SOURCES]
    assert len({address for text in texts for address in ADDRESS.findall(text)}) == 1
