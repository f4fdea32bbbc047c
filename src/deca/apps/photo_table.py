"""Which photos or videos are to be prepared for training, whose face each shows, and where it comes from."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from deca.apps.errors import UsageError
from deca.apps.layouts import list_layout
from deca.apps.photo_list import files_inside
from deca.apps.prepare_options import PrepareOptions
from deca.io.images import SUFFIXES


@dataclass(frozen=True)
class PhotoSource:
    """A photo or video: its path from the folder of all (with /), whose face it shows, what is told of it."""

    name: str
    identity: str
    source: str
    licence: str
    more: Mapping[str, str] = field(default_factory=dict)


def list_sources(options: PrepareOptions) -> list[PhotoSource]:
    """The photos and videos that the options mean, sorted by name.

    Raises UsageError for a folder that has none or is not of its layout, and for identities that are not to
    be had.
    """
    folder = options.folder
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    _check_used(options)
    table = _read_table(options.csv) if options.csv else {}
    source = folder.resolve().name if options.source is None else options.source
    if options.layout != "plain":
        return [
            PhotoSource(item.name, item.identity, options.source or item.source, options.licence, item.more)
            for item in list_layout(folder, options.layout)
        ]
    if options.identity == "csv":
        names = sorted(table)
    else:
        names = [name for name in files_inside(folder, SUFFIXES) if not _is_truth(folder, name)]
    if not names:
        raise UsageError(f"{folder}: no photos in this folder (looked for {', '.join(sorted(SUFFIXES))})")
    identify = _identifier(options, table)
    return [
        PhotoSource(
            name=name,
            identity=identify(name),
            source=table.get(name, {}).get("source") or source,
            licence=table.get(name, {}).get("licence") or options.licence,
        )
        for name in names
    ]


def _check_used(options: PrepareOptions) -> None:
    """UsageError for options that would be passed over in silence or lack another."""
    if options.layout != "plain":
        for name in ("pattern", "csv", "truth"):
            if getattr(options, name) is not None:
                raise UsageError(
                    f"--{name}: --layout {options.layout} says itself what is what; leave it out"
                )
        if options.identity != "folder":
            raise UsageError(
                f"--identity {options.identity}: --layout {options.layout} has its own identities"
            )
    if (options.identity == "pattern") != (options.pattern is not None):
        raise UsageError("--identity pattern and --pattern REGEX go together")
    if options.identity == "csv" and options.csv is None:
        raise UsageError("--identity csv needs --csv FILE")


def _identifier(options: PrepareOptions, table: Mapping[str, Mapping[str, str]]) -> Callable[[str], str]:
    """A function from a photo's name to whose face it shows."""
    if options.identity == "csv":
        return lambda name: table[name]["identity"]
    if options.identity == "photo":
        return lambda name: name
    if options.identity == "folder":
        return lambda name: _folder_of(name, options.folder)
    try:
        pattern = re.compile(options.pattern or "")
    except re.error as error:
        raise UsageError(f"--pattern {options.pattern}: not a regular expression ({error})") from None
    if not pattern.groups:
        raise UsageError(f"--pattern {options.pattern}: put parentheses around what names the person")

    def found(name: str) -> str:
        match = pattern.search(name)
        if not match or not match[1]:
            raise UsageError(f"--pattern {options.pattern}: does not say whose face {name} shows")
        return match[1]

    return found


def _folder_of(name: str, folder: Path) -> str:
    parent = PurePosixPath(name).parent
    if parent == PurePosixPath("."):
        raise UsageError(f"{folder / name}: lies in no person's folder; use --identity photo, pattern or csv")
    return str(parent)


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a table by their file."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            if missing := [name for name in ("file", "identity") if name not in columns]:
                raise UsageError(
                    f"{path}: no column {' and no column '.join(missing)}; the first line names them"
                )
            table: dict[str, dict[str, str]] = {}
            for row in reader:
                name, where = row["file"], f"{path}: line {reader.line_num}"
                if not name or not row["identity"]:
                    raise UsageError(f"{where}: file or identity is empty")
                if name in table:
                    raise UsageError(f"{where}: {name} comes a second time")
                table[name] = {key: row.get(key) or "" for key in ("identity", "source", "licence")}
            return table
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a readable table ({error})") from None


def _is_truth(folder: Path, name: str) -> bool:
    """Whether a picture is the displacement map that belongs to a synthetic photo."""
    stem = name.removesuffix(".displacement.png")
    return stem != name and (folder / f"{stem}.truth.npz").exists()
