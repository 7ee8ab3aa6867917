"""Search for good settings with Optuna, by any number of workers that share one storage.

A search space is plain data (see `space`). Each trial trains one run, which is measured on
validation scenes only. A worker is a process that calls `search`; workers with the same arguments,
on one machine or on many, work on the same study, and any of them may be killed at any moment.
"""

from helpers.search.results import (
    read_winner,
    space_table,
    summary,
    trials_table,
    winner_file,
    write_winner,
)
from helpers.search.search import search, search_improved, space_of, winner_path, with_winner
from helpers.search.space import with_values
from helpers.search.trials import Objective

__all__ = [
    "Objective",
    "read_winner",
    "search",
    "search_improved",
    "space_of",
    "space_table",
    "summary",
    "trials_table",
    "winner_file",
    "winner_path",
    "with_values",
    "with_winner",
    "write_winner",
]
