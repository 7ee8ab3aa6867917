"""How long the notebooks will take: measured by a few steps of each network on this machine."""

import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from helpers.benchmark.layout import STRIPS
from helpers.common.errors import InputError
from helpers.dataset.store import PatchStore, with_fewer_points
from helpers.settings import Profile, TrainingSettings

STEPS = 4  # enough on a CPU; where these are over too soon to be timed, more are taken
FORWARD = 0.3  # time of a patch in use, as a part of its time in training
BY_HAND = 4e-4  # seconds a patch of all descriptors made by hand
OTHERS = 180  # seconds of kernels, samples, figures and LaTeX


def minutes(profile: Profile, store: PatchStore) -> float | None:
    """Minutes that the notebooks of a profile will take here, None where no training is left.

    Measured in a process of its own, which gives the memory of a GPU back. None, too, where that
    fails, for lack of memory, say: the training itself then has the better sentence.

    Raises:
        InputError: a training cannot be done, since a part is too small, say.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_be_silent) as pool:
        try:
            seconds = pool.submit(_seconds, profile, store).result()
        except InputError:
            raise
        except Exception:
            return None
    return seconds and seconds / 60


def in_words(minutes: float) -> str:
    """Such as "50 minutes" or "3.5 hours": no more digits than are known."""
    if minutes < 95:
        return f"{max(5, 5 * round(minutes / 5))} minutes"
    return f"{minutes / 60:.1f}".removesuffix(".0") + " hours"


def _be_silent() -> None:
    for stream in (1, 2):  # also what libraries write
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _seconds(profile: Profile, store: PatchStore) -> float | None:
    from helpers import search
    from helpers.training import runs

    searching = not search.winner_path(profile, store).is_file()
    profile, left, in_use = search.with_winner(profile, store), [], 0.0
    test = len(store.rows("test")) * len(STRIPS)
    for approach in profile.approaches:
        denoiser, descriptor = profile.trainings(approach)
        denoiser_run = runs.run_folder(denoiser, store)
        run = runs.run_folder(descriptor, store, runs.upstream_run(descriptor, denoiser_run))
        if run.is_dir() and not (searching and approach == "improved"):
            continue
        alone = descriptor.joining == "direct"
        in_front = 0.0 if alone else _seconds_a_patch(denoiser, store)
        a_patch = _seconds_a_patch(descriptor, store)
        a_patch += in_front * (1 if descriptor.joining == "end_to_end" else FORWARD)
        if not (alone or denoiser_run.is_dir()):
            left.append(in_front * _patches(denoiser, store))
        left.append(a_patch * _patches(descriptor, store))
        times = 1
        if approach == "improved":
            times = 2  # on clean patches, too
            left += searching * [_search_seconds(profile, store, a_patch)]
        in_use += times * test * FORWARD * a_patch
    return sum(left) + in_use + test * BY_HAND + OTHERS if left else None


def _search_seconds(profile: Profile, store: PatchStore, a_patch: float) -> float:
    wanted = profile.search
    smaller = with_fewer_points(store, wanted.points_per_scene)
    trial = profile.improved_descriptor.shortened(wanted.budget)
    described = len(smaller.rows("validation")) * len(STRIPS) * FORWARD
    return wanted.trials * a_patch * (_patches(trial, smaller) + described)


def _patches(settings: TrainingSettings, store: PatchStore) -> int:
    """How many a training sees in all."""
    from helpers.training import make_batches
    from helpers.training.plan import Plan

    batches = make_batches(settings, store, "train")
    patches, _, *_ = batches(0)
    return Plan.of(settings, batches.per_epoch).steps * math.prod(patches.shape[:-3])


def _seconds_a_patch(settings: TrainingSettings, store: PatchStore) -> float:
    """Of a training's steps, without a denoiser in front."""
    from helpers.training import make_batches, model
    from helpers.training.loop import step_losses

    batches = make_batches(settings, store, "train")
    alone = replace(settings, joining="direct")
    _, fitted = model.compiled(alone, None, steps=1000)

    def timed(first: int, count: int) -> float:
        started = time.perf_counter()
        list(step_losses(fitted, batches, first, count))
        return (time.perf_counter() - started) / count

    timed(0, 2)  # compiles
    a_step = timed(2, STEPS)
    a_step = a_step if a_step > 0.1 else timed(2 + STEPS, 20 * STEPS)
    patches = settings.batch * math.prod(fitted.input_shape[1:]) // 32**2
    return a_step / patches
