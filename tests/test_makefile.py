"""What is given to make reaches the commands as it was typed, and nothing else happens to it."""

import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.common import paths

NAMES = ("PROFILE", "DATASET", "SPLIT", "SCENES")
STUB = '#!/bin/sh\nprintf "%s\\n" "$@" "$NHPATCHES_HOME" > called\n'


@pytest.fixture
def make(tmp_path):
    """Runs make in a folder whose set-up is done and whose Python writes down its arguments."""
    shutil.copy(paths.ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program, text in ((".venv/bin/python", STUB), ("kpsewhich", "#!/bin/sh\n")):
        (tmp_path / program).write_text(text)
        (tmp_path / program).chmod(0o755)
    (tmp_path / ".venv" / "ready").touch()
    ours = ("MAKE", "NHPATCHES", "KERAS")
    outside = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    outside["PATH"] = f"{tmp_path}{os.pathsep}{outside['PATH']}"

    def run(target, *given, **environment):
        done = subprocess.run(
            ["make", target, *given], cwd=tmp_path, env=outside | environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "pwned").exists()
        return (tmp_path / "called").read_text().split("\n")[:-1]

    return run


@pytest.mark.parametrize("target", ["report", "figures"])
@pytest.mark.parametrize(
    "text",
    [
        "x'; touch pwned; '",
        'x"; touch pwned; "',
        "$(shell touch pwned)",
        "$$(touch pwned) `touch pwned`",
        "sequences:/honest/it's 5$ a #1 place/$HOME",
    ],
)
def test_no_option_runs_a_command_and_honest_paths_arrive(make, target, text):
    expected = ["-m", "helpers", target, *(f"--{name.lower()}={text}" for name in NAMES), text]
    given = dict.fromkeys((*NAMES, "NHPATCHES_HOME"), text)
    assert make(target, *(f"{name}={value}" for name, value in given.items())) == expected
    assert make(target, **given) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_arrives_as_it_was_typed(make, text):
    text = text.replace("pwned", "")
    given_text = f"'\"$(touch pwned){text}"
    arrived = make("report", f"DATASET={given_text}", SCENES=given_text)
    assert arrived[4] == f"--dataset={given_text}" and arrived[6] == f"--scenes={given_text}"


def test_what_is_not_given_has_its_default(make):
    options = ["--profile=coursework", "--dataset=photographs", "--split=", "--scenes="]
    assert make("report")[3:] == [*options, ""]
