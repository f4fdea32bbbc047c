"""`deca assets add` and `remove`: what users own is taken in, and the heads that it makes up are made."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deca.apps.asset_list import description, tell
from deca.apps.flame_heads import update_flame_heads
from deca.conversion.asset import AssetError, UnknownAssetError
from deca.io.asset_records import AssetRecord, assets_folder, compiled_folder, read_record
from deca.io.assets import WEIGHTS, add_asset, remove_asset, source_of
from deca.io.facekit_files import is_facekit
from deca.io.published_files import read_published


def add_files(paths: Sequence[Path], console: Console) -> int:
    """Take in files and folders (searched in depth); returns how many failed.

    Each file is told of in one line, and one that fails does not stop the others. In a folder files of no
    known kind are passed over and counted. Then the heads that the files make up are made.
    """
    added: dict[Path, AssetRecord] = {}
    failures, passed_over = 0, 0
    for path in paths:
        for file in _files(path):
            started = time.perf_counter()
            try:
                with console.status(f"reading {escape(file.name)}"):
                    record = _add(file, list(added.values()))
            except (AssetError, FileNotFoundError) as error:
                if isinstance(error, UnknownAssetError) and file != path:
                    passed_over += 1
                    continue
                failures += 1
                tell(console, f"[red]failed[/] {escape(str(error))}")
            else:
                added[file] = record
                tell(console, f"{_described(file, record)} · {time.perf_counter() - started:.1f} s")
    if passed_over:
        tell(console, f"[dim]{passed_over} other files were passed over[/]")
    _remove_compiled()
    return failures + (update_flame_heads(console) if added else 0)


def remove(name: str, console: Console) -> int:
    """Remove what is stored under a name, and heads made of it; returns how many heads failed."""
    remove_asset(name)
    tell(console, f"{escape(name)}: removed")
    _remove_compiled()
    return update_flame_heads(console)


def _remove_compiled() -> None:
    """Remove what was compiled of weights that are no longer stored."""
    weights = read_record(assets_folder(), WEIGHTS)
    for kept in compiled_folder().glob("*"):
        if weights is None or kept.name != weights.sha256:
            shutil.rmtree(kept, ignore_errors=True)


def _files(path: Path) -> Iterator[Path]:
    """The path itself, where it is a file or ICT-FaceKit's folder, or else all of these in it, in order."""
    if not path.is_dir() or is_facekit(path):
        yield path
        return
    for folder, below, files in os.walk(path):
        kits = [name for name in below if is_facekit(Path(folder, name))]
        # What os.walk finds in this list it goes into next.
        below[:] = sorted(name for name in below if name not in kits and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted([*kits, *files]) if not name.startswith("."))


def _add(path: Path, before: Sequence[AssetRecord]) -> AssetRecord:
    """Store one file; AssetError where another file of this command has been stored under its name."""
    asset = read_published(path)
    source = source_of(path)
    for other in before:
        clashes = other.name == asset.name and (other.kind == "head") == (asset.kind == "head")
        if clashes and other.source_sha256 != source.sha256:
            raise AssetError(
                f"{path}: {asset.name} was just added from another {other.source}; add only the one you want"
            )
    return add_asset(asset, source)


def _described(path: Path, record: AssetRecord) -> str:
    facts = (record.name, description(record), f"licence: {record.licence}")
    hashed = f"SHA-256 {record.source_sha256[:12]}"
    return f"[bold]{escape(path.name)}[/] {escape(' · '.join((*facts, hashed)))}"
