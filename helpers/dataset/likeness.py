"""Do the patches of a point show the same thing? With wrong homographies they do not."""

import numpy as np

from helpers.benchmark.layout import STRIPS, strip_columns
from helpers.dataset.layout import PATCH_SIDE

SAMPLE = 300  # points of a scene that are compared, evenly spread
# In 16 genuine scenes and all photographs, easy patches are at least 0.24 more like their own `ref`
# than like another; most are 0.5 and more.
LEAST = 0.15
FEWEST = 20  # points: their mean is too uncertain below


def likeness(clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean normalised cross-correlation of `ref` patches with others of their scene.

    Args:
        clean: uint8 (points, 16, 32, 32), of one scene.

    Returns:
        Two float arrays (16,) in -1..1, a number for each strip: with patches of the same point,
        and with those of another one.
    """
    rows = np.unique(np.linspace(0, len(clean) - 1, min(SAMPLE, len(clean))).astype(int))
    patches = clean[rows].reshape(-1, len(STRIPS), PATCH_SIDE**2)
    patches = patches - patches.mean(-1, keepdims=True, dtype=np.float32)
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True) + 1e-6
    refs = patches[:, 0], np.roll(patches[:, 0], 1, axis=0)
    same, other = (np.einsum("pd,psd->s", ref, patches) / len(patches) for ref in refs)
    return same, other


def unlike_ref(scene: str, clean: np.ndarray) -> str:
    """A sentence on images whose easy patches do not show what `ref` does; empty where all do.

    Args:
        scene: its name.
        clean: uint8 (points, 16, 32, 32), of the scene.
    """
    if len(clean) < FEWEST:
        return (
            f"{scene} has {len(clean)} points: too few to tell whether its patches belong together."
        )
    same, other = (values[strip_columns("easy")] for values in likeness(clean))
    if not (unlike := same - other < LEAST).any():
        return ""
    images = ", ".join(str(image) for image in np.flatnonzero(unlike) + 2)
    return (
        f"{scene}: easy patches of image {images} are hardly more like `ref` (mean correlation "
        f"{same[unlike].mean():.2f}) than like other points' ({other[unlike].mean():.2f}): check "
        "the homographies, which map pixels of image 1 to pixels of image k."
    )
