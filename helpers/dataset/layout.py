"""Names and sizes that every dataset here shares."""

LEVELS = ("easy", "hard", "tough")
STRIPS = ("ref", *(f"{level[0]}{image}" for level in LEVELS for image in range(1, 6)))

PATCH_SIDE = 32  # N-HPatches
SOURCE_SIDE = 65  # HPatches, which N-HPatches was made from

PARTS = ("train", "validation", "test")


def strip_columns(level: str) -> slice:
    """The five strips of a level within STRIPS: `store.clean[:, strip_columns("hard")]`."""
    first = 1 + 5 * LEVELS.index(level)
    return slice(first, first + 5)
