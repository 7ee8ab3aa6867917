"""EXTENDING.md, followed word for word: what its blocks add can be trained and used."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import settings
from helpers.common import files, paths
from helpers.dataset import open_dataset
from helpers.training import runs
from helpers.training.registry import DENOISERS, DESCRIPTORS, LOSSES

PAGE = (paths.ROOT / "helpers" / "EXTENDING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
DICTIONARIES = {"DENOISERS": DENOISERS, "DESCRIPTORS": DESCRIPTORS, "LOSSES": LOSSES}


@pytest.fixture(scope="module")
def followed(tmp_path_factory, tiny_store):
    """What is there after all blocks of the page: their names, and where it happened."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(paths, "RUNS", home / "runs")
        for dictionary, name in names_on_page():
            patch.setitem(DICTIONARIES[dictionary], name, None)  # put back as it was afterwards
            del DICTIONARIES[dictionary][name]
        # A tiny store in place of the photographs, which take longer to cut than to learn from.
        patch.setattr("helpers.dataset.open_dataset", opener(home, tiny_store))
        patch.setitem(settings.PROFILES, "smoke", tinier(settings.SMOKE))
        (home / "page.py").write_text("\n".join(BLOCKS))  # a script, as the page says
        spec = importlib.util.spec_from_file_location("page", home / "page.py")
        page = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "page", page)
        spec.loader.exec_module(page)
        yield vars(page)


def names_on_page() -> list[tuple[str, str]]:
    return re.findall(r'^(DENOISERS|DESCRIPTORS|LOSSES)\["(\w+)"\] =', PAGE, re.MULTILINE)


def opener(home, tiny_store):
    def opened(source, **options):
        return tiny_store if source == "photographs" else open_dataset(source, home, **options)

    return opened


def tinier(profile: settings.Profile) -> settings.Profile:
    few = {"batch": 8, "validations": 2, "validation_batches": 1}
    return replace(
        profile,
        pairs=100,
        improved_denoiser=replace(profile.improved_denoiser, **few),
        improved_descriptor=replace(profile.improved_descriptor, **few),
    )


def test_every_addition_takes_under_twenty_lines():
    functions = re.findall(r"^def .*?(?=^\S|\Z)", "\n".join(BLOCKS), re.DOTALL | re.MULTILINE)
    assert len(functions) == 5
    assert all(len(function.strip().splitlines()) < 20 for function in functions)
    noise = next(block for block in BLOCKS if "salt" in block)
    assert len([line for line in noise.splitlines() if line and "import" not in line]) < 20


def test_the_networks_of_the_page_take_patches_and_are_trained(followed):
    patch = np.full((2, 32, 32, 1), 100, np.float32)
    untrained = followed["three_convolutions"]()
    assert np.allclose(untrained(patch), patch)  # as its docstring says
    denoiser = runs.load_network(followed["denoiser_run"])
    assert denoiser(patch).shape == (2, 32, 32, 1) and not np.array_equal(denoiser(patch), patch)
    vectors = np.asarray(runs.load_network(followed["run"])(patch))
    assert vectors.shape == (2, 128)


def test_the_descriptor_of_the_page_is_scored(followed):
    assert 0 < followed["scores"]["V"] <= 1
    assert [*followed["run"].glob("scores-*.json")]


def test_the_losses_of_the_page_are_what_their_docstrings_say(followed):
    views = np.eye(4, 128, dtype=np.float32)[:, None].repeat(2, axis=1)
    loss = followed["all_negatives"]
    assert float(loss(np.arange(4), views)) == 0.0  # orthogonal, farther than the margin
    assert float(loss(np.arange(4), views, margin=2.0)) == pytest.approx(2 - 2**0.5, abs=1e-2)
    alike = np.ones((4, 2, 128), np.float32) / 128**0.5
    assert float(loss(np.arange(4), alike, margin=0.5)) == pytest.approx(0.5, abs=1e-2)
    error = followed["squared_error"](np.zeros((1, 32, 32, 1)), np.full((1, 32, 32, 1), 3.0))
    assert np.allclose(error, [9.0])


def test_the_noise_of_the_page_is_in_the_dataset_that_is_trained_on(followed, tiny_store):
    salted = followed["salted"]
    assert salted.parts == tiny_store.parts and np.array_equal(salted.clean, tiny_store.clean)
    assert np.array_equal(salted.noisy[:, 0], salted.clean[:, 0])
    changed = [np.mean(salted.noisy[:, strip] != salted.clean[:, strip]) for strip in (1, 6, 11)]
    assert changed == pytest.approx([0.05, 0.1, 0.2], abs=0.02)
    assert (followed["salted_run"] / "model.keras").is_file()


def moved(checkout: Path) -> Path:
    """A copy of the checkout in which "Keeping it" was done: the page's descriptor, its diffs."""
    listed = subprocess.run(["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.ROOT / name, checkout / name)
    [block] = [block for block in BLOCKS if 'DESCRIPTORS["two_convolutions"] =' in block]
    kept = checkout / "helpers" / "networks" / "descriptors.py"
    function = re.search(r"^def .*?(?=^\S|\Z)", block, re.DOTALL | re.MULTILINE)[0]
    imports = kept.read_text().replace("import keras\n", "import keras\nfrom keras import Model\n")
    kept.write_text(
        imports + f'\n\n{function}\n\nDESCRIPTORS["two_convolutions"] = two_convolutions\n'
    )
    change(checkout / "helpers" / "settings.py")
    return checkout


def change(settings_file: Path) -> None:
    """Does what the diffs of the page say, where the profile `smoke` is."""
    text = settings_file.read_text()
    before, start, after = text.partition("SMOKE = Profile(")
    for diff in re.findall(r"^```diff\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        lines = diff.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in "- ")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in "+ ")
        assert old in after
        after = after.replace(old, new, 1)
    settings_file.write_text(before + start + after)


@pytest.mark.deep  # three minutes
@pytest.mark.latex
@pytest.mark.skipif(not shutil.which("latexmk"), reason="LaTeX is not installed")
def test_the_report_of_a_profile_with_ones_own_network_is_made_and_names_it(
    tmp_path, photographs_folder
):
    checkout, home = moved(tmp_path / "checkout"), tmp_path / "home"
    places = {"NHPATCHES_HOME": str(home), "NHPATCHES_DATA": str(photographs_folder)}
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "report", "--profile", "smoke"],
        cwd=checkout,
        env=os.environ | places | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Not searched: network_options.dropout; two_convolutions has no" in done.stdout
    assert (home / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "undefined" not in (home / "report/build/report.log").read_text(errors="replace")
    numbers = files.read_json(home / "report" / "generated" / "numbers.json")
    assert numbers["settings.improved-descriptor.network"] == "two_convolutions"
    assert 0 < numbers["third.S"] < 1
    said = (home / "report" / "generated" / "numbers.tex").read_text()
    assert r"two\_convolutions" in said


def test_what_the_page_names_is_where_it_says():
    for path in re.findall(r"`((?:helpers|tests)/[\w/.]+)`", PAGE):
        assert (paths.ROOT / path).exists(), path
    for name in DICTIONARIES:
        assert name in PAGE
