"""Descriptors and denoisers made by hand, and their scores: what a trained pipeline has to beat.

All are pure functions on uint8 patches (N, 32, 32). Their parameters were chosen on validation
scenes; the figures in the comments are means over two datasets with two such scenes each, the
photographs (795 points) and full HPatches sequences (v_churchill and v_wormhole, 1,400 points).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from tqdm.auto import tqdm

from helpers.common import paths
from helpers.common.keys import code_key
from helpers.dataset.layout import PATCH_SIDE
from helpers.dataset.store import PatchStore
from helpers.evaluation.scoring import dataset_of, evaluate, known_or_new, make_tasks

SCORING_CODE = ("benchmark", "evaluation/classical.py", "evaluation/scoring.py")

UNIT = 2**15 - 1  # the length 1 in int16, which is 1/1000 of a typical pixel's value exact

# OpenCV's SIFT has 4 x 4 bins of 3/2 keypoint sizes each. S on noisy and on clean patches, by size:
# 4.27 0.604, 0.708; 16/3 (the bins span 32 px) 0.657, 0.750; 6 0.667, 0.759;
# 20/3 (40 px) 0.668, 0.760; 22/3 0.666, 0.759; 8 0.661, 0.756.
KEYPOINT_SIZE = 20 / 3  # pixels
CENTRE = (PATCH_SIDE - 1) / 2  # pixel centres are at whole numbers; OpenCV rounds it to 16

# S of RootSIFT behind a blur of 0.6 px 0.676, 0.8 0.681, 1 0.685, 1.2 0.688, 1.5 0.690, 2 0.684.
BLUR = 1.5  # standard deviation in pixels

# S of RootSIFT behind template 3, search 7 at strength 25 0.696, 30 0.697, 35 0.697, 40 0.696;
# 3, 5 at 30 0.692; 3, 11 at 20 0.691, 25 0.695, 30 0.691; 3, 15 at 25 0.685; 5, 11 at 20 0.691;
# OpenCV's usual 7, 21 at 20 0.663, at 30 0.627.
STRENGTH = 30.0  # grey levels
TEMPLATE, SEARCH = 3, 7  # sides of the surroundings compared and of the window searched, pixels


# --- descriptors: uint8 (N, 32, 32) -> (N, D) ----------------------------------------------------


def raw_pixels(patches: np.ndarray) -> np.ndarray:
    """The grey levels themselves, shifted to mean 0 and scaled to length UNIT: (N, 1024) int16.

    Gain and bias of the light drop out. A patch of one grey gives zeros. In float32 those of all
    test patches of N-HPatches would take 4 GB.
    """
    pixels = patches.reshape(len(patches), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    pixels = _divide(pixels, np.linalg.norm(pixels, axis=1, keepdims=True))
    return np.rint(pixels * UNIT).astype(np.int16)


def root_sift(patches: np.ndarray) -> np.ndarray:
    """SIFT of the whole patch, divided by its sum, square root of each number: (N, 128).

    The patch is taken as upright. A patch of one grey gives zeros.

    References:
        Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004.
        Arandjelovic & Zisserman, Three Things Everyone Should Know to Improve Object Retrieval,
        CVPR 2012.
    """
    sift = cv2.SIFT_create()
    keypoint = [cv2.KeyPoint(CENTRE, CENTRE, KEYPOINT_SIZE, 0.0)]  # without the 0, by -1 degree
    histograms = np.empty((len(patches), sift.descriptorSize()), np.float32)
    for patch, histogram in zip(patches, histograms, strict=True):
        histogram[:] = sift.compute(patch, keypoint)[1]
    return np.sqrt(_divide(histograms, histograms.sum(axis=1, keepdims=True)))


def _divide(vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Each vector by its length; zeros stay zeros."""
    return vectors / np.where(lengths > 0, lengths, 1)


# --- denoisers: uint8 (N, 32, 32) -> uint8 (N, 32, 32) -------------------------------------------


def gaussian_blur(patches: np.ndarray) -> np.ndarray:
    """Gaussian blur of BLUR pixels, mirrored at the borders."""
    reach = math.ceil(3 * BLUR)
    size = (2 * reach + 1, 2 * reach + 1)
    return _filter(patches, reach, lambda strip: cv2.GaussianBlur(strip, size, BLUR))


def non_local_means(patches: np.ndarray) -> np.ndarray:
    """Every pixel becomes a mean of pixels whose surroundings look alike (Buades, CVPR 2005)."""
    settings = STRENGTH, TEMPLATE, SEARCH
    reach = TEMPLATE // 2 + SEARCH // 2
    return _filter(patches, reach, lambda strip: cv2.fastNlMeansDenoising(strip, None, *settings))


def _filter(
    patches: np.ndarray, reach: int, function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Filters all patches in one call, as one strip with mirrored borders of `reach` in between.

    The bits are those of one call a patch, which would take longer to set up than to filter.
    """
    padded = np.pad(patches, ((0, 0), (reach, reach), (0, 0)), "reflect")
    strip = function(padded.reshape(-1, PATCH_SIDE))
    return strip.reshape(padded.shape)[:, reach:-reach]


# --- the rows ------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What is described, and how: the `patches` of a store ("noisy" or "clean")."""

    title: str
    descriptor: Callable[[np.ndarray], np.ndarray]
    denoiser: Callable[[np.ndarray], np.ndarray] | None = None
    patches: str = "noisy"


ROWS = {
    "raw_pixels": Row("raw pixels", raw_pixels),
    "root_sift": Row("RootSIFT", root_sift),
    "blur_root_sift": Row("Gaussian blur, RootSIFT", root_sift, gaussian_blur),
    "nlm_root_sift": Row("non-local means, RootSIFT", root_sift, non_local_means),
    "raw_pixels_clean": Row("raw pixels of clean patches", raw_pixels, patches="clean"),
    "root_sift_clean": Row("RootSIFT of clean patches", root_sift, patches="clean"),
}


def describe_row(row: Row, store: PatchStore) -> dict[str, np.ndarray]:
    """Descriptors of the test scenes: {scene: (16, N, D)}."""
    found = {}
    for name in store.parts["test"]:
        strips = getattr(store, row.patches)[store.scenes[name]].swapaxes(0, 1)
        denoised = (row.denoiser(strip) if row.denoiser else strip for strip in strips)
        found[name] = np.stack([row.descriptor(strip) for strip in denoised])
    return found


def score_rows(store: PatchStore, pairs: int) -> dict[str, dict]:
    """Scores of every row by the ids of ROWS, on the test scenes and tasks of trained pipelines.

    They are written to `classical-<key>.json` among the runs, and read from there when nothing that
    decides them has changed. Each is as `benchmark` gives it, with its "title".
    """

    def score() -> dict:
        tasks, rows = make_tasks(store, pairs), {}
        for name, row in tqdm(ROWS.items(), desc="hand-made rows, test scenes"):
            scores = evaluate(describe_row(row, store), tasks)
            rows[name] = {"title": row.title} | scores.to_json()
        return {"rows": rows}

    decided_by = {
        "dataset": dataset_of(store),
        "pairs": pairs,
        "code": code_key(*SCORING_CODE),
        "opencv": cv2.__version__,
    }
    return known_or_new(paths.RUNS, "classical", decided_by, score)["rows"]
