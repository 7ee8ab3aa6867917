"""Runs the official HPatches evaluator on prepared input; started by `benchmark.py`.

    python official.py CHECKOUT FOLDER

Stands alone, since the evaluator fails with today's NumPy and pandas; Python 3.8 with NumPy 1.23,
pandas 1.5, SciPy 1.10, joblib and tqdm does. FOLDER holds the descriptors as `<sequence>.npy` of
shape (16, N, D), the task lists of the split `own` and its `splits.json`; `official.npz` is left
there, with the scores of each task and its seconds, by the clock and of the processor.
"""

import json
import os
import sys
import time
import types

import numpy as np

STRIPS = ["ref"] + [level + str(image) for level in "eht" for image in range(1, 6)]
POOLS = (100, 500, 1000, 5000, 10000, 15000, 20000)


def load_evaluator(checkout):
    """Its module of tasks; OpenCV, which it imports for drawing only, need not be there."""
    sys.modules["cv2"] = types.ModuleType("cv2")
    sys.path.insert(0, os.path.join(checkout, "python"))
    from utils import tasks

    return tasks


def load_input(folder):
    """The descriptors in memory, in the form that the evaluator expects, and the split."""
    with open(os.path.join(folder, "splits.json")) as file:
        split = json.load(file)["own"]
    given = {"distance": "L2"}
    for name in split["test"]:
        strips = np.load(os.path.join(folder, name + ".npy"))
        given[name] = types.SimpleNamespace(**{s: strips[i] for i, s in enumerate(STRIPS)})
        given["dim"] = strips.shape[2]
    return given, split


def timed(evaluate, given, split):
    start = time.perf_counter(), time.process_time()
    results = evaluate(given, split)
    return results, (time.perf_counter() - start[0], time.process_time() - start[1])


def main(checkout, folder):
    tasks = load_evaluator(checkout)
    tasks.tskdir = folder
    given, split = load_input(folder)
    out, seconds = {}, {}
    results, seconds["verification"] = timed(tasks.eval_verification, given, split)
    parts = (("balanced", "auc"), ("imbalanced", "ap"))
    out["verification"] = [
        [
            [results[level][kind][part][score] for part, score in parts]
            for kind in ("inter", "intra")
        ]
        for level in "eht"
    ]
    results, seconds["matching"] = timed(tasks.eval_matching, given, split)
    out["matching"] = [
        [[results[name][level][image]["ap"] for image in range(1, 6)] for level in "eht"]
        for name in split["test"]
    ]
    results, seconds["retrieval"] = timed(tasks.eval_retrieval, given, split)
    out["retrieval"] = [
        [[results[query][level][pool]["ap"] for pool in POOLS] for level in "eht"]
        for query in range(len(results))
    ]
    np.savez(os.path.join(folder, "official.npz"), seconds=list(seconds.values()), **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
