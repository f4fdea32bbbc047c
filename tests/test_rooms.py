"""The rooms of the house: data flows one way, and no room knows a higher one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "deca"
LEVELS = [
    {"parameters", "geometry"},
    {"raster"},
    {"photo", "head"},
    {"render"},
    {"model"},
    {"fitting"},
    {"animation"},
    {"conversion"},
    {"io"},
    {"training", "evaluation"},
    {"apps"},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deca."):
            found.add(node.module.split(".")[1])
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("deca.")}
    return found


MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_lower_rooms_only(path):
    room = room_of(path.relative_to(SOURCE).parts)
    if room == "data":
        return
    for other in imports(path) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{path.relative_to(SOURCE)} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_begins_by_saying_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    if path.name == "__init__.py":
        assert len(ast.parse(path.read_text()).body) == 1, "a package's __init__ is a docstring"


def test_no_unrestricted_unpickler():
    for path in MODULES:
        text = path.read_text()
        for forbidden in ("pickle.load", "allow_pickle=True", "weights_only=False", "torch.load("):
            assert forbidden not in text, f"{path} holds {forbidden}"
