"""The house as the README draws it: who may import whom, and how large anything may be."""

import ast
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
# Each room may import those before it; those of ALONE nothing else.
ROOMS = (
    *("common", "benchmark", "settings", "dataset", "networks", "training"),
    *("evaluation", "search", "report", "notebook", "__main__"),
)
ALONE = {"common": set(), "benchmark": set(), "settings": {"common"}, "networks": set()}
WITHOUT_KERAS = {"common", "benchmark", "settings", "dataset"}
LONGEST_MODULE, LONGEST_FUNCTION, MOST_ARGUMENTS = 350, 40, 7
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in HELPERS.rglob("*.py")}


def room_of(path: Path) -> str:
    return path.relative_to(HELPERS).with_suffix("").parts[0]


def imports(nodes) -> set[str]:
    """Dotted names that some nodes import, "helpers.common.files" for example."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def rooms_in(names: set[str]) -> set[str]:
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "helpers" and len(part) > 1} & set(ROOMS)


def test_every_module_is_in_a_room():
    assert {room_of(path) for path in TREES} == {*ROOMS, "__init__"}


def test_a_room_imports_only_rooms_before_it():
    wrong = {}
    for path, tree in TREES.items():
        if (room := room_of(path)) in ROOMS:
            allowed = ALONE.get(room, set(ROOMS[: ROOMS.index(room)])) | {room}
            if back := rooms_in(imports(ast.walk(tree))) - allowed:
                wrong[str(path.relative_to(HELPERS))] = back
    assert not wrong


def test_what_needs_no_network_imports_no_keras():
    for path, tree in TREES.items():
        if room_of(path) in WITHOUT_KERAS:
            assert not {"keras", "tensorflow"} & {name.split(".")[0] for name in imports(tree.body)}


def test_no_modules_import_each_other_in_a_circle():
    """Takes away what imports nothing that is left, until nothing is left."""
    names = {".".join(("helpers", *p.relative_to(HELPERS).with_suffix("").parts)): p for p in TREES}
    left = {name: imports(ast.walk(TREES[path])) for name, path in names.items()}
    while free := [name for name, found in left.items() if not (found & left.keys()) - {name}]:
        for name in free:
            del left[name]
    assert not left


def test_modules_and_functions_are_small():
    large = []
    for path, tree in TREES.items():
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE:
            large.append(f"{path.name} has {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = node.body[bool(ast.get_docstring(node)) :]
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                arguments = len(node.args.args)  # options given by name aside
                arguments -= bool(node.args.args) and node.args.args[0].arg in ("self", "cls")
                if lines > LONGEST_FUNCTION or arguments > MOST_ARGUMENTS:
                    large.append(f"{path.name}: {node.name}: {lines} lines, {arguments} arguments")
    assert not large
