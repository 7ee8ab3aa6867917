"""Our fast code equals the definition, written down plainly: loops, `cdist`, stable sort."""

import warnings

import numpy as np
import pytest
from scipy.spatial import distance as scipy_distance

from helpers import benchmark
from helpers.benchmark.layout import LEVELS
from helpers.benchmark.verification import KINDS

POOLS = (10, 20, 60)
NAMES = {"L2": "euclidean", "L1": "cityblock"}


def naive_ap(distances, labels, positives):
    """Trapezoid under precision against recall, rows in stable order of distance."""
    hits = np.concatenate([[0], np.cumsum(labels[np.argsort(distances, kind="stable")])])
    precision = np.maximum(hits, 1e-10) / np.maximum(np.arange(len(hits)), 1e-10)
    return np.trapezoid(precision, hits / positives)


def naive_auc(distances, labels):
    hits = np.concatenate([[0], np.cumsum(labels[np.argsort(distances, kind="stable")])])
    misses = np.arange(len(hits)) - hits
    return np.trapezoid(hits / hits[-1], misses / misses[-1])


def naive_verification(descriptors, tasks, metric):
    """(3, inter and intra, auc and ap)."""
    measure = getattr(scipy_distance, NAMES[metric])

    def distances(pairs, level):
        strips = [[5 * level + t if t else 0 for t in pairs[:, column]] for column in (1, 4)]
        return np.array(
            [
                measure(
                    descriptors[tasks.sequences[row[0]]][first, row[2]],
                    descriptors[tasks.sequences[row[3]]][second, row[5]],
                )
                for row, first, second in zip(pairs, *strips, strict=True)
            ]
        )

    out = np.empty((3, 2, 2))
    for level in range(3):
        positive = distances(tasks.positive, level)
        few = positive[: int(0.2 * len(positive))]
        for k, kind in enumerate(KINDS):
            negative = distances(getattr(tasks, kind), level)
            for m, some in enumerate((positive, few)):
                both = np.concatenate([negative, some])
                labels = np.arange(len(both)) >= len(negative)
                out[level, k, m] = (
                    naive_ap(both, labels, len(some)) if m else naive_auc(both, labels)
                )
    return out


def naive_matching(descriptors, tasks, metric):
    """(sequences, 3, 5) average precision."""
    out = np.empty((len(tasks.sequences), 15))
    for s, name in enumerate(tasks.sequences):
        reference, *targets = descriptors[name]
        for t, target in enumerate(targets):
            table = scipy_distance.cdist(reference, target, NAMES[metric])
            match = table.argmin(axis=1)
            rows = np.arange(len(table))
            out[s, t] = naive_ap(table[rows, match], match == rows, len(rows))
    return out.reshape(-1, 3, 5)


def naive_retrieval(descriptors, tasks, metric, pools):
    """(queries, 3, pools) average precision."""
    out = np.empty((len(tasks.queries), 3, len(pools)))
    rows = tasks.distractors
    distractors = np.array([descriptors[tasks.sequences[s]][0, i] for s, i in rows])
    for q, (s, i) in enumerate(tasks.queries):
        strips = descriptors[tasks.sequences[s]]
        others = distractors[rows[:, 0] != s]
        for level in range(3):
            views = strips[5 * level + 1 : 5 * level + 6, i]
            pool = np.concatenate([views, others])
            table = scipy_distance.cdist(strips[:1, i], pool, NAMES[metric])[0]
            for p, k in enumerate(pools):
                labels = np.arange(len(table[:k])) < 5
                out[q, level, p] = naive_ap(table[:k], labels, 5)
    return out


def noisy_views(rng, sequences=3, points=40, size=24):
    names = [f"v_{index}" for index in range(sequences)]
    out = {}
    for name in names:
        base = rng.standard_normal((points, size))
        noise = rng.standard_normal((16, points, size)) * np.linspace(0, 1.5, 16)[:, None, None]
        out[name] = (base + noise).astype(np.float32)
    return out


def offset(descriptors):
    """A common part a thousand times larger: naive float32 arithmetic loses the rest."""
    return {name: each + np.float32(1000) for name, each in descriptors.items()}


def coarse(descriptors):
    """Few different values, so that most distances are tied."""
    return {name: np.rint(each[..., :4]) for name, each in descriptors.items()}


def nearly_tied(descriptors):
    """Distances that differ in the last bits of float32 only."""
    tiny = np.float32(1e-7)
    return {name: 1 + tiny * np.rint(3 * each) for name, each in descriptors.items()}


def huge(descriptors):
    return {name: each * np.float32(1e14) for name, each in descriptors.items()}


def one_outlier(descriptors):
    out = {name: each.copy() for name, each in descriptors.items()}
    out["v_1"][3, 7] *= 1e6
    return out


def repeated(descriptors):
    """Two different rows a strip, each twenty times."""
    return {name: each[:, np.arange(each.shape[1]) // 20] for name, each in descriptors.items()}


def flat_strips(descriptors):
    """All rows of a strip alike, so that every distance from it to another is tied."""
    return {name: np.repeat(each[:, :1], 40, axis=1) for name, each in descriptors.items()}


def one_hot(descriptors):
    """Only two distances there are, between rows that differ."""
    return {
        name: np.eye(24, dtype=np.float32)[each.argmax(-1)] for name, each in descriptors.items()
    }


def one_number(descriptors):
    return {name: each[..., :1] for name, each in descriptors.items()}


def unchanged(descriptors):
    return descriptors


CASES = [
    unchanged,
    offset,
    coarse,
    nearly_tied,
    huge,
    one_outlier,
    repeated,
    flat_strips,
    one_hot,
    one_number,
]


@pytest.fixture(
    scope="module",
    params=[(change, metric) for change in CASES for metric in NAMES],
    ids=lambda pair: f"{pair[0].__name__}-{pair[1]}",
)
def case(request):
    change, metric = request.param
    descriptors = change(noisy_views(np.random.default_rng(0)))
    lengths = {name: each.shape[1] for name, each in descriptors.items()}
    tasks = benchmark.generate_tasks(lengths, pairs=300, queries=20, distractors=90)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ties, which some cases are full of
        scores = benchmark.evaluate(descriptors, tasks, metric, POOLS)
    return descriptors, tasks, metric, scores


def test_verification_is_the_definition(case):
    descriptors, tasks, metric, scores = case
    ours = [
        [list(scores.verification.scores[level][kind].values()) for kind in KINDS]
        for level in LEVELS
    ]
    expected = naive_verification(descriptors, tasks, metric)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_matching_is_the_definition(case):
    descriptors, tasks, metric, scores = case
    expected = naive_matching(descriptors, tasks, metric)
    np.testing.assert_allclose(scores.matching.ap, expected, rtol=0, atol=1e-12)


def test_retrieval_is_the_definition(case):
    descriptors, tasks, metric, scores = case
    expected = naive_retrieval(descriptors, tasks, metric, POOLS)
    np.testing.assert_allclose(scores.retrieval.ap, expected, rtol=0, atol=1e-12)
