"""Spreads independent pieces of work over threads, one BLAS thread in each."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, hence only once


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """`threads`, or the number of cores that this process may use for None."""
    return threads or cores()


def spread(
    work: Callable[[Any], Any],
    items: Iterable[Any],
    threads: int | None = None,
    progress: str | None = None,
) -> list[Any]:
    """Calls `work(item)` for every item and returns the results in the order of the items.

    Whole items go to the threads (NumPy and the compiled loops let others run meanwhile), which
    keeps two cores busier than sharing each small matrix product between them.

    Args:
        work: what to do; must be safe to call from several threads.
        items: what to do it to.
        threads: how many at a time; None for all cores.
        progress: title of a progress bar, or None for none.
    """
    items = list(items)
    with _blas().limit(limits=1), ThreadPoolExecutor(thread_count(threads)) as pool:
        results = pool.map(work, items)
        return list(tqdm(results, desc=progress, total=len(items), disable=progress is None))
