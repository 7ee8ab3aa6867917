"""TensorFlow without its greetings; all else that is written to stderr stays."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# Lines that say how TensorFlow was built, or that there is no GPU: nothing that a user could mend.
GREETING = "|".join(
    [
        r"All log messages before absl::InitializeLog\(\) is called",
        r"cudart_stub\.cc.*Could not find cuda drivers on your machine",
        r"failed call to cuInit: .*(\(303\)|no CUDA-capable device)",
        r"Unable to register cu(FFT|DNN|BLAS|dnn) factory",
        r"computation placer already registered",
        r"cpu_feature_guard\.cc.*optimized to use available CPU instructions",
        r"To enable the following instructions: .* rebuild TensorFlow",
        r"oneDNN custom operations are on",
        r"TF-TRT Warning: Could not find TensorRT",
    ]
)


class QuietTensorFlow:
    """Loads TensorFlow in silence, whoever imports it; to be put into `sys.meta_path`."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader.exec_module = partial(_load, spec.loader.exec_module)
        return spec


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    with without_greeting():
        load(module)
        module.config.list_physical_devices()  # here it looks for a GPU, and says so
    # Every network is traced once, which looks like too often where there are many.
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))


@contextmanager
def without_greeting() -> Iterator[None]:
    """Leaves GREETING out of what this process and its libraries write to stderr meanwhile.

    Another process passes the rest on, so that nothing is lost should this one die here.
    """
    try:
        kept = os.dup(2)
        command = ["grep", "-a", "-v", "-E", GREETING]
        how = {"stdin": subprocess.PIPE, "stdout": kept, "start_new_session": True}
        passing_on = subprocess.Popen(command, **how)
    except OSError:  # no grep (Windows) or no stderr: then all is shown
        yield
        return
    os.dup2(passing_on.stdin.fileno(), 2)
    try:
        yield
    finally:
        if sys.stderr:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        passing_on.communicate()
