"""Keys: hashes that name a thing by all that decides it, and by nothing else."""

import ast
import hashlib
import json
import textwrap
from dataclasses import MISSING, asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).resolve().parent.parent
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def key(value: Any, length: int = 64) -> str:
    """Hash of a JSON-able value, `length` hexadecimal digits; tuples count as lists."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:length]


def deciding(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that names are made of: all but those that have their default.

    So a new field, whose default does as was done before, renames nothing. A default that is
    changed in the code does as little: who keeps results under such a name has to keep all fields
    beside them, and to compare.
    """
    told = json.loads(json.dumps(asdict(settings)))  # lists for tuples
    for one in fields(settings):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if told[one.name] == default:
            del told[one.name]
    return told


def code_key(*places: str) -> str:
    """Hash of what source code does: comments, docstrings and formatting do not count.

    Args:
        places: below `helpers`; folders where possible, so that no file can be forgotten.
    """
    digest = hashlib.sha256()
    for place in places:
        path = HELPERS / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source_key(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


@cache
def source_key(source: str) -> str:
    """Hash of what a piece of source code does; of the text itself where it is no plain Python."""
    try:
        return key(_meaning(ast.parse(textwrap.dedent(source))))
    except (SyntaxError, ValueError, RecursionError):
        return key(source)


def _meaning(node: Any) -> Any:
    """A syntax tree as lists of plain values.

    Without empty fields, which only some versions of Python have: unlike `ast.dump` and
    `ast.unparse` it is the same from 3.11 to 3.13.
    """
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    found = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.JoinedStr):  # Python 3.12 has empty pieces in some
        found["values"] = [one for one in node.values if getattr(one, "value", None) != ""]
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        found["body"] = node.body[1:]
    return [type(node).__name__, {name: _meaning(value) for name, value in found.items()}]
