"""Spreads independent pieces of work over threads, one BLAS thread in each."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

MEMORY = 32 * 2**20  # bytes of blocks; smaller ones are slower, larger ones no faster
_blas = cache(ThreadpoolController)  # looks through all loaded libraries, hence only once


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Resources:
    """How much of the machine may be used, and whether it is shown how far the work is.

    Attributes:
        threads: how many at a time; None for all cores.
        memory: bytes of blocks of distances, all threads together. Descriptors, lists and results
            come on top; descriptors that `read_descriptors` maps need no memory of their own.
        progress: show progress bars.
    """

    threads: int | None = None
    memory: int = MEMORY
    progress: bool = False

    @property
    def share(self) -> int:
        """Bytes of blocks of distances for one thread."""
        return self.memory // (self.threads or cores())

    def spread(
        self, work: Callable[[Any], Any], items: Iterable[Any], title: str | None = None
    ) -> list[Any]:
        """Calls `work(item)` for every item and returns the results in the order of the items.

        Whole items go to the threads (NumPy and the compiled loops let others run meanwhile), which
        keeps two cores busier than sharing each small matrix product between them. After an error
        no further calls are started. Without a title there is no bar.
        """
        items = list(items)
        bar = {"total": len(items), "leave": False, "disable": not (title and self.progress)}
        with _blas().limit(limits=1), ThreadPoolExecutor(self.threads or cores()) as pool:
            return list(tqdm(pool.map(work, items), title, **bar))


DEFAULTS = Resources()
