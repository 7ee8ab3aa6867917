"""The README says what the project does, and no number in it is typed."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from helpers import settings
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import write_json
from helpers.dataset.cutting import regions
from helpers.dataset.sources import photographs
from helpers.report import readme

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def committed(name: str) -> dict:
    """A file as committed: a user's own run may have changed the one in the working tree."""
    done = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=paths.ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return json.loads(done.stdout)


def test_the_results_are_those_of_the_committed_report():
    numbers = committed("report/generated/numbers.json")
    assert readme.results_block(numbers) in readme.BLOCK.search(README)[0]


def test_another_result_changes_the_block():
    numbers = committed("report/generated/numbers.json")
    assert "0.988" in readme.results_block({**numbers, "improved.S": 0.98765})


def test_a_row_of_other_points_says_so():
    numbers = committed("report/generated/numbers.json")
    assert "stopping is of" not in readme.results_block(
        {**numbers, "seeds.points": numbers[readme.POINTS]}
    )
    assert "stopping is of 99 points" in readme.results_block({**numbers, "seeds.points": 99})


def test_the_readme_takes_no_results_of_another_profile(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "GENERATED", tmp_path)
    write_json(
        tmp_path / "numbers.json", {"provenance.profile": "smoke", "dataset.name": "photographs"}
    )
    with pytest.raises(InputError, match="holds the profile smoke"):
        readme.update_readme(tmp_path / "README.md")


def test_the_data_of_every_row_are_named():
    numbers = committed("report/generated/numbers.json")
    rows = readme.results_block(numbers).splitlines()
    rows = rows[2 : rows.index("")]
    data = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows]
    photographs, genuine = (
        "`photographs`, 5 test scenes",
        "genuine HPatches sequences, 4 test scenes",
    )

    def patient(measured: str, where: str) -> list[tuple[str, str]]:
        name = f"{measured}.early_stopped.S"
        return [("baseline, until early stopping", where)] if name in numbers else []

    assert data == [
        ("baseline", photographs),
        *patient("seeds", photographs),
        ("improved", photographs),
        ("RootSIFT of clean patches", photographs),
        ("baseline", genuine),
        *patient("genuine", genuine),
        ("improved", genuine),
        ("improved, pretrained", genuine),
        ("RootSIFT of clean patches", genuine),
        ("*coursework's interim report*", "genuine N-HPatches, split a"),
    ]


def test_a_baseline_that_was_not_trained_so_long_is_left_out():
    numbers = committed("report/generated/numbers.json")
    kept = {name: value for name, value in numbers.items() if "early_stopped" not in name}
    assert len(kept) < len(numbers)
    assert "early stopping" not in readme.results_block(kept)


def test_every_file_it_links_to_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    assert {"report/report.pdf", "LICENSE", "CITATION.cff", "helpers/EXTENDING.md"} <= set(links)
    for link in links:
        assert (paths.ROOT / link).exists(), link


@pytest.mark.parametrize("profile", settings.PROFILES.values(), ids=lambda profile: profile.name)
def test_the_table_of_profiles_says_what_the_settings_say(profile):
    (row,) = re.findall(rf"^\| `{profile.name}` \|.*$", README, re.MULTILINE)
    purpose, points, pairs, takes = (cell.strip() for cell in row.split("|")[2:6])
    assert points == (str(profile.points_per_scene) if profile.points_per_scene else "all")
    assert pairs == f"{profile.pairs:,}" and takes == profile.duration
    if "triplets an epoch" in purpose:
        assert f"{profile.baseline_descriptor.triplets:,} triplets an epoch" in purpose
        assert f"{settings.FULL.baseline_descriptor.triplets:,}" in purpose


def test_other_promises_are_those_of_the_code():
    plan = (paths.ROOT / "helpers" / "training" / "plan.py").read_text()  # imported: seconds
    assert re.search(r"^CHECKPOINT_STEPS = 200\b", plan, re.MULTILINE)
    loop = (paths.ROOT / "helpers" / "training" / "loop.py").read_text()
    assert re.search(r"^CHECKPOINT_SECONDS = 60\b", loop, re.MULTILINE)
    assert "at most 200 steps\nor about a minute" in README
    most = photographs.POINTS_PER_SCENE, regions.MOST_POINTS
    assert "{} points a scene and sequences {:,}".format(*most) in " ".join(README.split())
    assert "in about 45 minutes" in README
    assert settings.COURSEWORK.duration.startswith("about 45 minutes")


def test_a_report_of_other_data_can_be_sent_elsewhere(tmp_path):
    home = tmp_path / "else where"
    show = 'show: ; @$(PY) -c "from helpers.common import paths; print(paths.GENERATED)"'
    command = ["make", f"NHPATCHES_HOME={home}", f"PY={sys.executable}", f"--eval={show}", "show"]
    # Below `make test`, make would also print which folder it enters.
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(command, cwd=paths.ROOT, env=outside, capture_output=True, text=True)
    assert done.stdout.strip() == str(home / "report" / "generated"), done.stderr
    assert "NHPATCHES_HOME=FOLDER" in README


def test_what_is_cited_is_this_version_under_this_licence():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert str(citation["version"]) == project["version"]
    licence = (paths.ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith(f"{citation['license']} License")
    assert citation["authors"][0]["name"] in licence


def test_every_room_of_helpers_is_on_the_map():
    for room in (paths.ROOT / "helpers").glob("*/__init__.py"):
        assert re.search(rf"\b{room.parent.name}/", README), room.parent


def test_both_commands_are_in_the_makefile():
    makefile = (paths.ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^(?:\w+ )*{target}(?: \w+)*:", makefile, re.MULTILINE), target


def test_each_command_sets_up_what_it_needs_first():
    for target, work in (("report", "-m helpers report"), ("test", "pytest")):
        command = ["make", "--dry-run", "--always-make", target]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        order = [done.stdout.index(step) for step in ("-m venv", "pip install", work)]
        assert order == sorted(order)
