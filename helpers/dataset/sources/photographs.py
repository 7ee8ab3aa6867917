"""The source `photographs`: scenes made of photographs in scikit-image and scikit-learn.

The photographs are read from the installed packages, so nothing is downloaded. Half become `v_`
scenes (the photograph seen through five random homographies), half `i_` scenes (five strong
changes of lighting), as in HPatches. Left out: logos, drawings, renderings, second views of a scene
(motorcycle_right), and photographs with hardly any points (cell, clock_motion, microaneurysms).
"""

import hashlib
import io
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers.common.errors import InputError
from helpers.dataset.cutting.homographies import sample_homography
from helpers.dataset.cutting.sampling import bilinear
from helpers.dataset.parts import OWN_SPLIT
from helpers.dataset.sources.filling import CutSource, Loaded
from helpers.dataset.sources.images import decode_grey
from helpers.dataset.store import scene_generator

PARTS = {  # fixed, no photograph in two parts, v_ and i_ in each
    "train": (
        *("v_brick", "v_grass", "v_gravel", "v_hubble_deep_field", "v_ihc"),
        *("i_coins", "i_moon", "i_page", "i_retina", "i_rocket", "i_text"),
    ),
    "validation": ("v_flower", "i_chelsea"),
    "test": ("v_astronaut", "v_camera", "v_motorcycle_left", "i_china", "i_coffee"),
}
FROM_SKLEARN = ("china", "flower")
LONGEST_SIDE = 800  # larger photographs are reduced to it: a usual size in HPatches
POINTS_PER_SCENE = 900  # so that no texture dominates
SUPERSAMPLING = 3  # warps are drawn this much larger and then averaged


class Photographs(CutSource):
    """Scenes that ship with installed packages."""

    name = "photographs"
    parts = PARTS
    split = OWN_SPLIT
    keeps65 = True
    sensitivity = 0.45  # as the photographs are few and small
    keeps_images = True

    def __init__(self, seed: int = 0, points_per_scene: int | None = None):
        """The seed is that of homographies and lighting, too; None for POINTS_PER_SCENE."""
        self.seed, self.most_points = seed, points_per_scene or POINTS_PER_SCENE

    @property
    def recipe(self) -> dict:
        return super().recipe | {"longest_side": LONGEST_SIDE}

    def key(self) -> dict:
        return {scene: _digest(scene) for scenes in self.parts.values() for scene in scenes}

    def load(self, scene: str) -> Loaded:
        return *make_scene(scene, self.seed), _digest(scene)


def _digest(scene: str) -> str:
    return hashlib.sha256(photograph_path(scene).read_bytes()).hexdigest()


def photograph_path(scene: str) -> Path:
    """File of a scene, `v_coffee` say, inside the installed package."""
    name = scene[2:]
    from_sklearn = name in FROM_SKLEARN
    folder = Path(str(files("sklearn.datasets.images" if from_sklearn else "skimage.data")))
    if found := [*folder.glob(f"{name}.jpg"), *folder.glob(f"{name}.png")]:
        return found[0]
    package = "scikit-learn" if from_sklearn else "scikit-image"
    raise InputError(f"The photograph {name} is not in {folder}: reinstall {package}.")


def load_photograph(path: Path) -> np.ndarray:
    """Reads a photograph as grey bytes (height, width), its longest side at most LONGEST_SIDE."""
    grey = Image.fromarray(decode_grey(path.read_bytes(), path))
    grey.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey)


def make_scene(scene: str, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Six grey uint8 images of a scene, and five 3x3 matrices, in pixels, from the first to them.

    Scenes `v_...` change the viewpoint, `i_...` the lighting, as the seed decides.
    """
    photograph = load_photograph(photograph_path(scene))
    rng = scene_generator(scene, seed, "images")
    if scene.startswith("i_"):
        images = [relight(photograph, rng) for _ in range(5)]
        return [photograph, *images], [np.eye(3)] * 5
    homographies = [sample_homography(photograph.shape, rng) for _ in range(5)]
    return [photograph, *(warp(photograph, h) for h in homographies)], homographies


def warp(image: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Shows an image through a homography, anti-aliased, on a canvas of the same size.

    What the photograph does not cover repeats its edge; regions out there are never cut.
    """
    height, width = image.shape
    y, x = (
        (np.arange(length * SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        for length in (height, width)
    )
    values = bilinear(image.astype(np.float32), np.linalg.inv(homography)[None], x, y)
    blocks = values.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


def relight(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Changes the lighting strongly: gamma, gain, bias, a shadow or gradient, blur, JPEG.

    The ranges are assumptions, set so that patches of one point correlate about as little as those
    of genuine `i_` scenes do.
    """
    light = (np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(2 ** rng.uniform(-1, 1)))[image]
    light = light * rng.choice([shadow, gradient])(image.shape, rng)
    light = light * 2 ** rng.uniform(-1, 0.4) + rng.uniform(-0.04, 0.12)
    light = ndimage.gaussian_filter(light, rng.uniform(0, 1.2))
    return jpeg(np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8), int(rng.integers(30, 90)))


def shadow(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A half-plane in shadow, with a wavy soft edge: factors (height, width) up to 1."""
    along, across = _axes(shape, rng)
    wave = 0.15 * np.sin(along * rng.uniform(2, 8) + rng.uniform(0, 6))
    edge = across + wave + rng.normal(0, 0.3)
    lit = 1 / (1 + np.exp(-np.clip(edge / rng.uniform(0.01, 0.08), -30, 30)))
    return lit + (1 - lit) * rng.uniform(0.25, 0.6)


def gradient(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Light that falls off from one side to the other: factors (height, width) around 1."""
    _, across = _axes(shape, rng)
    return 2 ** (across * rng.uniform(0.4, 1.2))


def _axes(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rotated coordinates, about -1 to 1 over the image."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compresses and decompresses a grey image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
