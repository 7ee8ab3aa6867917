"""From settings to a model that is ready for its first step: network, loss, optimiser."""

from collections.abc import Callable
from pathlib import Path

import keras
from keras import ops

from helpers.common.errors import InputError
from helpers.networks.blocks import PATCH_SHAPE
from helpers.networks.pipeline import join, join_end_to_end
from helpers.settings import TrainingSettings
from helpers.training import backend
from helpers.training.losses import LOSSES
from helpers.training.registry import ASSEMBLIES, BATCHES, find, networks
from helpers.training.runs import load_network


def compiled(
    settings: TrainingSettings, denoiser_run: Path | None, steps: int
) -> tuple[keras.Model, keras.Model]:
    """The network that is saved and the model around it that is trained.

    `denoiser_run` is that of the denoiser in front of a descriptor, if any; over `steps` the
    learning rate falls. Raises InputError if a name in the settings is not known.
    """
    backend.make_deterministic(settings.seed)
    assemble = find("assembly", settings.assembly, ASSEMBLIES, settings.assembly_options)
    network, model, loss = assemble(settings, make_network(settings), denoiser_run)
    model.compile(make_optimizer(settings, steps), loss, jit_compile=backend.compile_whole_step())
    model.optimizer.build(model.trainable_variables)  # else a checkpoint has nothing to fill
    return network, model


def make_network(settings: TrainingSettings) -> keras.Model:
    """A new, untrained network by its name."""
    known = networks(settings.role)
    return find(settings.role, settings.network, known, settings.network_options)()


def make_loss(settings: TrainingSettings) -> Callable:
    """The loss by its name, with its options."""
    options = dict(settings.loss_options)
    if "views_per_level" in settings.batch_options:
        options["views_per_level"] = settings.batch_options["views_per_level"]
    return find("loss", settings.loss, LOSSES, options)


def make_optimizer(settings: TrainingSettings, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser, with its learning rate over `steps` steps."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        warm_up = steps // 20
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 20, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    if settings.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    momentum = {"sgd": 0.0, "nesterov": 0.9}[settings.optimizer]
    return keras.optimizers.SGD(rate, momentum=momentum, nesterov=momentum > 0)


def check(settings: TrainingSettings, denoiser_run: Path | None) -> None:
    """Raises InputError for all that can be told to be wrong before anything is built."""
    check_functions(settings)
    if settings.batches == "Triplets" and settings.triplets < settings.batch:
        raise InputError(
            f"triplets cannot be {settings.triplets}: an epoch of Triplets needs at least one "
            f"batch of {settings.batch}."
        )
    if settings.role == "denoiser":
        return
    if settings.joining == "end_to_end" and not denoiser_run:
        raise InputError("End to end needs a denoiser to begin with: give its run folder.")
    if settings.joining == "direct" and denoiser_run:
        raise InputError("A direct descriptor has no denoiser in front: leave that run out.")


def check_functions(settings: TrainingSettings) -> None:
    """Raises InputError if what settings choose by name is not there or takes no such options."""
    find("assembly", settings.assembly, ASSEMBLIES, settings.assembly_options)
    find("batches", settings.batches, BATCHES, settings.batch_options)
    find(settings.role, settings.network, networks(settings.role), settings.network_options)
    make_loss(settings)


# Assemblies take settings, network and denoiser_run, and give three things: the network that is
# saved, the model that is fitted to what the batches hold, and its loss.


def plain(
    settings: TrainingSettings, network: keras.Model, denoiser_run: Path | None
) -> tuple[keras.Model, keras.Model, Callable]:
    """A denoiser as it is; a descriptor on each of K views, behind its denoiser if it has one."""
    if settings.role == "denoiser":
        # A model of its own, so that the network is saved without loss and optimiser.
        return network, keras.Model(network.input, network.output), make_loss(settings)
    saved, views, vectors, _ = described_views(settings, network, denoiser_run, network)
    return saved, keras.Model(views, vectors), make_loss(settings)


def described_views(
    settings: TrainingSettings,
    network: keras.Model,
    denoiser_run: Path | None,
    describing: keras.Model,
) -> tuple:
    """What is saved, K views (B, K, 32, 32, 1), their descriptors (B, K, D), the denoised views.

    The last are None unless the denoiser learns along. `describing` is the descriptor `network`, or
    a model that shares its weights.
    """
    count = 1 + 3 * settings.batch_options.get("views_per_level", 1)
    count = 3 if settings.batches == "Triplets" else count
    views, denoised = keras.Input((count, *PATCH_SHAPE), name="views"), None
    denoiser = load_network(denoiser_run) if denoiser_run else None
    if settings.joining == "end_to_end":
        denoised = each_view(denoiser, views)
        network, vectors = join_end_to_end(denoiser, network), each_view(describing, denoised)
    else:
        if denoiser:
            denoiser.trainable = False
        vectors = each_view(join(denoiser, describing), views)
    return network, views, vectors, denoised


def each_view(network: keras.Model, views):
    """The network on each of K views: (B, K, 32, 32, 1) -> (B, K, ...).

    One pass a view, not one pass over all: batch statistics are those of one kind of view, as in
    the three weight-sharing copies of the coursework and in HardNet.
    """
    return ops.stack([network(views[:, number]) for number in range(views.shape[1])], axis=1)


ASSEMBLIES["plain"] = plain
