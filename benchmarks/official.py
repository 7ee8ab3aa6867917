"""Runs the official HPatches evaluator on prepared input; started by `benchmark.py`.

    python official.py CHECKOUT FOLDER

Imports nothing of this project but `helpers/benchmark/layout.py`, since the evaluator fails with
today's NumPy and pandas; Python 3.8 with NumPy 1.23, pandas 1.5, SciPy 1.10, joblib and tqdm does.
FOLDER holds the descriptors as `<sequence>.npy` of shape (16, N, D), the task lists of the split
`own` and its `splits.json`; `official.npz` is left there, with the scores of each task and its
seconds, by the clock and of the processor.
"""

import json
import os
import sys
import time
import types

import numpy as np

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "helpers", "benchmark"))
from layout import LEVELS, POOLS, STRIPS

KEYS = [level[0] for level in LEVELS]


def load_evaluator(checkout, folder):
    """Its module of tasks; OpenCV, which it imports for drawing only, need not be there."""
    sys.modules["cv2"] = types.ModuleType("cv2")
    sys.path.insert(0, os.path.join(checkout, "python"))
    from utils import tasks

    tasks.tskdir = folder
    return tasks


def load_input(folder):
    """The descriptors in memory, in the form that the evaluator expects, and the split."""
    with open(os.path.join(folder, "splits.json")) as file:
        split = json.load(file)["own"]
    given = {"distance": "L2"}
    for name in split["test"]:
        strips = np.load(os.path.join(folder, name + ".npy"))
        given[name] = types.SimpleNamespace(**dict(zip(STRIPS, strips)))  # noqa: B905, Python 3.8
        given["dim"] = strips.shape[2]
    return given, split


def verification(found, split):
    parts = (("balanced", "auc"), ("imbalanced", "ap"))
    return [
        [[found[key][kind][part][score] for part, score in parts] for kind in ("inter", "intra")]
        for key in KEYS
    ]


def matching(found, split):
    images = range(1, 6)
    return [[[found[n][key][i]["ap"] for i in images] for key in KEYS] for n in split["test"]]


def retrieval(found, split):
    queries = range(len(found))
    return [[[found[q][key][pool]["ap"] for pool in POOLS] for key in KEYS] for q in queries]


def main(checkout, folder):
    tasks, (given, split) = load_evaluator(checkout, folder), load_input(folder)
    out = {"seconds": []}
    for read in (verification, matching, retrieval):
        start = time.perf_counter(), time.process_time()
        found = getattr(tasks, "eval_" + read.__name__)(given, split)
        out["seconds"].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        out[read.__name__] = read(found, split)
    np.savez(os.path.join(folder, "official.npz"), **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
