"""Speed and memory of training: our loop beside the bare step that it repeats.

    python benchmarks/training.py                      # the four networks, as the profile has them
    KERAS_BACKEND=jax python benchmarks/training.py    # on another backend
    python benchmarks/training.py --cases improved_descriptor --batches 256 1024

Each descriptor is trained without a denoiser in front, each line has a process of its own. Rates
count the 32 x 32 patches that go through the network in a second; memory is in MB:

    step      Keras' compiled step alone, on one batch that is there already: the bound
    ours      `helpers.training`: batches from the store, made ahead, and the loss of every step
    of step   ours by the bound: by the clock, and for each second of a core (without idle waiting,
              but little disturbed by other programs); medians over turns that both take
"""

import argparse
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from measuring import in_own_process, timed

from helpers.dataset import PatchStore, open_dataset
from helpers.settings import PROFILES, TrainingSettings, profile

CASES = ("baseline_denoiser", "baseline_descriptor", "improved_denoiser", "improved_descriptor")
STEPS = 100_000  # over which the learning rate falls: more than are measured


def ways_of(model, batches) -> dict[str, Callable[[int], None]]:
    """Functions that take so many steps: on one batch, and as between two checkpoints."""
    from helpers.training.loop import step_losses

    first, starts = batches(0), itertools.count(step=1000)  # other batches in each turn

    def step(steps: int) -> None:
        for _ in range(steps):
            model.train_on_batch(*first)

    return {"step": step, "ours": lambda n: list(step_losses(model, batches, next(starts), n))}


def measure(settings: TrainingSettings, options: argparse.Namespace) -> dict:
    """What a line of the table shows."""
    from helpers import training
    from helpers.training import backend, model

    batches = training.make_batches(settings, open_data(options), "train")
    with backend.data_parallel(settings.batch):
        _, fitted = model.compiled(settings, None, STEPS)
        found = rates(ways_of(fitted, batches), options.steps, options.rounds)
    patches = settings.batch * math.prod(fitted.input_shape[1:]) // 1024
    speeds = {way: patches * float(np.median(turns[:, 0])) for way, turns in found.items()}
    return speeds | ratios(**found)


def rates(ways: dict[str, Callable], steps: int, rounds: int) -> dict[str, np.ndarray]:
    """Steps a second, (rounds, 2): by the clock, and for each second of a core."""
    for take in ways.values():
        take(2)  # compiles
    turns = [[timed(take, steps) for take in ways.values()] for _ in range(rounds)]
    return dict(zip(ways, steps / np.swapaxes(turns, 0, 1), strict=True))


def ratios(step: np.ndarray, ours: np.ndarray) -> dict[str, float]:
    """Our rates by the bounds, medians over turns: by the clock, and for each second of a core."""
    clock, core = np.median(np.divide(ours, step), axis=0).tolist()
    return {"of step": clock, "of step, core": core}


def open_data(options: argparse.Namespace) -> PatchStore:
    """The dataset as the profile takes it."""
    points = profile(options.profile).points_per_scene
    return open_dataset(options.dataset, points_per_scene=points)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, metavar="CASE")
    parser.add_argument("--batches", type=int, nargs="+", metavar="SIZE", help="not the profile's")
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--profile", choices=PROFILES, default="coursework")
    parser.add_argument("--steps", type=int, default=50, help="of each way in a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns")
    options = parser.parse_args(words)
    open_data(options)  # builds it, once
    for case in options.cases:
        settings = getattr(profile(options.profile), case)
        for batch in options.batches or [settings.batch]:
            found = in_own_process(measure, replace(settings, batch=batch), options)
            numbers = {k: v for k, v in found.items() if isinstance(v, float)}
            line = "  ".join(f"{name} {value:,.5g}" for name, value in numbers.items())
            print(f"{case}, batches of {batch}: {found.get('error', line)}", flush=True)


if __name__ == "__main__":
    main()
