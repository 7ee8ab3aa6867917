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

FORWARD = 0.3  # time of a patch in use, as a part of its time in training
BY_HAND = 4e-4  # seconds a patch of all descriptors made by hand
OTHERS = 180  # seconds of kernels, samples, figures and LaTeX


def estimate(profile: Profile, store: PatchStore) -> str:
    """Such as "50 minutes" or "3.5 hours", "" where no training is left or it cannot be measured.

    Measured in a process of its own, which gives the memory of a GPU back. Raises InputError if a
    training cannot be done, since a part is too small, say.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_be_silent) as pool:
        try:
            minutes = pool.submit(_seconds, profile, store).result() / 60
        except InputError:
            raise
        except Exception:  # the training itself has the better sentence
            return ""
    if minutes < 95:  # no more digits than are known
        return f"{max(5, 5 * round(minutes / 5))} minutes" if minutes else ""
    return f"{minutes / 60:.1f}".removesuffix(".0") + " hours"


def _be_silent() -> None:
    for stream in (1, 2):  # also what libraries write
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _seconds(profile: Profile, store: PatchStore) -> float:
    from helpers import search
    from helpers.training import runs

    searching = not search.winner_path(profile, store).is_file()
    profile, total = search.with_winner(profile, store), 0.0
    test = len(store.rows("test")) * len(STRIPS)
    for approach in profile.approaches:
        denoiser, descriptor = profile.trainings(approach)
        improved, wanted = approach == "improved", profile.search
        denoiser_run = runs.run_folder(denoiser, store)
        run = runs.run_folder(descriptor, store, runs.upstream_run(descriptor, denoiser_run))
        if run.is_dir() and not (searching and improved):
            continue
        a_patch, in_front = _seconds_a_patch(descriptor, store), 0.0
        if descriptor.joining != "direct":
            in_front = _seconds_a_patch(denoiser, store)
            a_patch += in_front * (1 if descriptor.joining == "end_to_end" else FORWARD)
        if not denoiser_run.is_dir():
            total += in_front * _patches(denoiser, store)
        total += a_patch * (_patches(descriptor, store) + (1 + improved) * test * FORWARD)
        if searching and improved:
            smaller = with_fewer_points(store, wanted.points_per_scene)
            trained = _patches(descriptor.shortened(wanted.budget), smaller)
            described = len(smaller.rows("validation")) * len(STRIPS) * FORWARD
            total += wanted.trials * a_patch * (trained + described)
    return total and total + test * BY_HAND + OTHERS


def _patches(settings: TrainingSettings, store: PatchStore) -> int:
    """How many a training sees in all."""
    from helpers.training import make_batches
    from helpers.training.plan import Plan

    batches = make_batches(settings, store, "train")
    patches, *_ = batches(0)
    return Plan.of(settings, batches.per_epoch).steps * math.prod(patches.shape[:-3])


def _seconds_a_patch(settings: TrainingSettings, store: PatchStore) -> float:
    """Of a training's steps, without a denoiser in front."""
    from helpers.training import make_batches, model
    from helpers.training.loop import step_losses

    _, fitted = model.compiled(replace(settings, joining="direct"), None, steps=1000)
    ends = []
    for _ in step_losses(fitted, make_batches(settings, store, "train"), 0, 100):
        ends.append(time.perf_counter())
        if len(ends) > 5 and ends[-1] - ends[1] > 2:  # the first two compile
            break
    patches = settings.batch * math.prod(fitted.input_shape[1:]) // 32**2
    return (ends[-1] - ends[1]) / (len(ends) - 2) / patches
