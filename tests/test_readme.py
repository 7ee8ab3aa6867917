"""The README says what the project does, and no number in it is typed."""

import re
import subprocess

from helpers import paths, report
from helpers.files import read_json

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_results_are_those_of_the_committed_report():
    numbers = read_json(paths.ROOT / "report" / "generated" / "numbers.json")
    found = report.README_BLOCK.search(README)
    assert report.readme_results(numbers) in found[0]


def test_another_result_changes_the_block():
    numbers = read_json(paths.ROOT / "report" / "generated" / "numbers.json")
    changed = {**numbers, "improved.S": 0.98765}
    assert "0.988" in report.readme_results(changed)


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
