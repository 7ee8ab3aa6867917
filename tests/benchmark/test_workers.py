"""Work is spread over threads, and comes back in order."""

import os
import time

import pytest

from helpers.benchmark.workers import Resources, cores


def test_results_come_in_the_order_of_the_items():
    waits = [0.02, 0, 0.01]
    assert Resources(threads=3).spread(lambda s: time.sleep(s) or s, waits) == waits


def test_after_an_error_no_further_calls_are_started():
    started = []

    def work(number):
        started.append(number)
        if number == 0:
            raise ValueError("the first one")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="the first one"):
        Resources().spread(work, range(500))
    assert len(started) < 250


def test_the_memory_is_shared_by_the_threads():
    assert Resources(threads=4, memory=100).share == 25


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_only_the_cores_of_this_process_count():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cores() == len(before)
