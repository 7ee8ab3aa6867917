"""Our numbers are those of the official evaluator, on its own inputs and outputs."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers import benchmark
from helpers.benchmark.layout import LEVELS, STRIPS
from helpers.benchmark.metrics import precision_recall_curve

ORACLE = Path(__file__).parent / "oracle"
CASES = ["float_L2", "float_L1", "ties_L2", "dup_L2", "float_L2_pcapl"]
CLOSE = {"rtol": 0, "atol": 1e-12}


def descriptors_of(case):
    with np.load(ORACLE / f"desc_{case}.npz") as file:
        names = sorted({key.split("__")[0] for key in file})
        return {name: np.stack([file[f"{name}__{strip}"] for strip in STRIPS]) for name in names}


@pytest.fixture(scope="module", params=CASES)
def both(request):
    """Our scores of a case and the official answers."""
    expected = json.loads((ORACLE / f"out_{request.param}.json").read_text())
    descriptors = descriptors_of(expected["case"])
    tasks = benchmark.read_tasks(ORACLE / "tasks", "s")
    if expected["pcapl"]:
        split = benchmark.load_split("s", ORACLE / "tasks")
        descriptors = benchmark.pca_power_law(descriptors, split.train, split.test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ties, which two cases are full of
        scores = benchmark.evaluate(descriptors, tasks, expected["distance"], expected["at_ranks"])
    return scores, expected


def test_verification_equals_the_oracle(both):
    scores, expected = both
    for level in LEVELS:
        for kind, values in expected["verification"][level[0]].items():
            ours = scores.verification.scores[level][kind]
            np.testing.assert_allclose(ours["auc"], values["auc"], **CLOSE)
            np.testing.assert_allclose(ours["ap"], values["ap"], **CLOSE)


def test_matching_equals_the_oracle(both):
    scores, expected = both
    ours = scores.to_json()["matching"]["sequences"]
    assert ours.keys() == expected["matching"].keys()
    for name, strips in expected["matching"].items():
        for strip, values in strips.items():
            np.testing.assert_allclose(ours[name][strip]["ap"], values["ap"], **CLOSE)
            assert ours[name][strip]["sr"] == values["sr"]


def test_retrieval_equals_the_oracle_query_by_query(both):
    scores, expected = both
    theirs = np.array(
        [
            [[levels[level[0]][str(k)] for k in expected["at_ranks"]] for level in LEVELS]
            for levels in (expected["retrieval"][str(q)] for q in range(len(expected["retrieval"])))
        ]
    )
    np.testing.assert_allclose(scores.retrieval.ap, theirs, **CLOSE)


def test_summary_scores_equal_the_oracle(both):
    scores, expected = both
    summary = expected["summary"]
    np.testing.assert_allclose(scores.V, summary["verification_map"], **CLOSE)
    np.testing.assert_allclose(scores.M, summary["matching_map"], **CLOSE)
    np.testing.assert_allclose(scores.matching.levels, summary["matching_eht"], **CLOSE)
    np.testing.assert_allclose(scores.R, summary["retrieval_map"], **CLOSE)


def test_distances_and_curves_equal_the_oracle():
    tasks = benchmark.read_tasks(ORACLE / "tasks", "s")
    scores = benchmark.evaluate(descriptors_of("float"), tasks, run=["verification"])
    ours = scores.verification.distances
    with np.load(ORACLE / "curves_float_L2.npz") as curves:
        for index, level in enumerate(LEVELS):
            for kind, key in (("positive", "pos"), ("intra", "neg_intra"), ("inter", "neg_inter")):
                theirs = curves[f"dist_{key}_{level[0]}"].ravel()
                np.testing.assert_array_equal(ours[kind][index], theirs)
        hard = 1
        positive = ours["positive"][hard]
        for kind in ("inter", "intra"):
            few = positive[: scores.verification.imbalanced]
            precision, recall = precision_recall_curve(few, ours[kind][hard])
            for name, values in (("imbalanced_pr", precision), ("imbalanced_rc", recall)):
                np.testing.assert_allclose(values, curves[f"h_{kind}_{name}"], **CLOSE)
