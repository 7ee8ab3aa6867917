"""The training loop: from batches to a run folder that survives being killed at any moment.

A run folder holds `settings.json` (settings, dataset, seed, versions, device), `steps.csv` (the
loss of each training step), `history.csv` (validation loss at intervals), `model.keras` and
`outcome.json`. Its name ends in a hash of all that decides the result, so that a finished run is
loaded, never mistaken for one of other settings; `checksums.json` tells damage. While it is being
trained the name ends in `.unfinished` and the folder holds checkpoints too: killed at any moment
and started again, a run goes on from the last one, takes the same batches and ends with the same
bits as one that was never interrupted. But for a large descriptor on TensorFlow: on busy cores its
last digits can differ from run to run, interrupted or not.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import keras
import numpy as np
from keras import ops

from helpers.common import files
from helpers.common.errors import InputError, UntrainableError, reason
from helpers.common.provenance import device
from helpers.dataset.store import PatchStore
from helpers.networks.blocks import PATCH_SHAPE, macs
from helpers.settings import TrainingSettings
from helpers.training import backend, checkpoints, runs, workplace
from helpers.training.batches import Batches, make_batches, stream, validation_set
from helpers.training.checkpoints import Validation
from helpers.training.model import check, compiled
from helpers.training.plan import Plan

CHECKPOINT_SECONDS = 60  # where so many steps take longer
COLLAPSED = 1e-3  # share of the descriptors' length in which those of different points differ


def train(
    settings: TrainingSettings,
    store: PatchStore,
    denoiser_run: Path | None = None,
    on_validation: Callable[[list[float]], None] = lambda losses: None,
) -> Path:
    """Trains one network, goes on with an interrupted training, or finds a finished one.

    Args:
        settings: all that decides the run apart from the data.
        store: patches; only its "train" and "validation" parts are looked at.
        denoiser_run: for a descriptor that is not joined "direct": the run folder of the denoiser
            in front of it. That run stays as it is, also where its network learns along.
        on_validation: is given all validation losses so far; may raise to interrupt the training.

    Returns:
        The run folder.

    Raises:
        UntrainableError: the loss became NaN, all descriptors became alike, or the batch does not
            fit into the device's memory.
        InputError: something else that was given cannot be used, the disk is full, or a finished
            run is damaged.
    """
    check(settings, denoiser_run)
    folder = runs.run_folder(settings, store, denoiser_run)
    with files.locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            runs.find_run(settings, store, denoiser_run)  # whole, or refused
            print(f"{folder.name}: trained already, loaded.")
        else:
            described = runs.describe_run(settings, store, denoiser_run)
            unfinished = workplace.open_folder(folder, described)
            Training(unfinished, settings, store, denoiser_run).run(on_validation)
            workplace.hand_over(unfinished, folder)
        workplace.clean_up(folder)
    return runs.find_run(settings, store, denoiser_run)


class Training:
    """One training in its unfinished folder: what it works with, and how far it has come."""

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        store: PatchStore,
        denoiser_run: Path | None,
    ):
        self.folder, self.settings, self.store = folder, settings, store
        self.denoiser_run = denoiser_run
        self.batches = make_batches(settings, store, "train")
        self.held_out = make_batches(settings, store, "validation")
        self.plan = Plan.of(settings, self.batches.per_epoch)

    def run(self, on_validation: Callable[[list[float]], None]) -> None:
        """Trains from the last checkpoint to the end; see `train`."""
        with backend.data_parallel(math.gcd(self.settings.batch, self.held_out.batch)):
            self._take_up()
            while not self.plan.is_over(self.progress):
                self._go_on()
                on_validation(self.progress.validation_losses())
            self._finish()

    def _take_up(self) -> None:
        settings, steps = self.settings, self.plan.steps
        self.validation = validation_set(self.held_out, settings.validation_batches)
        with _fitting_together(settings):
            self.network, self.model = compiled(settings, self.denoiser_run, steps)
        self.progress = checkpoints.restore(self.folder, self.model)
        step = self.progress.step
        goes_on = f", goes on from step {step:,}" if self.progress.rows else ""
        print(
            f"{settings.name}: {self.network.name}, {self.network.count_params():,} parameters, "
            f"{steps:,} steps of {settings.batch} on {self.store.name}{goes_on}.",
            flush=True,
        )

    def _go_on(self) -> None:
        """Trains up to the next validation or checkpoint, and saves all that there is."""
        progress, started = self.progress, time.perf_counter()
        if progress.rows:
            self._train_stretch()
        validating = progress.step % self.plan.interval == 0
        if validating:
            self._validate()
        progress.seconds += time.perf_counter() - started
        checkpoints.save(self.folder, self.model, progress)
        checkpoints.write_curves(self.folder, progress)
        if validating and progress.step:
            left = progress.seconds / progress.step * (self.plan.steps - progress.step)
            row = progress.rows[-1]
            print(
                f"  step {progress.step:6,} of {self.plan.steps:,}: loss {row.loss:.4f}, "
                f"validation {row.validation_loss:.4f}, {left / 60:.1f} minutes left",
                flush=True,
            )

    def _train_stretch(self) -> None:
        """Takes the steps up to the next stop, or those of a minute."""
        step, losses, started = self.progress.step, [], time.perf_counter()
        for loss in step_losses(self.model, self.batches, step, self.plan.next_stop(step) - step):
            losses.append(loss)
            if not math.isfinite(loss):
                raise UntrainableError(
                    f"The training loss became {loss} at step {step + len(losses)}: "
                    f"lower the learning rate (the weights of step {step} are kept)."
                )
            if time.perf_counter() - started > CHECKPOINT_SECONDS:
                break
        self.progress.losses += losses

    def _validate(self) -> None:
        """Measures the validation loss, adds a row to the curves and keeps the best weights."""
        plan, progress, step = self.plan, self.progress, self.progress.step
        with nullcontext() if step else _fitting_together(self.settings):
            loss = self._validation_loss()
        if not math.isfinite(loss):
            raise UntrainableError(
                f"The validation loss became {loss} at step {step}: lower the learning rate "
                "(the checkpoint before is kept)."
            )
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        training_loss = float(np.mean(progress.losses[-plan.interval :])) if step else math.nan
        best_so_far = min(progress.validation_losses()[1:], default=math.inf)
        if plan.patience and step and loss < best_so_far:
            progress.best = checkpoints.copy_of(self.model)
        progress.rows.append(Validation(step / plan.per_epoch, step, training_loss, loss, rate))

    def _validation_loss(self) -> float:
        (patches, targets), batch = self.validation, self.held_out.batch
        options = {"batch_size": batch, "verbose": 0, "return_dict": True}
        with _fitting_into_memory(batch):
            loss = self.model.evaluate(patches, targets, **options)["loss"]
            if self.progress.step and self.settings.role == "descriptor":
                require_variety(self.model.predict_on_batch(patches[:batch]), self.progress.step)
        return loss

    def _finish(self) -> None:
        """Writes network, curves and outcome; of the best weights with early stopping."""
        if self.progress.best:
            checkpoints.assign(self.model.variables, self.progress.best)
        with files.atomic_path(self.folder / "model.keras") as temporary:
            self.network.save(temporary)
        checkpoints.write_curves(self.folder, self.progress)
        files.write_json(self.folder / "outcome.json", self._outcome())
        runs.seal(self.folder)

    def _outcome(self) -> dict:
        plan, progress, network = self.plan, self.progress, self.network
        losses = progress.validation_losses()
        kept = losses.index(min(losses[1:]), 1) if plan.patience else len(losses) - 1
        views = math.prod(self.model.input_shape[1:]) // math.prod(PATCH_SHAPE)
        patches = progress.step * self.settings.batch * views
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
            "kept_step": int(progress.rows[kept].step),
            "kept_validation_loss": losses[kept],
            "stopped": stopped,
        }


@contextmanager
def _fitting_together(settings: TrainingSettings) -> Iterator[None]:
    """Around what Keras does first with a combination that nobody may have tried before."""
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise UntrainableError(
            f"The {settings.role} {settings.network}, the loss {settings.loss} and the batches "
            f"{settings.batches} do not fit together ({reason(error)}): choose others, or "
            "other options."
        ) from error


@contextmanager
def _fitting_into_memory(batch: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not backend.is_out_of_memory(error):
            raise
        raise UntrainableError(
            f"A batch of {batch} does not fit into the memory of {device()}: set a smaller one in "
            "the profile, in helpers/settings.py."
        ) from error


def step_losses(model: keras.Model, batches: Batches, first: int, count: int) -> Iterator[float]:
    """Trains on batches `first` to `first + count - 1` and yields the loss of each step.

    Handing over a batch and its loss costs some 6 ms a step, which is what a GPU waits for where
    batches are small.
    """
    # Not `fit`: on two cores the threads that it feeds TensorFlow with took up to a third of the
    # rate of the bare step away; and this gives the loss of each step itself, not running means.
    for step, batch in enumerate(stream(batches, first, count), start=first):
        backend.seed_step(batches.seed, step)
        with _fitting_into_memory(batches.batch):
            loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])
        yield loss


def require_variety(outputs, step: int) -> None:
    """Raises UntrainableError if different points have all but the same descriptor.

    Args:
        outputs: (B, K, D) descriptors, or a list whose first item they are.
    """
    vectors = outputs[0] if isinstance(outputs, list | tuple) else outputs
    spread = np.sqrt(np.mean(np.var(vectors, axis=0)) / (np.mean(np.square(vectors)) + 1e-30))
    if spread < COLLAPSED:
        raise UntrainableError(
            f"All descriptors became alike by step {step}: lower the learning rate or the "
            "margin (the checkpoint before is kept)."
        )
