"""What differs between Keras' backends and devices; all other files are backend-neutral."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# XLA reads this once, before its first computation; it matters on GPUs only.
if "xla_gpu_deterministic_ops" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    )

import keras


def make_deterministic(seed: int) -> None:
    """Seeds all that draws at random, and asks for operations whose sums have one order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
        torch.use_deterministic_algorithms(True, warn_only=True)


def seed_step(seed: int, step: int) -> None:
    """Seeds what no checkpoint holds: on PyTorch, dropout draws from a global generator.

    Called before each step, so that no bit depends on where checkpoints were made.
    """
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed * 2**32 + step)


def compile_whole_step() -> bool | str:
    """Whether XLA compiles the training step, for `Model.compile`.

    Not on TensorFlow: on a CPU its own kernels are up to three times faster than what XLA makes of
    these networks, and on a GPU it has no deterministic operations with XLA. JAX has nothing else.
    """
    return False if keras.backend.backend() == "tensorflow" else "auto"


@contextmanager
def data_parallel(batch: int) -> Iterator[int]:
    """Shares each batch among the local devices (JAX only); yields how many take part.

    The batch stays one batch: statistics and in-batch negatives are those of all of it. Every
    device gets equally much, so only as many take part as divide `batch`.
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    count = max((n for n in range(1, len(devices) + 1) if batch % n == 0), default=1)
    if count == 1:
        yield 1
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices[:count], auto_shard_dataset=False)
    )
    try:
        yield count
    finally:
        keras.distribution.set_distribution(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend says that the device's memory is full."""
    text = f"{type(error).__name__} {error}".lower()
    return any(
        words in text
        for words in ("resource_exhausted", "resourceexhausted", "out of memory", "outofmemory")
    )
