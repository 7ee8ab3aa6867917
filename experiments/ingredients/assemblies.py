"""Other ways to put network, denoiser and loss together than `helpers.training.model.plain`."""

import math
from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers, ops

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.networks.blocks import PATCH_SHAPE
from helpers.settings import TrainingSettings
from helpers.training.model import described_views, each_view, make_loss
from helpers.training.registry import ASSEMBLIES
from helpers.training.runs import load_network

PIXELS = math.prod(PATCH_SHAPE)


def raw(
    settings: TrainingSettings, network: keras.Model, denoiser_run: Path | None
) -> tuple[keras.Model, keras.Model, Callable]:
    """As "plain", but the loss looks at vectors before their scaling to unit length."""
    parts = described_views(settings, network, denoiser_run, raw_vectors(network))
    saved, views, vectors, _ = parts
    return saved, keras.Model(views, vectors), make_loss(settings)


def taught(
    settings: TrainingSettings,
    network: keras.Model,
    denoiser_run: Path | None,
    teacher: str = "",
    distillation: float = 0.0,
    reconstruction: float = 0.0,
) -> tuple[keras.Model, keras.Model, list[Callable]]:
    """As "plain", and what is made of the noisy views shall be as what is made of their twins.

    The batches are "ChangedViews" with `twins`.

    Args:
        teacher: name of the run folder of a direct descriptor that has learned from clean patches.
        distillation: weight of the squared distance to the teacher's descriptors.
        reconstruction: weight of the mean error, in grey levels, of a denoiser that learns along.

    Raises:
        InputError: options do not fit together, or the teacher's folder is missing.
    """
    if reconstruction and settings.joining != "end_to_end":
        raise InputError("Only a denoiser that learns along can be asked for reconstruction.")
    if (distillation > 0) != bool(teacher):
        raise InputError("Distillation and a teacher's run need each other: give both or none.")
    saved, views, vectors, denoised = described_views(settings, network, denoiser_run, network)
    beside = [vectors]
    if reconstruction:
        beside = [ops.reshape(denoised, (-1, vectors.shape[1], PIXELS)), vectors]
    model = keras.Model(views, [vectors, ops.concatenate(beside, axis=-1)])
    master = load_network(paths.RUNS / teacher) if teacher else None

    def twin_loss(clean, found):
        total, pixels = 0.0, PIXELS if reconstruction else 0
        if reconstruction:
            error = ops.reshape(clean, (-1, clean.shape[1], pixels)) - found[..., :pixels]
            total += reconstruction * ops.mean(ops.abs(error))
        if master:  # Hinton et al., arXiv 1503.02531
            distance = ops.square(found[..., pixels:] - each_view(master, clean))
            total += distillation * ops.mean(ops.sum(distance, axis=-1))
        return total

    return saved, model, [make_loss(settings), twin_loss]


def raw_vectors(descriptor: keras.Model) -> keras.Model:
    """The descriptor without the scaling to unit length at its end, if it ends so."""
    last = descriptor.layers[-1]
    if not isinstance(last, layers.UnitNormalization):
        return descriptor
    return keras.Model(descriptor.input, last.input, name=f"{descriptor.name}_raw")


ASSEMBLIES |= {"raw": raw, "taught": taught}
