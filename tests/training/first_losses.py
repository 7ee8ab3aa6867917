"""Prints the first losses of a tiny training on the backend and devices of its environment.

For tests that compare them; not a test itself. Argument: a folder for the run.
"""

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import pandas as pd
from conftest import TinyStore

from helpers import training
from helpers.common import paths
from helpers.settings import SMOKE
from helpers.training import backend, model

SETTINGS = replace(
    SMOKE.improved_descriptor,
    batch=8,
    epochs=2,
    validations=2,
    augment=True,  # else so few points are soon learned by heart, and small losses differ more
    joining="direct",
    network_options={"width": 4, "dropout": 0.0},  # each backend draws other random numbers
)


def main(folder: str) -> None:
    paths.RUNS = Path(folder)
    # Initial weights are drawn differently by each backend, so they come from NumPy.
    make = training.make_network
    model.make_network = lambda settings: same_weights(make(settings))
    sys.stdout, out = sys.stderr, sys.stdout
    devices, share = [], backend.data_parallel

    @contextmanager
    def counted(batch):
        with share(batch) as count:
            devices.append(count)
            yield count

    backend.data_parallel = counted
    run = training.train(SETTINGS, TinyStore())
    losses = pd.read_csv(run / "steps.csv")["loss"].tolist()
    print(json.dumps({"losses": losses, "devices": devices[0]}), file=out)


def same_weights(network: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        scale = 1 / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(rng.normal(0, scale, variable.shape))
    return network


if __name__ == "__main__":
    main(sys.argv[1])
