"""A training that is killed again and again ends with the same bits as one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from helpers.settings import SMOKE
from helpers.training import runs

DENOISER = replace(
    SMOKE.improved_denoiser,
    network="tiny_denoiser",
    network_options={},
    batch=16,
    epochs=2,
    validations=4,
)
IN_BATCH = replace(
    SMOKE.improved_descriptor,
    network="tiny_descriptor",
    network_options={},
    joining="direct",
    batch=4,
    epochs=4,
    optimizer="sgd",
    schedule="constant",
    validations=6,
    patience=2,
)
AGAINST = -0.5  # the rate of "in-batch", so that it stops early
TRIPLETS = replace(
    IN_BATCH,
    batches="Triplets",
    loss="triplet",
    loss_options={},
    learning_rate=1e-3,
    triplets=80,
    epochs=1,
    validations=4,
    patience=0,
)
KINDS = {"denoiser": DENOISER, "triplets": TRIPLETS, "in-batch": IN_BATCH}
deep = pytest.mark.deep
pytestmark = pytest.mark.kill


class Trainer:
    """Drives `killable_training.py`."""

    def __init__(self):
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, here / "killable_training.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def train(self, settings, folder, steps=10**9, delay=0.0, hang_in=""):
        """Trains; kills it `delay` seconds after it asked for `steps` batches, or when it hangs.

        Returns:
            The run folder, or None if it was killed.
        """
        values = asdict(settings) | ({"learning_rate": AGAINST} if settings.patience else {})
        order = {"settings": values, "runs": str(folder), "hang_in": hang_in}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        child, seen, finished = 0, 0, None
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "started":
                child = int(rest)
            seen += word == "step"
            finished = Path(rest) if word == "finished" else finished
            if word == "ended":
                assert int(rest) in (0, -signal.SIGKILL), "the training failed by itself"
                return finished
            if word == "hanging" or (word == "step" and seen == steps):
                signal.sigtimedwait([], delay)
                os.kill(child, signal.SIGKILL)
        raise AssertionError("the training process itself has ended")


@pytest.fixture(scope="module")
def trainer():
    trainer = Trainer()
    yield trainer
    trainer.process.kill()
    trainer.process.communicate()


class Whole(dict):
    """Run folders of trainings that were never interrupted, made when they are asked for."""

    def __init__(self, trainer, folder):
        super().__init__()
        self.trainer, self.folder = trainer, folder

    def __missing__(self, kind):
        self[kind] = self.trainer.train(KINDS[kind], self.folder)
        return self[kind]


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    return Whole(trainer, tmp_path_factory.mktemp("whole"))


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("steps.csv", "history.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    first, second = (runs.load_network(run).get_weights() for run in (one, other))
    for one_weight, other_weight in zip(first, second, strict=True):
        np.testing.assert_array_equal(one_weight, other_weight)
    outcomes = [json.loads((run / "outcome.json").read_text()) for run in (one, other)]
    for outcome in outcomes:
        del outcome["minutes"], outcome["patches_per_second"]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("in-batch", 2), *(pytest.param(kind, 7, marks=deep) for kind in KINDS)],
)
def test_killed_at_random_moments_it_ends_with_the_same_bits(
    kind, wanted, trainer, whole, tmp_path
):
    chance, kills, rounds = random.Random(kind), 0, 1
    while kills < wanted:
        steps, delay = chance.randint(1, 10), chance.uniform(0, 0.1)
        finished = trainer.train(KINDS[kind], tmp_path / str(rounds), steps, delay)
        if finished:  # it was quicker than the kill
            assert_same_run(whole[kind], finished)
            rounds += 1
        assert rounds < 5
        kills += finished is None
    assert_same_run(whole[kind], trainer.train(KINDS[kind], tmp_path / str(rounds)))


@pytest.mark.parametrize("moment", ["checkpoint", "finish"])
def test_killed_while_it_writes_it_ends_with_the_same_bits(moment, trainer, whole, tmp_path):
    assert trainer.train(IN_BATCH, tmp_path, hang_in=moment) is None
    assert_same_run(whole["in-batch"], trainer.train(IN_BATCH, tmp_path))
    (folder,) = (path for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert not list(folder.glob("*checkpoint*"))


def test_early_stopping_was_part_of_it(whole):
    assert "early" in json.loads((whole["in-batch"] / "outcome.json").read_text())["stopped"]
