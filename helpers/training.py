"""Training: settings and a dataset in, one run folder with weights and history out.

A run folder holds `settings.json` (settings, dataset, seed, versions, device), `steps.csv` (the
loss of each training step), `history.csv` (validation loss at intervals), `model.keras` and
`outcome.json`. It appears under its name only when it is complete. The name ends in a hash of all
that decides the result, so that a finished run is loaded, never mistaken for one of other settings.
"""

import hashlib
import itertools
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from helpers import files, paths
from helpers.dataset import batches as batch_kinds
from helpers.dataset.store import PatchStore
from helpers.errors import InputError
from helpers.losses import LOSSES
from helpers.networks.blocks import PATCH_SHAPE, multiply_adds
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS
from helpers.networks.pipeline import join
from helpers.provenance import code_fingerprint, device, provenance
from helpers.settings import TrainingSettings


def train(settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None) -> Path:
    """Trains one network, or finds it trained already.

    Args:
        settings: all that decides the run apart from the data.
        store: patches; only its "train" and "validation" parts are looked at.
        denoiser_run: for a descriptor: the run folder of the denoiser in front of it, which stays
            as it is.

    Returns:
        The run folder.

    Raises:
        InputError: the loss became NaN, or the training part is smaller than one batch.
    """
    folder = run_folder(settings, store, denoiser_run)
    if folder.is_dir():
        print(f"{folder.name}: trained already, loaded.")
        return folder
    with files.atomic_path(folder) as temporary:
        temporary.mkdir()
        described = describe_run(settings, store, denoiser_run) | provenance()
        files.write_json(temporary / "settings.json", described)
        _train_into(temporary, settings, store, denoiser_run)
    return folder


def run_folder(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> Path:
    """Where the run of these settings on these data lives, trained or not."""
    decisive = describe_run(settings, store, denoiser_run) | {
        "code": code_fingerprint(),
        "backend": keras.backend.backend(),
    }
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return paths.RUNS / f"{settings.name}-{key[:10]}"


def find_run(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> Path:
    """The folder of a finished run.

    Raises:
        InputError: it has not been trained yet.
    """
    folder = run_folder(settings, store, denoiser_run)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is missing: train the {settings.name} with these settings first "
            "(the notebook before this one, or `python -m helpers train`)."
        )
    return folder


def denoiser_of(descriptor_run: Path) -> Path:
    """The run folder of the denoiser that a descriptor was trained behind.

    Raises:
        InputError: `descriptor_run` is not the folder of a descriptor, or the denoiser is gone.
    """
    name = files.read_json(descriptor_run / "settings.json").get("denoiser")
    if not name:
        raise InputError(f"{descriptor_run} is no descriptor's run: name one of a descriptor.")
    denoiser_run = descriptor_run.parent / name
    if not denoiser_run.is_dir():
        raise InputError(f"{denoiser_run} is missing: {descriptor_run.name} needs this denoiser.")
    return denoiser_run


def describe_run(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> dict:
    """Settings and data of a run as JSON-able values."""
    # Without clean 65 px patches (genuine N-HPatches) there is only the noise that was stored.
    redraw = settings.redraw and store.clean65 is not None
    return {
        "settings": asdict(settings) | {"redraw": redraw},
        "dataset": {"name": store.name, "fingerprint": store.fingerprint},
        "denoiser": denoiser_run.name if denoiser_run else None,
    }


def load_network(run: Path) -> keras.Model:
    """The trained network of a run folder, loaded in safe mode.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = run / "model.keras"
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is missing or damaged: delete the folder {run} and train again."
        ) from error


def _train_into(folder: Path, settings: TrainingSettings, store: PatchStore, denoiser_run) -> None:
    keras.utils.set_random_seed(settings.seed)
    batches, held_out = (make_batches(settings, store, part) for part in ("train", "validation"))
    network = make_network(settings)
    model = _training_model(settings, network, denoiser_run)
    steps = max(settings.validations, round(settings.epochs * batches.per_epoch))
    interval = math.ceil(steps / settings.validations)
    model.compile(
        make_optimizer(settings, steps), LOSSES[settings.loss], jit_compile=_compile_whole_step()
    )
    inputs, targets = validation_set(held_out, settings.validation_batches)
    record = _Record(batches.per_epoch, interval * settings.validations)
    before = model.evaluate(inputs, targets, batch_size=held_out.batch, verbose=0)
    record.add(0, 0.0, float("nan"), before)
    callbacks = [record]
    if settings.patience:
        callbacks.append(
            keras.callbacks.EarlyStopping(patience=settings.patience, restore_best_weights=True)
        )
    print(
        f"{settings.name}: {network.name}, {network.count_params():,} parameters, "
        f"{record.planned} steps of {settings.batch} on {store.name}."
    )
    started = time.perf_counter()
    model.fit(
        (batches(step) for step in itertools.count()),  # each batch is taken once and in order
        shuffle=False,  # the batches shuffle
        steps_per_epoch=interval,  # what Keras calls an epoch is the stretch between validations
        epochs=settings.validations,
        validation_data=(inputs, targets),
        validation_batch_size=held_out.batch,
        callbacks=callbacks,
        verbose=0,  # `record` prints a line at each validation
    )
    minutes = (time.perf_counter() - started) / 60
    record.write(folder)
    network.save(folder / "model.keras")
    views = math.prod(model.input_shape[1:]) // math.prod(PATCH_SHAPE)
    patches = len(record.losses) * settings.batch * views
    files.write_json(folder / "outcome.json", _outcome(network, record, minutes, patches, settings))


def make_batches(settings: TrainingSettings, store: PatchStore, part: str):
    """Training or validation batches; validation ones have stored noise and are not turned.

    Raises:
        InputError: the part holds less than one batch.
    """
    points, training = len(store.rows(part)), part == "train"
    options = {"store": store, "part": part, "batch": settings.batch, "seed": settings.seed}
    if settings.batches == "Triplets":
        options["count"] = settings.triplets
    else:
        options["redraw"] = training and settings.redraw and store.clean65 is not None
        options["augment"] = training and settings.augment
    if settings.batches == "Views" and not training:
        options["batch"] = max(2, min(settings.batch, points))
    batches = getattr(batch_kinds, settings.batches)(**options)
    if points < 2 or not batches.per_epoch:
        raise InputError(
            f"The {part} part of {store.name} has {points} points, less than one batch of "
            f"{settings.batch}: use another split, more scenes or a smaller batch."
        )
    return batches


def validation_set(batches, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` batches (or all there are) as arrays: the same ones at each validation."""
    inputs, targets = zip(*map(batches, range(min(count, batches.per_epoch))), strict=True)
    return np.concatenate(inputs), np.concatenate(targets)


def make_network(settings: TrainingSettings) -> keras.Model:
    """A new, untrained network by its name.

    Raises:
        InputError: there is no network of that name.
    """
    known = DENOISERS if settings.part == "denoiser" else DESCRIPTORS
    if settings.network not in known:
        raise InputError(
            f"There is no {settings.part} {settings.network!r}: choose one of {', '.join(known)}."
        )
    return known[settings.network](**settings.network_options)


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


def _compile_whole_step() -> bool | str:
    """Whether XLA compiles the training step.

    On a CPU, TensorFlow's own kernels are two to three times faster than what XLA makes of these
    networks; JAX has nothing else.
    """
    if keras.backend.backend() == "tensorflow" and device().startswith("cpu"):
        return False
    return "auto"


def _training_model(settings: TrainingSettings, network: keras.Model, denoiser_run) -> keras.Model:
    """What is fitted: the denoiser itself, or the descriptor on each of K denoised views."""
    if settings.part == "denoiser":
        return network
    encoder = network
    if denoiser_run:
        denoiser = load_network(denoiser_run)
        denoiser.trainable = False
        encoder = join(denoiser, network)
    views = keras.Input((3 if settings.batches == "Triplets" else 4, *PATCH_SHAPE), name="views")
    # One pass a view, not one pass over all: batch statistics are those of one kind of view, as
    # in the three weight-sharing copies of the coursework and in HardNet.
    outputs = [encoder(views[:, number]) for number in range(views.shape[1])]
    return keras.Model(views, ops.stack(outputs, axis=1))


class _Record(keras.callbacks.Callback):
    """Losses of every step and of every validation; prints how it goes and how long it takes."""

    def __init__(self, per_epoch: int, planned: int):
        super().__init__()
        self.per_epoch, self.planned = per_epoch, planned
        self.losses: list[float] = []
        self.rows: list[dict] = []

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self._mean, self._count = 0.0, 0

    def on_train_batch_end(self, batch, logs=None):
        # Keras hands out the mean since the last validation; the step's own loss follows from two.
        total, count = self._mean * self._count, self._count + 1
        self._mean, self._count = float(logs["loss"]), count
        self.losses.append(self._mean * count - total)
        if not math.isfinite(self._mean):
            raise InputError(
                f"The training loss became {self._mean} at step {len(self.losses)}: "
                "lower the learning rate."
            )

    def on_epoch_end(self, epoch, logs=None):
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.add(len(self.losses), rate, logs["loss"], logs["val_loss"])
        step, spent = len(self.losses), time.perf_counter() - self.started
        left = spent / step * (self.planned - step)
        print(
            f"  step {step:6,} of {self.planned:,}: loss {logs['loss']:.4f}, "
            f"validation {logs['val_loss']:.4f}, {left / 60:.1f} minutes left",
            flush=True,
        )

    def add(self, step: int, rate: float, loss: float, validation_loss: float) -> None:
        self.rows.append(
            {
                "epoch": step / self.per_epoch,
                "step": step,
                "loss": loss,
                "validation_loss": validation_loss,
                "learning_rate": rate,
            }
        )

    def write(self, folder: Path) -> None:
        steps = pd.DataFrame({"step": range(1, len(self.losses) + 1), "loss": self.losses})
        steps.to_csv(folder / "steps.csv", index=False)
        pd.DataFrame(self.rows).to_csv(folder / "history.csv", index=False)


def _outcome(network, record: _Record, minutes: float, patches: int, settings) -> dict:
    measured = record.rows[1:]  # the first row is from before the first step
    kept = measured[-1]
    if settings.patience:
        kept = min(measured, key=lambda row: row["validation_loss"])
    whole = len(record.losses) == record.planned
    return {
        "minutes": minutes,
        "patches": patches,
        "patches_per_second": patches / minutes / 60,
        "parameters": network.count_params(),
        "trainable_parameters": sum(math.prod(w.shape) for w in network.trainable_weights),
        "multiply_adds": multiply_adds(network),
        "steps": len(record.losses),
        "epochs": len(record.losses) / record.per_epoch,
        "kept_step": kept["step"],
        "kept_validation_loss": kept["validation_loss"],
        "stopped": "after the planned number of steps"
        if whole
        else f"early, after {settings.patience} validations without a better loss",
    }
