"""Metrics, against values worked out by hand."""

import numpy as np
import pytest

from helpers.benchmark import metrics


def test_average_precision_of_all_first_is_one():
    assert metrics.average_precision([1, 2, 3], 3) == 1


def test_average_precision_by_hand():
    # Hits at ranks 1 and 3 of 2 positives: ((1 + 1/1) / 2 + (1/2 + 2/3) / 2) / 2.
    assert metrics.average_precision([1, 3], 2) == pytest.approx((1 + 7 / 12) / 2, abs=1e-15)


def test_average_precision_without_hits_is_zero():
    assert metrics.average_precision(np.empty(0), 5) == 0


def test_misses_count_against_matching():
    # One of two matches is right and the nearest: recall ends at one half.
    assert metrics.matching_ap(np.array([0.1, 0.2]), np.array([True, False])) == 0.5


def test_auc_counts_ties_as_wrong():
    assert metrics.verification_auc(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == 0.5


def test_pessimistic_matching_puts_wrong_matches_first_on_ties():
    distances, correct = np.ones(2), np.array([True, False])
    assert metrics.matching_ap(distances, correct) == 0.5
    assert metrics.matching_ap(distances, correct, pessimistic=True) == pytest.approx(0.125)


def test_the_area_under_the_curve_is_the_score():
    rng = np.random.default_rng(0)
    positive, negative = np.sort(rng.integers(0, 20, 50)), np.sort(rng.integers(5, 30, 80))
    precision, recall = metrics.precision_recall_curve(positive, negative)
    ap = np.trapezoid(precision, recall)
    assert metrics.verification_ap(positive, negative) == pytest.approx(ap, abs=1e-12)
