"""Trains tiny networks in processes that `test_resume.py` kills. Not a test itself.

Reads one JSON line a training from standard input, forks a process for it and prints its events:
`started PID`, `step N` for each batch, `finished PATH`. Forking saves the import of the backend,
which takes far longer than these trainings; nothing may be computed before the fork.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from conftest import TinyStore
from tiny_networks import NETWORKS, with_rate

from helpers.common import paths
from helpers.settings import TrainingSettings
from helpers.training import checkpoints, loop, plan
from helpers.training.registry import networks


def main() -> None:
    for role, network in NETWORKS.items():
        networks(role)[network.__name__] = network
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            train(order)
            os._exit(0)
        say(f"started {child}")
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


def train(order: dict) -> None:
    paths.RUNS, plan.CHECKPOINT_STEPS = Path(order["runs"]), 3
    sys.stdout = sys.stderr
    make = loop.make_batches
    loop.make_batches = lambda *args: Announced(make(*args), args[2] == "train")
    if order["hang_in"] == "checkpoint":
        checkpoints.np = HalfWritten()
    if order["hang_in"] == "finish":
        loop.files = HangsBeforeOutcome(loop.files)
    rate = order["settings"]["learning_rate"]
    settings = with_rate(TrainingSettings(**order["settings"] | {"learning_rate": 1}), rate)
    folder = loop.train(settings, TinyStore())
    say(f"finished {folder}")


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def hang() -> None:
    say("hanging")
    time.sleep(600)  # until it is killed


class Announced:
    """Batches that say when they are made."""

    def __init__(self, batches, aloud: bool):
        self.batches, self.aloud = batches, aloud

    def __getattr__(self, name):
        return getattr(self.batches, name)

    def __call__(self, step):
        if self.aloud:
            say(f"step {step}")
        return self.batches(step)


class HalfWritten:
    """NumPy, but the third checkpoint is never written to its end."""

    def __init__(self):
        self.count = 0

    def __getattr__(self, name):
        return getattr(np, name)

    def savez(self, file, **arrays):
        self.count += 1
        if self.count == 3:
            file.write(b"PK" + bytes(1000))
            file.flush()
            hang()
        np.savez(file, **arrays)


class HangsBeforeOutcome:
    """The module `files`, but the outcome is never written."""

    def __init__(self, files):
        self.files = files

    def __getattr__(self, name):
        return getattr(self.files, name)

    def write_json(self, path, value):
        if path.name == "outcome.json":
            hang()
        self.files.write_json(path, value)


main()
