"""Speed and memory of training: our loop beside the bare step that it repeats.

    python benchmarks/training.py                      # the four networks, as the profile has them
    KERAS_BACKEND=jax python benchmarks/training.py    # on another backend
    python benchmarks/training.py --cases hardnet --batches 256 1024 --precision mixed_bfloat16

Trained are the baseline's U-Net and L2-Net (triplets), the improved residual U-Net and HardNet
(hardest in batch), each descriptor without a denoiser in front. Rates count the 32 x 32 patches
that go through the network in a second:

    step      the compiled training step alone, on one batch that stays where it is: the bound
    ours      `helpers.training`: batches from the store, made ahead, and the loss of every step
    batches   our batch function alone, for each second of one core
    of step   ours by the bound: by the clock, and for each second of a core (without idle waiting,
              but little disturbed by other programs); medians over turns that both take
    saved     what is left of our rate with a checkpoint every 200 steps
    peak MB   resident memory, with what was read of the mapped store

Each line has a process of its own. Run it on an otherwise idle machine.
"""

import argparse
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from measuring import in_own_process, timed

from helpers.common import files
from helpers.dataset import PatchStore, open_dataset
from helpers.settings import PROFILES, TrainingSettings, profile

CASES = {  # title and the profile's field
    "unet": ("U-Net", "baseline_denoiser"),
    "l2net": ("L2-Net triplets", "baseline_descriptor"),
    "residual": ("residual U-Net", "improved_denoiser"),
    "hardnet": ("HardNet in batch", "improved_descriptor"),
}
STEPS = 100_000  # over which the learning rate falls: more than are measured
LEAST_STEPS = 2  # a turn
TITLES = (
    f"{'':27s} {'step':>8s} {'ours':>8s} {'batches':>8s}  {'of step':>7s} {'core':>6s}  "
    f"{'saved':>6s}  {'peak MB':>7s}"
)


def bare_step(model, batch: tuple) -> Callable[[int], None]:
    """A function that takes so many steps on a batch that is on the device; nothing else runs.

    Where several devices share a batch, and on PyTorch, it is what Keras makes of one batch.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        return _tensorflow_steps(model, batch)
    if keras.backend.backend() == "jax" and not keras.distribution.distribution():
        return _jax_steps(model, batch)

    def take(steps: int) -> None:
        for _ in range(steps):
            model.train_on_batch(*batch)

    return take


def _tensorflow_steps(model, batch: tuple) -> Callable[[int], None]:
    import tensorflow

    model.make_train_function()
    constant = iter(tensorflow.data.Dataset.from_tensors(batch).repeat())

    def take(steps: int) -> None:
        for _ in range(steps):
            logs = model.train_function(constant)
        float(logs["loss"])  # waits for the device

    return take


def _jax_steps(model, batch: tuple) -> Callable[[int], None]:
    import jax

    step = jax.jit(model.train_step, donate_argnums=0)
    variables = [model.trainable_variables, model.non_trainable_variables]
    variables += [model.optimizer.variables, model.metrics_variables]
    state = tuple([jax.numpy.array(each.value) for each in kind] for kind in variables)
    constant = jax.device_put(batch)

    def take(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            logs, state = step(state, constant)
        float(logs["loss"])  # waits for the device

    return take


def our_loop(settings: TrainingSettings, model, batches) -> Callable[[int], None]:
    """A function that takes so many steps as a run does between two checkpoints."""
    from helpers.training import loop
    from helpers.training.checkpoints import Progress

    progress = Progress()

    def take(steps: int) -> None:
        end = progress.step + steps
        plan = loop.Plan(batches.per_epoch, end, end, patience=0, checkpoint_steps=end)
        loop._train_stretch(model, batches, plan, progress, settings)

    return take


def measure(case: str, batch: int | None, options: argparse.Namespace) -> dict:
    """What a line of the table shows, and where it was measured.

    Args:
        batch: patches, triplets or points; None for the profile's.
    """
    import keras

    from helpers import training
    from helpers.common.provenance import provenance
    from helpers.training import backend, model

    settings = settings_of(case, batch, options)
    keras.config.set_dtype_policy(options.precision)
    batches = training.make_batches(settings, open_data(options), "train")
    with backend.data_parallel(settings.batch):
        _, fitted = model.compiled(settings, None, STEPS)
        patches = settings.batch * math.prod(fitted.input_shape[1:]) // 1024
        ways = {
            "step": bare_step(fitted, batches(0)),
            "ours": our_loop(settings, fitted, batches),
        }
        rates = turns(ways, options.seconds, options.rounds)
        saving = checkpoint_seconds(fitted, keeps_best=settings.patience > 0)
    means = {way: patches * statistics.median(r for r, _ in found) for way, found in rates.items()}
    training_seconds = 200 * patches / means["ours"]
    return {
        "case": case,
        "batch": settings.batch,
        "precision": options.precision,
        **means,
        "batches": batches_alone(batches),
        "of_step": ratio(rates["ours"], rates["step"], 0),
        "of_step_core": ratio(rates["ours"], rates["step"], 1),
        "saved": training_seconds / (training_seconds + saving),
        "provenance": provenance(),
    }


def settings_of(case: str, batch: int | None, options: argparse.Namespace) -> TrainingSettings:
    """The profile's settings of a training, with another batch or with stored noise if wanted."""
    settings = getattr(profile(options.profile), CASES[case][1])
    redraw = settings.redraw and not options.stored_noise
    return replace(settings, batch=batch or settings.batch, redraw=redraw)


def open_data(options: argparse.Namespace) -> PatchStore:
    """The dataset as the profile takes it."""
    points = profile(options.profile).points_per_scene
    return open_dataset(options.dataset, points_per_scene=points)


def turns(ways: dict[str, Callable[[int], None]], seconds: float, rounds: int) -> dict[str, list]:
    """Steps a second of each way in each turn: by the clock, and for each second of a core.

    Args:
        seconds: that each way takes in all turns together.
    """
    counts = {way: steps_within(take, seconds / rounds) for way, take in ways.items()}
    found = {way: [] for way in ways}
    for _ in range(rounds):
        for way, take in ways.items():
            found[way].append([counts[way] / spent for spent in timed(take, counts[way])])
    return found


def steps_within(take: Callable[[int], None], seconds: float) -> int:
    """How many steps fit into so many seconds, once everything is compiled."""
    take(1)
    for steps in (2**power for power in itertools.count()):
        spent, _ = timed(take, steps)
        if spent > min(0.5, seconds):
            break
    return max(LEAST_STEPS, round(seconds * steps / spent))


def ratio(rates: list, bounds: list, kind: int) -> float:
    """The median over the turns of one rate by another."""
    return statistics.median(a[kind] / b[kind] for a, b in zip(rates, bounds, strict=True))


def batches_alone(batches, seconds: float = 1.0) -> float:
    """Patches that a batch function makes for the network in a second of one core."""
    batches(0)  # compiles
    start, patches = time.thread_time(), 0
    for step in itertools.count(1):
        patches += batches(step)[0].size // 1024
        if time.thread_time() - start > seconds:
            break
    return patches / (time.thread_time() - start)


def checkpoint_seconds(model, keeps_best: bool) -> float:
    """Seconds that saving a checkpoint and the curves takes, a thousand steps into a run."""
    from helpers.training import checkpoints

    progress = checkpoints.Progress(losses=[0.0] * 1000, rows=[(0.0, 0, 0.0, 0.0, 0.0)] * 10)
    if keeps_best:
        progress.best = checkpoints.copy_of(model)

    def save() -> None:
        checkpoints.save(Path(folder), model, progress)
        checkpoints.write_curves(Path(folder), progress)

    with tempfile.TemporaryDirectory() as folder:
        return statistics.median(timed(save)[0] for _ in range(3))


def line_of(title: str, result: dict) -> str:
    """A line of the table, or what went wrong."""
    if "error" in result:
        return f"{title:27s} {result['error']}"
    rates = " ".join(f"{result[key]:8,.0f}" for key in ("step", "ours", "batches"))
    shares = f"{result['of_step']:7.3f} {result['of_step_core']:6.3f}  {result['saved']:6.4f}"
    return f"{title:27s} {rates}  {shares}  {result['resident']:7.0f}"


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batches", type=int, nargs="+", default=[None], metavar="SIZE")
    parser.add_argument("--precision", default="float32", help="a dtype policy of Keras")
    parser.add_argument("--stored-noise", action="store_true", help="do not draw it anew")
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--profile", choices=PROFILES, default="coursework")
    parser.add_argument("--seconds", type=float, default=15, help="for each rate")
    parser.add_argument("--rounds", type=int, default=3, help="turns to split the seconds into")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    store, results = open_data(options), []  # builds it, once
    print(f"{store.name}: {len(store.rows('train')):,} training points, profile {options.profile}")
    for case, batch in itertools.product(options.cases, options.batches):
        result = in_own_process(measure, case, batch, options)
        if not results:
            print(f"{result.get('provenance', {}).get('device', '')}\n{TITLES}")
        title = f"{CASES[case][0]}, batch {settings_of(case, batch, options).batch}"
        print(line_of(title, result), flush=True)
        results.append(result)
    if options.json:
        files.write_json(options.json, results)


if __name__ == "__main__":
    main()
