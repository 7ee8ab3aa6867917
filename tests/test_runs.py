"""Run folders: found by all that decides a result, read in safe mode."""

from dataclasses import replace

import keras
import pytest

from helpers import files, paths, runs
from helpers.errors import InputError
from helpers.settings import SMOKE

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


def test_another_dataset_is_another_run(tiny_store):
    other = type(tiny_store)(fingerprint="another")
    assert runs.run_folder(DENOISER, tiny_store) != runs.run_folder(DENOISER, other)


def test_another_denoiser_is_another_run(tiny_store, folder):
    places = {runs.run_folder(DENOISER, tiny_store, folder / name) for name in "ab"}
    assert len(places) == 2


def test_a_missing_run_is_named(tiny_store):
    with pytest.raises(InputError, match="train the improved-denoiser"):
        runs.find_run(DENOISER, tiny_store)


def test_the_denoiser_of_a_descriptor_is_found(folder):
    files.write_json(folder / "descriptor" / "settings.json", {"denoiser": "denoiser"})
    with pytest.raises(InputError, match="denoiser is missing: descriptor needs this denoiser"):
        runs.denoiser_of(folder / "descriptor")
    (folder / "denoiser").mkdir()
    assert runs.denoiser_of(folder / "descriptor") == folder / "denoiser"


def test_a_run_of_a_denoiser_has_none(folder):
    files.write_json(folder / "settings.json", {"denoiser": None})
    with pytest.raises(InputError, match="is no descriptor's run"):
        runs.denoiser_of(folder)


def test_a_damaged_network_is_named(folder):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.save(folder / "model.keras")
    assert runs.load_network(folder).count_params() == 2
    (folder / "model.keras").write_bytes((folder / "model.keras").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.keras is missing or damaged"):
        runs.load_network(folder)


def test_a_network_with_a_flipped_byte_is_named(folder):
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(folder / "model.keras")
    data = bytearray((folder / "model.keras").read_bytes())
    data[len(data) // 2] ^= 0x55
    (folder / "model.keras").write_bytes(data)
    with pytest.raises(InputError, match=r"model\.keras is missing or damaged"):
        runs.load_network(folder)


def test_a_network_that_carries_code_is_not_loaded(folder):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    network.save(folder / "model.keras")
    with pytest.raises(InputError, match=r"model\.keras"):
        runs.load_network(folder)
