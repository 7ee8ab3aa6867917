"""The README says what the project does, and no number in it is typed."""

import json
import re
import subprocess

import pytest

from helpers import paths, report
from helpers.errors import InputError
from helpers.files import write_json

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def committed(name: str) -> dict:
    """A file as committed: a user's own run may have changed the one in the working tree."""
    done = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=paths.ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return json.loads(done.stdout)


def test_the_results_are_those_of_the_committed_report():
    numbers = committed("report/generated/numbers.json")
    assert report.readme_results(numbers) in report.README_BLOCK.search(README)[0]


def test_another_result_changes_the_block():
    numbers = committed("report/generated/numbers.json")
    assert "0.988" in report.readme_results({**numbers, "improved.S": 0.98765})


def test_the_readme_takes_no_results_of_another_profile(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "GENERATED", tmp_path)
    write_json(
        tmp_path / "numbers.json", {"provenance.profile": "smoke", "dataset.name": "photographs"}
    )
    with pytest.raises(InputError, match="holds the profile smoke"):
        report.update_readme(tmp_path / "README.md")


def test_every_file_it_links_to_is_there():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (paths.ROOT / link).exists(), link


def test_every_file_of_helpers_is_on_the_map():
    for file in (paths.ROOT / "helpers").glob("[a-z]*.py"):
        assert file.stem in README, file


def test_both_commands_are_in_the_makefile():
    makefile = (paths.ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_each_command_sets_up_what_it_needs_first():
    for target, work in (("report", "-m helpers report"), ("test", "pytest")):
        command = ["make", "--dry-run", "--always-make", target]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        order = [done.stdout.index(step) for step in ("-m venv", "pip install", work)]
        assert order == sorted(order)
