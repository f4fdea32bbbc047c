"""Where files are and how they are written: whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path


def data_file(name: str) -> Path:
    """The path of a file that ships with the package."""
    path = Path(str(files("deca.data").joinpath(name)))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: this file ships with deca and is missing; install deca again")
    return path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place on success and vanishes on failure."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place on success, an older one's too, and vanishes
    on failure."""
    path = Path(path)
    parts = path.with_name(f".{path.name}.{os.getpid()}.deca-part")
    old = path.with_name(f".{path.name}.{os.getpid()}.deca-old")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        parts.mkdir()
        yield parts
        if path.exists():
            path.rename(old)
        parts.rename(path)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
