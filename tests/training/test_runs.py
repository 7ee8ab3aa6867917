"""Run folders: found by all that decides a result, read in safe mode."""

import importlib.util
import linecache
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial

import keras
import pytest

from helpers.common import files, keys, paths
from helpers.common.errors import InputError
from helpers.settings import SMOKE, TrainingSettings
from helpers.training import runs
from helpers.training.losses import LOSSES

DENOISER = SMOKE.improved_denoiser


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("change", [{"learning_rate": 0.5}, {"seed": 2}, {"batch": 17}])
def test_other_settings_are_another_run(tiny_store, change):
    assert runs.run_folder(DENOISER, tiny_store) != runs.run_folder(
        replace(DENOISER, **change), tiny_store
    )


def test_another_dataset_or_denoiser_is_another_run(tiny_store, folder):
    other = type(tiny_store)(fingerprint="another")
    asked = [(tiny_store,), (other,), (tiny_store, folder / "a"), (tiny_store, folder / "b")]
    assert len({runs.run_folder(DENOISER, *one) for one in asked}) == 4


@pytest.mark.parametrize(
    "file",
    [
        *("networks/pipeline.py", "training/augmentation.py", "training/new.py"),
        *("dataset/noise.py", "benchmark/layout.py"),
    ],
)
def test_another_line_in_a_file_of_the_code_is_another_run(file, tiny_store, tmp_path, monkeypatch):
    for place in runs.TRAINING_CODE:
        source, copy = keys.HELPERS / place, tmp_path / "helpers" / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    before = runs.run_folder(DENOISER, tiny_store)
    monkeypatch.setattr(keys, "HELPERS", tmp_path / "helpers")
    assert runs.run_folder(DENOISER, tiny_store) == before
    for line, same in (("# a comment", "new" not in file), ("another = 'line'", False)):
        with (tmp_path / "helpers" / file).open("a") as edited:
            edited.write(f"\n{line}\n")
        assert (runs.run_folder(DENOISER, tiny_store) == before) == same


@dataclass(frozen=True)
class Later(TrainingSettings):
    new: int = 5


def test_a_new_setting_renames_a_run_only_if_it_is_not_at_its_default(tiny_store):
    places = [
        runs.run_folder(Later(**asdict(DENOISER), **new), tiny_store)
        for new in ({}, {"new": 5}, {"new": 6})
    ]
    assert places[0] == places[1] == runs.run_folder(DENOISER, tiny_store) != places[2]


def test_other_arguments_of_an_outside_loss_are_another_run(tiny_store, monkeypatch):
    settings, found = replace(DENOISER, loss="outside_loss"), set()
    for epsilon in (1.0, 2.0, 1.0):
        loss = partial(LOSSES["charbonnier"], epsilon=epsilon)
        monkeypatch.setitem(LOSSES, "outside_loss", loss)
        found.add(runs.run_folder(settings, tiny_store))
    assert len(found) == 2


def test_another_line_in_an_outside_loss_is_another_run(tiny_store, tmp_path, monkeypatch):
    settings = replace(DENOISER, loss="outside_loss")
    found, loss = set(), "def outside_loss(a, b): return"
    for source in (f"{loss} a - b", f"{loss} b - a", f"# why\n{loss} (b  -\n a)"):
        (tmp_path / "outside.py").write_text(source)
        spec = importlib.util.spec_from_file_location("outside", tmp_path / "outside.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "outside", module)
        spec.loader.exec_module(module)
        monkeypatch.setitem(LOSSES, "outside_loss", module.outside_loss)
        linecache.clearcache()
        found.add(runs.run_folder(settings, tiny_store))
    assert len(found) == 2 and runs.run_folder(DENOISER, tiny_store) not in found


def test_a_loss_without_readable_source_is_refused(tiny_store, monkeypatch):
    names = {"__name__": "nowhere"}
    exec("def unreadable(a, b): return a - b", names)
    monkeypatch.setitem(LOSSES, "unreadable", names["unreadable"])
    with pytest.raises(InputError, match="cannot be read, but is part of a run's name: define it"):
        runs.run_folder(replace(DENOISER, loss="unreadable"), tiny_store)


def test_a_missing_run_is_named(tiny_store):
    with pytest.raises(InputError, match="train the improved-denoiser"):
        runs.find_run(DENOISER, tiny_store)


def descriptor_run(folder, **settings):
    described = {"role": "descriptor", "joining": "frozen"} | settings
    files.write_json(
        folder / "descriptor" / "settings.json", {"denoiser": "denoiser", "settings": described}
    )
    return folder / "descriptor"


def test_the_denoiser_of_a_descriptor_is_found(folder):
    run = descriptor_run(folder)
    with pytest.raises(InputError, match="denoiser is missing: descriptor needs this denoiser"):
        runs.denoiser_of(run)
    (folder / "denoiser").mkdir()
    assert runs.denoiser_of(run) == folder / "denoiser"


def test_a_network_trained_end_to_end_holds_its_denoiser_itself(folder):
    assert runs.denoiser_of(descriptor_run(folder, joining="end_to_end")) is None


def test_a_run_of_a_denoiser_is_no_descriptor(folder):
    files.write_json(folder / "settings.json", {"denoiser": None, "settings": {"role": "denoiser"}})
    with pytest.raises(InputError, match="is no descriptor's run"):
        runs.denoiser_of(folder)


def test_a_direct_descriptor_has_no_denoiser_in_front(folder):
    direct = replace(SMOKE.improved_descriptor, joining="direct")
    assert runs.upstream_run(direct, folder) is None
    assert runs.upstream_run(replace(direct, joining="frozen"), folder) == folder


def test_a_run_is_named_by_its_folder_and_a_missing_one_refused(folder):
    assert runs.named(folder) == folder
    with pytest.raises(InputError, match="nowhere is missing: name the run folder"):
        runs.named(folder / "nowhere")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_network_is_named(folder, damage):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.save(folder / "model.keras")
    assert runs.load_network(folder).count_params() == 2
    data = bytearray((folder / "model.keras").read_bytes())
    data[len(data) // 2] ^= 0x55
    (folder / "model.keras").write_bytes(data if damage == "flipped" else data[:1000])
    with pytest.raises(InputError, match=r"model\.keras is missing or damaged"):
        runs.load_network(folder)


def test_a_network_that_carries_code_is_not_loaded(folder):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    network.save(folder / "model.keras")
    with pytest.raises(InputError, match=r"model\.keras"):
        runs.load_network(folder)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Made-up networks that come with the code, and an empty folder for runs."""
    for role in ("denoiser", "descriptor"):
        (tmp_path / role).mkdir()
        (tmp_path / role / "model.keras").write_bytes(b"weights")
    monkeypatch.setattr(runs, "PRETRAINED", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path / "descriptor"


def test_the_pretrained_run_is_a_copy_that_may_be_written_to(shipped):
    run = runs.named("pretrained")
    assert run.parent == paths.RUNS and (run / "model.keras").read_bytes() == b"weights"
    (run / "scores.json").write_text("{}")
    assert runs.named("pretrained") == run and (run / "scores.json").is_file()
    assert not (shipped / "scores.json").exists()


def test_other_weights_are_another_pretrained_run(shipped):
    first = runs.pretrained()
    (shipped / "model.keras").write_bytes(b"better weights")
    assert runs.pretrained() != first


def test_a_checkout_without_the_pretrained_network_says_so(shipped):
    (shipped / "model.keras").unlink()
    with pytest.raises(InputError, match=r"model\.keras is missing: restore it"):
        runs.named("pretrained")


def test_a_run_is_found_from_inside_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.named(".") == tmp_path


def test_an_unfinished_run_is_not_called_damaged(tmp_path):
    (unfinished := tmp_path / "run.unfinished").mkdir()
    with pytest.raises(InputError, match="has not ended: start it again to go on"):
        runs.load_network(unfinished)
