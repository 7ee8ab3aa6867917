"""The HPatches benchmark: verification, matching and retrieval of patch descriptors.

Stands alone: it knows descriptors and task lists, neither networks nor the rest of this project.

    from helpers import benchmark
    tasks = benchmark.generate_tasks({name: d.shape[1] for name, d in descriptors.items()})
    scores = benchmark.evaluate(descriptors, tasks)
    print(scores.V, scores.M, scores.R, scores.S)
"""

from .errors import BenchmarkError
from .layout import LEVELS, POOLS, STRIPS, TASKS
from .scores import Scores, evaluate
from .splits import Split, load_split
from .tasks import Tasks, generate_tasks, read_tasks, write_tasks
from .whitening import pca_power_law

__all__ = [
    "LEVELS",
    "POOLS",
    "STRIPS",
    "TASKS",
    "BenchmarkError",
    "Scores",
    "Split",
    "Tasks",
    "evaluate",
    "generate_tasks",
    "load_split",
    "pca_power_law",
    "read_tasks",
    "write_tasks",
]
