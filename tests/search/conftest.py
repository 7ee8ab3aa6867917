"""A stand-in for training, and searches with it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import search
from helpers.common import files
from helpers.search import trials
from helpers.settings import SMOKE

BASE = replace(
    SMOKE.improved_descriptor, network_options={"width": 8}, loss_options={}, learning_rate=3e-3
)
RATES = {"learning_rate": ("log", 1e-4, 1e-1)}
SPACE = {
    **RATES,
    "network_options.width": ("choice", [8, 16, 24]),
    "patience": ("integer", 2, 64),
    "weight_decay": ("uniform", 0.0, 0.5),
}
WEIGHTS = {"alike": [1, 1, 1], "to tough": [0.5, 1, 1.5], "none": None}
NAMED = {"loss_options.level_weights": ("choice", WEIGHTS), **RATES}


class Trainer:
    """Stands in for training: the loss is the distance of the learning rate from 1e-2.

    Args:
        act: called with the number of the training and `on_validation`.
    """

    def __init__(self, folder: Path, act=lambda number, on_validation: None):
        self.folder, self.act, self.settings, self.stores = folder, act, [], []

    def __call__(self, settings, store, denoiser_run, on_validation):
        self.settings.append(settings)
        self.stores.append(store)
        self.act(len(self.settings) - 1, on_validation)
        run = self.folder / f"run-{settings.learning_rate:.9f}"
        loss = abs(math.log10(settings.learning_rate) + 2)
        files.write_json(run / "outcome.json", {"kept_validation_loss": loss})
        return run

    @property
    def rates(self) -> list[float]:
        return [settings.learning_rate for settings in self.settings]


@pytest.fixture
def storage(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'search.db'}"


@pytest.fixture
def make_trainer(tmp_path):
    return lambda *arguments: Trainer(tmp_path, *arguments)


@pytest.fixture
def look(tiny_store, storage):
    """Searches with a stand-in for training; returns the study."""

    def look(train, count=6, name="rates", storage=storage, seed=1, **changes):
        about = {"base": BASE, "space": RATES, "store": tiny_store, "train": train} | changes
        return search.search(name, search.Objective(**about), count, storage, seed, 0.01)

    return look


@pytest.fixture
def scored(monkeypatch):
    """A stand-in for the benchmark, by which weights of the loss may be searched."""
    monkeypatch.setitem(trials.MEASURES, "validation_error", trials.validation_loss)
    return {"measure": "validation_error"}


def finished(study) -> int:
    counted = trials.counting(study).values()
    return sum(attempt.state in trials.FINISHED for attempt in counted)
