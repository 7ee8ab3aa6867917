"""The training loop: from batches to a run folder that survives being killed at any moment.

A run folder holds `settings.json` (settings, dataset, seed, versions, device), `steps.csv` (the
loss of each training step), `history.csv` (validation loss at intervals), `model.keras` and
`outcome.json`. Its name ends in a hash of all that decides the result, so that a finished run is
loaded, never mistaken for one of other settings. While it is being trained the name ends in
`.unfinished` and the folder holds checkpoints too: killed at any moment and started again, a run
goes on from the last one and ends with the same bits as one that was never interrupted.
"""

import itertools
import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from helpers.common import files
from helpers.common.errors import InputError, UntrainableError
from helpers.common.provenance import device, provenance
from helpers.dataset.store import PatchStore
from helpers.networks.blocks import PATCH_SHAPE, macs
from helpers.settings import JOININGS, TrainingSettings
from helpers.training import backend, checkpoints
from helpers.training.batches import make_batches
from helpers.training.checkpoints import Progress
from helpers.training.model import compiled
from helpers.training.registry import require_known
from helpers.training.runs import describe_run, run_folder

CHECKPOINT_STEPS = 200  # seconds on a GPU, a minute or two on two CPU cores
COLLAPSED = 1e-3  # share of the descriptors' length in which those of different points differ
BATCHES_AHEAD = 4  # made while the network is busy with those before
THREADS = max(1, min(4, (os.cpu_count() or 1) - 1))  # a core is left to the network


def train(
    settings: TrainingSettings,
    store: PatchStore,
    denoiser_run: Path | None = None,
    checkpoint_steps: int = CHECKPOINT_STEPS,
    on_validation: Callable[[list[float]], None] = lambda losses: None,
) -> Path:
    """Trains one network, goes on with an interrupted training, or finds a finished one.

    Args:
        settings: all that decides the run apart from the data.
        store: patches; only its "train" and "validation" parts are looked at.
        denoiser_run: for a descriptor that is not joined "direct": the run folder of the denoiser
            in front of it. That run stays as it is, also where its network learns along.
        checkpoint_steps: at most this many steps are lost by an interruption.
        on_validation: is given all validation losses so far; may raise to interrupt the training.

    Returns:
        The run folder.

    Raises:
        UntrainableError: the loss became NaN, all descriptors became alike, or the batch does not
            fit into the device's memory.
        InputError: the training part is smaller than one batch, the disk is full, a checkpoint is
            not this run's, or settings and runs given do not fit together.
    """
    _check_joining(settings, denoiser_run)
    folder = run_folder(settings, store, denoiser_run)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with files.locked(folder.with_name(f".{folder.name}.lock")):  # waits for another process
        if folder.is_dir():
            print(f"{folder.name}: trained already, loaded.")
        else:
            _open_unfinished(unfinished, describe_run(settings, store, denoiser_run))
            try:
                _train_in(
                    unfinished, settings, store, denoiser_run, checkpoint_steps, on_validation
                )
            except _TooLarge as error:
                raise UntrainableError(_smaller_batch(settings, store, denoiser_run)) from error
            os.replace(unfinished, folder)
        checkpoints.remove(folder)  # only now: a run killed while finishing must find them
    return folder


def _check_joining(settings: TrainingSettings, denoiser_run: Path | None) -> None:
    """Raises InputError where settings and denoiser do not fit together."""
    if settings.role == "denoiser":
        return
    require_known("joining", settings.joining, JOININGS)
    if settings.joining == "end_to_end" and not denoiser_run:
        raise InputError("End to end needs a denoiser to begin with: give its run folder.")
    if settings.joining == "direct" and denoiser_run:
        raise InputError("A direct descriptor has no denoiser in front: leave that run out.")


def _open_unfinished(folder: Path, described: dict) -> None:
    """Writes down what is being trained, and anything that changed since an interruption."""
    path, now = folder / "settings.json", provenance()
    described = json.loads(json.dumps(described))  # as it will be read: lists for tuples
    files.remove_leftovers(folder)
    if not path.is_file():
        files.write_json(path, described | now)
        return
    before = files.read_json(path)
    if any(before.get(name) != value for name, value in described.items()):
        raise InputError(f"{folder} holds a training of other settings: delete it and start again.")
    latest = before.copy()
    for change in before.get("continued_on", []):
        latest |= change
    changed = {name: value for name, value in now.items() if latest.get(name) != value}
    if changed:  # only the same device and versions give the same bits, so this must be known
        before["continued_on"] = [*before.get("continued_on", []), changed]
        files.write_json(path, before)
        print(f"  Not on the same {', '.join(changed)} as before the interruption.")


@dataclass(frozen=True)
class Plan:
    """When a run is validated, saved and over; all in steps."""

    per_epoch: int
    interval: int  # between validations
    steps: int  # in all, unless it stops early
    patience: int  # validations without a better loss until it stops; 0: never
    checkpoint_steps: int

    @classmethod
    def of(cls, settings: TrainingSettings, per_epoch: int, checkpoint_steps: int) -> "Plan":
        """The plan of certain settings when an epoch has `per_epoch` batches."""
        steps = max(settings.validations, round(settings.epochs * per_epoch))
        interval = math.ceil(steps / settings.validations)
        planned = interval * settings.validations
        return cls(per_epoch, interval, planned, settings.patience, checkpoint_steps)

    def next_stop(self, step: int) -> int:
        """The step after `step` at which the next validation or checkpoint is due."""
        return min((step // every + 1) * every for every in (self.interval, self.checkpoint_steps))

    def is_over(self, progress: Progress) -> bool:
        """Whether all steps are taken or the validation loss has stopped falling."""
        return progress.step >= self.steps or self.stopped_early(progress)

    def stopped_early(self, progress: Progress) -> bool:
        """Whether the best of all validations after the first step is `patience` ones ago."""
        losses = progress.validation_losses()[1:]
        return bool(losses and self.patience) and (
            len(losses) - 1 - losses.index(min(losses)) >= self.patience
        )


def _train_in(
    folder: Path,
    settings: TrainingSettings,
    store: PatchStore,
    denoiser_run: Path | None,
    checkpoint_steps: int,
    on_validation: Callable[[list[float]], None],
) -> None:
    batches, held_out = (make_batches(settings, store, part) for part in ("train", "validation"))
    validation = validation_set(held_out, settings.validation_batches)
    plan = Plan.of(settings, batches.per_epoch, checkpoint_steps)
    shared = math.gcd(settings.batch, held_out.batch)
    with backend.data_parallel(shared), checkpoints.tensorboard(folder) as board:
        network, model = compiled(settings, denoiser_run, plan.steps)
        progress = checkpoints.restore(folder, model)
        _say_start(settings, network, store, plan, progress)
        while not plan.is_over(progress):
            started = time.perf_counter()
            if progress.rows:
                _train_stretch(model, batches, plan, progress, settings)
            if progress.step % plan.interval == 0:
                _validate(model, validation, held_out.batch, plan, progress)
            progress.seconds += time.perf_counter() - started
            checkpoints.save(folder, model, progress)
            checkpoints.write_curves(folder, progress)
            if progress.step % plan.interval == 0:
                board(progress.rows[-1])
                _say_validation(progress, plan)
            on_validation(progress.validation_losses())
        _finish(folder, settings, network, model, plan, progress)


def _train_stretch(model, batches, plan: Plan, progress: Progress, settings) -> None:
    """Trains up to the next validation or checkpoint."""
    steps = plan.next_stop(progress.step) - progress.step
    backend.seed_stretch(settings.seed, progress.step)
    losses = []
    # Not `fit`: on two cores the threads that it feeds TensorFlow with took up to a third of the
    # rate of the bare step away; and this gives the loss of each step itself, not running means.
    for batch in stream(batches, progress.step, steps):
        with _fitting_into_memory():
            loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])
        losses.append(loss)
        if not math.isfinite(loss):
            raise UntrainableError(
                f"The training loss became {loss} at step {progress.step + len(losses)}: "
                f"lower the learning rate (the weights of step {progress.step} are kept)."
            )
    progress.losses += losses


class _TooLarge(Exception):
    """The batch does not fit into the device's memory."""


@contextmanager
def _fitting_into_memory() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if backend.is_out_of_memory(error):
            raise _TooLarge from error
        raise


def _smaller_batch(settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None) -> str:
    """Tries ever smaller batches for a step each, and says which one fits."""
    batch = settings.batch // 2
    while batch >= 2:
        smaller = replace(settings, batch=batch)
        try:
            with backend.data_parallel(batch), _fitting_into_memory():
                _, model = compiled(smaller, denoiser_run, steps=1)
                model.train_on_batch(*make_batches(smaller, store, "train")(0))
            break
        except _TooLarge:
            batch //= 2
    advice = f"a batch of {batch} does" if batch >= 2 else "not even one of 2 does"
    return (
        f"A batch of {settings.batch} does not fit into the memory of {device()}, {advice}: "
        f"set it in the profile's {settings.name.replace('-', '_')} in helpers/settings.py."
    )


def stream(batches, first: int, count: int) -> Iterator:
    """Batches `first` to `first + count - 1`, in order, made ahead in other threads."""
    steps = iter(range(first, first + count))
    with ThreadPoolExecutor(THREADS) as pool:
        ahead = deque(pool.submit(batches, next(steps)) for _ in range(min(BATCHES_AHEAD, count)))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(pool.submit(batches, step) for step in itertools.islice(steps, 1))
            yield batch


def _say_start(settings, network, store: PatchStore, plan: Plan, progress: Progress) -> None:
    goes_on = f", goes on from step {progress.step:,}" if progress.rows else ""
    print(
        f"{settings.name}: {network.name}, {network.count_params():,} parameters, "
        f"{plan.steps:,} steps of {settings.batch} on {store.name}{goes_on}.",
        flush=True,
    )


def _validate(model: keras.Model, validation, batch: int, plan: Plan, progress: Progress) -> None:
    """Measures the validation loss, adds a row to the curves and keeps the best weights."""
    with _fitting_into_memory():
        patches, targets, *weights = validation
        logs = model.evaluate(
            patches,
            targets,
            sample_weight=weights[0] if weights else None,
            batch_size=batch,
            verbose=0,
            return_dict=True,
        )
        if progress.step and patches.ndim > len(PATCH_SHAPE) + 1:
            _require_variety(model.predict_on_batch(patches[:batch]), progress.step)
    loss = logs["loss"]
    if not math.isfinite(loss):
        raise UntrainableError(
            f"The validation loss became {loss} at step {progress.step}: lower the learning rate "
            "(the checkpoint before is kept)."
        )
    step, rate = progress.step, float(ops.convert_to_numpy(model.optimizer.learning_rate))
    training_loss = float(np.mean(progress.losses[-plan.interval :])) if step else math.nan
    if plan.patience and step and loss < min(progress.validation_losses()[1:], default=math.inf):
        progress.best = checkpoints.copy_of(model)
    progress.rows.append((step / plan.per_epoch, step, training_loss, loss, rate))


def _require_variety(outputs, step: int) -> None:
    """Raises UntrainableError if different points have all but the same descriptor."""
    vectors = outputs[0] if isinstance(outputs, list | tuple) else outputs
    spread = np.sqrt(np.mean(np.var(vectors, axis=0)) / (np.mean(np.square(vectors)) + 1e-30))
    if spread < COLLAPSED:
        raise UntrainableError(
            f"All descriptors became alike by step {step}: lower the learning rate or the "
            "margin (the checkpoint before is kept)."
        )


def _say_validation(progress: Progress, plan: Plan) -> None:
    """Says how it goes and how long it will take."""
    _, step, loss, validation_loss, _ = progress.rows[-1]
    if step:
        left = progress.seconds / step * (plan.steps - step)
        print(
            f"  step {step:6,} of {plan.steps:,}: loss {loss:.4f}, "
            f"validation {validation_loss:.4f}, {left / 60:.1f} minutes left",
            flush=True,
        )


def _finish(folder: Path, settings, network, model, plan: Plan, progress: Progress) -> None:
    """Writes network, curves and outcome; with early stopping the best weights, not the last."""
    if progress.best:
        checkpoints.assign(model, progress.best)
    with files.atomic_path(folder / "model.keras") as temporary:
        network.save(temporary)
    checkpoints.write_curves(folder, progress)
    views = math.prod(model.input_shape[1:]) // math.prod(PATCH_SHAPE)
    patches = progress.step * settings.batch * views
    files.write_json(folder / "outcome.json", _outcome(network, plan, progress, patches))


def _outcome(network: keras.Model, plan: Plan, progress: Progress, patches: int) -> dict:
    losses = progress.validation_losses()
    kept = losses.index(min(losses[1:]), 1) if plan.patience else len(losses) - 1
    stopped = "after the planned number of steps"
    if plan.stopped_early(progress) and progress.step < plan.steps:
        stopped = f"early, after {plan.patience} validations without a better loss"
    return {
        "minutes": progress.seconds / 60,
        "patches": patches,
        "patches_per_second": patches / progress.seconds,
        "parameters": network.count_params(),
        "trainable_parameters": sum(math.prod(w.shape) for w in network.trainable_weights),
        "macs": macs(network),
        "steps": progress.step,
        "epochs": progress.step / plan.per_epoch,
        "kept_step": int(progress.rows[kept][1]),
        "kept_validation_loss": losses[kept],
        "stopped": stopped,
    }


def validation_set(batches, count: int) -> tuple:
    """The first `count` batches (or all there are) as arrays: the same ones at each validation."""
    made = map(batches, range(min(count, batches.per_epoch)))
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *made)
