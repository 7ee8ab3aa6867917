"""Warnings that come with scores: marks in tables, and the notes below them."""

from typing import Any

MARK = "*"  # behind the name of what has scores with warnings


def warnings_of(rows: dict[str, dict[str, Any]]) -> list[str]:
    """What has to be known before scores are believed: "improved*: ties made it."

    Args:
        rows: id -> scores dictionary. What holds for all of them is said of "all".
    """
    shared = _shared(rows)
    own = [
        f"{row.get('title', key)}{MARK}: {sentence}"
        for key, row in rows.items()
        for sentence in row.get("warnings", ())
        if sentence not in shared
    ]
    return [f"all: {sentence}" for sentence in shared] + own


def _shared(rows: dict[str, dict[str, Any]]) -> list[str]:
    first, *others = [row.get("warnings", []) for row in rows.values()]
    return [sentence for sentence in first if all(sentence in other for other in others)]


def marked(title: str, scores: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """The title, and a mark if there are warnings of these scores alone."""
    return title + MARK * bool({*scores.get("warnings", ())} - {*_shared(rows)})
