"""Search for good settings with Optuna, by any number of workers that share one storage.

A search space is plain data (see `space`). Each trial trains one run, which is measured on
validation scenes only. A worker is a process that calls `search`; workers with the same arguments,
on one machine or on many, work on the same study, and any of them may be killed at any moment.
"""

from helpers.search.improved import search_improved, winner_path, with_winner
from helpers.search.results import best_settings, importances, space_table, trials_table
from helpers.search.searching import search
from helpers.search.space import check_space, suggest, with_values
from helpers.search.studies import open_study
from helpers.search.winner import read_winner, summary, verdict, write_winner

__all__ = [
    "best_settings",
    "check_space",
    "importances",
    "open_study",
    "read_winner",
    "search",
    "search_improved",
    "space_table",
    "suggest",
    "summary",
    "trials_table",
    "verdict",
    "winner_path",
    "with_values",
    "with_winner",
    "write_winner",
]
