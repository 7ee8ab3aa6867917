"""Keys: hashes that name a thing by all that decides it, and by nothing else."""

import hashlib
import json
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).resolve().parent.parent


def key(value: Any, length: int = 64) -> str:
    """Hash of a JSON-able value; tuples count as lists.

    Args:
        length: how many of its 64 hexadecimal digits are wanted.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:length]


def code_key(*places: str) -> str:
    """Hash of source code: of whole folders where possible, so that no file can be forgotten.

    Args:
        places: folders or files below `helpers`, such as "networks" or "dataset/noise.py".
    """
    digest = hashlib.sha256()
    for place in places:
        path = HELPERS / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
