"""Names and constants of the HPatches layout (Balntas et al., CVPR 2017)."""

LEVELS = ("easy", "hard", "tough")
IMAGES = 5  # target images of a sequence, besides the reference
STRIPS = ("ref", *(f"{level[0]}{image}" for level in LEVELS for image in range(1, IMAGES + 1)))
POOLS = (100, 500, 1000, 5000, 10000, 15000, 20000)  # retrieval pool sizes
TASKS = ("verification", "matching", "retrieval")


def strip_columns(level: str) -> slice:
    """The five strips of a level within `STRIPS`: `patches[:, strip_columns("hard")]`."""
    first = 1 + IMAGES * LEVELS.index(level)
    return slice(first, first + IMAGES)
