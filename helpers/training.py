"""Training: settings and a dataset in, one run folder with weights and history out.

A run folder holds `settings.json` (settings, dataset, seed, versions, device), `steps.csv` (the
loss of each training step), `history.csv` (validation loss at intervals), `model.keras` and
`outcome.json`. Its name ends in a hash of all that decides the result, so that a finished run is
loaded, never mistaken for one of other settings. While it is being trained the name ends in
`.unfinished` and the folder holds checkpoints too: killed at any moment and started again, a run
goes on from the last one and ends with the same bits as one that was never interrupted.
"""

import inspect
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
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from helpers import backend, checkpoints, curves, files
from helpers.checkpoints import Progress
from helpers.dataset import batches as batch_kinds
from helpers.dataset.store import PatchStore
from helpers.errors import InputError, UntrainableError
from helpers.losses import LOSSES, distillation
from helpers.networks.blocks import PATCH_SHAPE, multiply_adds
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS
from helpers.networks.pipeline import join, join_end_to_end, raw_vectors
from helpers.provenance import device, provenance
from helpers.runs import describe_run, load_network, run_folder
from helpers.settings import JOININGS, TrainingSettings

OPTIMIZERS = ("sgd", "nesterov", "adamw")
SCHEDULES = ("constant", "cosine")
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
    teacher_run: Path | None = None,
) -> Path:
    """Trains one network, goes on with an interrupted training, or finds a finished one.

    Args:
        settings: all that decides the run apart from the data.
        store: patches; only its "train" and "validation" parts are looked at.
        denoiser_run: for a descriptor that is not joined "direct": the run folder of the denoiser
            in front of it. That run stays as it is, also where its network learns along.
        checkpoint_steps: at most this many steps are lost by an interruption.
        on_validation: is given all validation losses so far; may raise to interrupt the training.
        teacher_run: for distillation: the run folder of a descriptor of clean patches.

    Returns:
        The run folder.

    Raises:
        UntrainableError: the loss became NaN, all descriptors became alike, or the batch does not
            fit into the device's memory.
        InputError: the training part is smaller than one batch, the disk is full, a checkpoint is
            not this run's, or settings and runs given do not fit together.
    """
    behind = Behind(denoiser_run, teacher_run)
    behind.check(settings)
    folder = run_folder(settings, store, denoiser_run, teacher_run)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with files.locked(folder.with_name(f".{folder.name}.lock")):  # waits for another process
        if folder.is_dir():
            print(f"{folder.name}: trained already, loaded.")
        else:
            described = describe_run(settings, store, denoiser_run, teacher_run)
            _open_unfinished(unfinished, described)
            try:
                _train_in(unfinished, settings, store, behind, checkpoint_steps, on_validation)
            except _TooLarge as error:
                raise UntrainableError(_smaller_batch(settings, store, behind)) from error
            os.replace(unfinished, folder)
        checkpoints.remove(folder)  # only now: a run killed while finishing must find them
    return folder


@dataclass(frozen=True)
class Behind:
    """The finished runs that a training builds on."""

    denoiser: Path | None = None
    teacher: Path | None = None

    def check(self, settings: TrainingSettings) -> None:
        """Raises InputError where settings and runs do not fit together."""
        if settings.part == "denoiser":
            return
        require_known("joining", settings.joining, JOININGS)
        if (settings.joining == "end_to_end") and not self.denoiser:
            raise InputError("End to end needs a denoiser to begin with: give its run folder.")
        if settings.reconstruction and settings.joining != "end_to_end":
            raise InputError("Only a denoiser that learns along can be asked for reconstruction.")
        if settings.joining == "direct" and self.denoiser:
            raise InputError("A direct descriptor has no denoiser in front: leave that run out.")
        if (settings.distillation > 0) != bool(self.teacher):
            raise InputError("Distillation and a teacher's run need each other: give both or none.")


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
    folder: Path, settings: TrainingSettings, store, behind, checkpoint_steps, on_validation
) -> None:
    batches, held_out = (make_batches(settings, store, part) for part in ("train", "validation"))
    validation = validation_set(held_out, settings.validation_batches)
    plan = Plan.of(settings, batches.per_epoch, checkpoint_steps)
    shared = math.gcd(settings.batch, held_out.batch)
    with backend.data_parallel(shared), curves.tensorboard(folder) as board:
        network, model = compiled(settings, behind, plan.steps)
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
            curves.write(folder, progress)
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


def _smaller_batch(settings: TrainingSettings, store: PatchStore, behind: Behind) -> str:
    """Tries ever smaller batches for a step each, and says which one fits."""
    batch = settings.batch // 2
    while batch >= 2:
        smaller = replace(settings, batch=batch)
        try:
            with backend.data_parallel(batch), _fitting_into_memory():
                _, model = compiled(smaller, behind, steps=1)
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
    curves.write(folder, progress)
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
        "multiply_adds": multiply_adds(network),
        "steps": progress.step,
        "epochs": progress.step / plan.per_epoch,
        "kept_step": int(progress.rows[kept][1]),
        "kept_validation_loss": losses[kept],
        "stopped": stopped,
    }


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
    if settings.reconstruction or settings.distillation:
        options["twins"] = True
    kind = getattr(batch_kinds, settings.batches)
    _require_options(kind, settings.batch_options)
    batches = kind(**options, **settings.batch_options)
    if points < 2 or not batches.per_epoch:
        raise InputError(
            f"The {part} part of {store.name} has {points} points, less than one batch of "
            f"{settings.batch}: use another split, more scenes or a smaller batch."
        )
    return batches


def validation_set(batches, count: int) -> tuple:
    """The first `count` batches (or all there are) as arrays: the same ones at each validation."""
    made = map(batches, range(min(count, batches.per_epoch)))
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *made)


def make_network(settings: TrainingSettings) -> keras.Model:
    """A new, untrained network by its name.

    Raises:
        InputError: there is no network of that name.
    """
    known = DENOISERS if settings.part == "denoiser" else DESCRIPTORS
    require_known(settings.part, settings.network, known)
    _require_options(known[settings.network], settings.network_options)
    return known[settings.network](**settings.network_options)


def _require_options(function: Callable, options: dict) -> None:
    known = inspect.signature(function).parameters
    if unknown := set(options) - set(known):
        raise InputError(
            f"{function.__name__} has no option {', '.join(sorted(unknown))}: "
            f"choose from {', '.join(known)}."
        )


def compiled(
    settings: TrainingSettings, behind: Behind, steps: int
) -> tuple[keras.Model, keras.Model]:
    """The network and the model around it that is trained, ready for its first step.

    Args:
        steps: over which the learning rate falls.
    """
    backend.make_deterministic(settings.seed)
    network, model, losses = _training_model(settings, make_network(settings), behind)
    model.compile(make_optimizer(settings, steps), losses, jit_compile=backend.compile_whole_step())
    model.optimizer.build(model.trainable_variables)  # else a checkpoint has nothing to fill
    return network, model


def make_loss(settings: TrainingSettings) -> Callable:
    """The loss by its name, with its options.

    Raises:
        InputError: there is no loss of that name.
    """
    require_known("loss", settings.loss, LOSSES)
    _require_options(LOSSES[settings.loss], settings.loss_options)
    options = dict(settings.loss_options)
    if "views_per_level" in settings.batch_options:
        options["views_per_level"] = settings.batch_options["views_per_level"]
    return partial(LOSSES[settings.loss], **options)


def require_known(kind: str, name: str, known) -> None:
    """Raises InputError that lists the known names if `name` is not among them."""
    if name not in known:
        raise InputError(f"There is no {kind} {name!r}: choose one of {', '.join(known)}.")


def make_optimizer(settings: TrainingSettings, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser, with its learning rate over `steps` steps.

    Raises:
        InputError: an optimiser or schedule of that name is not known.
    """
    require_known("optimizer", settings.optimizer, OPTIMIZERS)
    require_known("schedule", settings.schedule, SCHEDULES)
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


def _training_model(settings: TrainingSettings, network: keras.Model, behind: Behind) -> tuple:
    """What is saved, what is fitted (the descriptor on each of K views), and its losses."""
    if settings.part == "denoiser":
        # A model of its own, so that the network is saved without loss and optimiser.
        return network, keras.Model(network.input, network.output), make_loss(settings)
    denoiser = load_network(behind.denoiser) if behind.denoiser else None
    views, denoised = keras.Input((_views(settings), *PATCH_SHAPE), name="views"), None
    # A loss that looks at lengths is trained on vectors that have them yet.
    describing = raw_vectors(network) if settings.loss == "hybrid" else network
    if settings.joining == "end_to_end":
        network = join_end_to_end(denoiser, network)
        denoised = _each_view(denoiser, views)
        vectors = _each_view(describing, denoised)
    else:
        if denoiser:
            denoiser.trainable = False
        vectors = _each_view(join(denoiser, describing), views)
    if not (settings.reconstruction or settings.distillation):
        return network, keras.Model(views, vectors), make_loss(settings)
    beside = _beside_twins(settings, denoised, vectors)
    losses = [make_loss(settings), _twin_loss(settings, behind)]
    return network, keras.Model(views, [vectors, beside]), losses


def _views(settings: TrainingSettings) -> int:
    if settings.batches == "Triplets":
        return 3
    return 1 + 3 * settings.batch_options.get("views_per_level", 1)


def _each_view(network: keras.Model, views):
    """The network on each of K views: (B, K, 32, 32, 1) -> (B, K, ...).

    One pass a view, not one pass over all: batch statistics are those of one kind of view, as in
    the three weight-sharing copies of the coursework and in HardNet.
    """
    return ops.stack([network(views[:, number]) for number in range(views.shape[1])], axis=1)


def _beside_twins(settings: TrainingSettings, denoised, vectors):
    """What is compared with the clean twins: denoised patches and descriptors in one array."""
    if not settings.reconstruction:
        return ops.concatenate([vectors], axis=-1)  # a tensor of its own, as Keras wants it
    pixels = ops.reshape(denoised, (-1, vectors.shape[1], math.prod(PATCH_SHAPE)))
    return ops.concatenate([pixels, vectors], axis=-1)


def _twin_loss(settings: TrainingSettings, behind: Behind) -> Callable:
    """Distance to the clean patches (in grey levels) and to what a teacher says of them."""
    pixels = math.prod(PATCH_SHAPE) if settings.reconstruction else 0
    teacher = load_network(behind.teacher) if behind.teacher else None

    def loss(clean, found):
        total = 0.0
        if settings.reconstruction:
            error = ops.reshape(clean, (-1, clean.shape[1], pixels)) - found[..., :pixels]
            total += settings.reconstruction * ops.mean(ops.abs(error))
        if teacher:
            taught = _each_view(teacher, clean)
            total += settings.distillation * distillation(taught, found[..., pixels:])
        return total

    return loss
