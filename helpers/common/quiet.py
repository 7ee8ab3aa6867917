"""TensorFlow without its greeting: how it was built, and that there is no GPU."""

import logging
import os
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class QuietTensorFlow:
    """Loads TensorFlow in silence, whoever imports it; to be put into `sys.meta_path`.

    TF_CPP_MIN_LOG_LEVEL alone, at any level, leaves four lines. All that the system's stderr gets
    meanwhile is dropped; Python's exceptions are not.
    """

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader.exec_module = partial(_load, spec.loader.exec_module)
        return spec


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        load(module)
        module.config.list_physical_devices()  # here it looks for a GPU, and says so
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    # Every network is traced once, which looks like too often where there are many.
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))
