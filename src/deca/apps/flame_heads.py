"""The heads that FLAME's stored files make up: made once they are complete, removed when one is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version

from rich.console import Console
from rich.markup import escape

from deca.apps.asset_list import tell
from deca.conversion.asset import KINDS, Asset, AssetError
from deca.conversion.flame_head import NEEDED, OPTIONAL, FlameParts, flame_head
from deca.io.asset_files import locked, remove_file
from deca.io.asset_records import AssetRecord, assets_folder, heads_folder, read_record
from deca.io.assets import Source, add_asset, difference, load_asset
from deca.io.heads import default_head, head_arrays

FLAME_HEADS = ("flame", "flame-male", "flame-female")
# The detail of a made head's record that names its parts with their hashes.
_PARTS = "parts"


def update_flame_heads(console: Console) -> int:
    """Make each FLAME head whose parts are complete and have changed, and remove those that miss a part.

    Tells in one line a head of what was done or is missing; returns how many could not be made.
    """
    failures = 0
    # Whoever comes later sees the parts that others have added, so the last one to hold the lock is right.
    with locked(assets_folder(), ".heads.lock", "no head was made"):
        for name in FLAME_HEADS:
            try:
                line = _update(name, stored_parts(name), console)
            except AssetError as error:
                failures += 1
                line = f"[red]failed[/] head {name}: {escape(str(error))}"
            if line:
                tell(console, line)
    return failures


def stored_parts(name: str) -> dict[str, AssetRecord]:
    """The stored files, by kind, that make up a FLAME head: the model is its own, the others are shared."""
    names = {kind: name if kind == "flame" else kind for kind in (*NEEDED, *OPTIONAL)}
    records = {kind: read_record(assets_folder(), stored) for kind, stored in names.items()}
    found = {kind: record for kind, record in records.items() if record is not None}
    # DECA's networks were trained with the Basel albedo.
    if "albedo-bfm" in found:
        found.pop("albedo-flame", None)
    return found


def still_needed(name: str, parts: Mapping[str, AssetRecord]) -> str:
    """The files that a FLAME head still needs, in words; empty where none."""
    missing = [name if kind == "flame" else kind for kind in NEEDED if kind not in parts]
    return ", ".join(f"{kind} ({KINDS.get(kind, KINDS['flame']).file})" for kind in missing)


def _update(name: str, parts: Mapping[str, AssetRecord], console: Console) -> str:
    """Bring one head up to date; what to tell of it."""
    if needed := still_needed(name, parts):
        if _remove_made(name):
            return f"head {name}: removed, it cannot be without {needed}"
        return f"head {name}: still needs {needed}" if _begun(name, parts) else ""
    key = ", ".join(f"{record.name} {record.sha256[:12]}" for record in parts.values())
    made = read_record(heads_folder(), name)
    if made is not None and _is_current(made, key):
        return ""
    started = time.perf_counter()
    try:
        with console.status(f"making the head {name}"):
            _make(name, parts, key)
    except AssetError:
        # The older one is made of other files than are stored now.
        _remove_made(name)
        raise
    told = f"made of {', '.join(record.name for record in parts.values())}"
    seconds = time.perf_counter() - started
    return f"head {name}: {told} · {seconds:.1f} s · use it with `deca reconstruct --head {name}`"


def _is_current(made: AssetRecord, key: str) -> bool:
    """Whether a head was made of these parts by this version, and is as it was stored."""
    return made.details.get(_PARTS) == key and made.deca == version("deca") and not difference(made)


def _make(name: str, parts: Mapping[str, AssetRecord], key: str) -> None:
    arrays = {kind: load_asset(record.name) for kind, record in parts.items()}
    flame = parts["flame"]
    head = flame_head(name, FlameParts(flame.details["version"], arrays), default_head())
    made_of = ", ".join(record.name for record in parts.values())
    details = {"version": head.version, "made of": made_of, _PARTS: key}
    add_asset(Asset(name, "head", head_arrays(head), details), Source(flame.source, flame.source_sha256))


def _begun(name: str, parts: Mapping[str, AssetRecord]) -> bool:
    """Whether the user is on the way to this head; the shared files alone are told of as "flame"."""
    if "flame" in parts:
        return True
    others = (other for other in FLAME_HEADS if other != name)
    return name == "flame" and bool(parts) and not any("flame" in stored_parts(other) for other in others)


def _remove_made(name: str) -> bool:
    """Remove a head that was made here of parts; whether there was one."""
    made = read_record(heads_folder(), name)
    if made is None or _PARTS not in made.details:
        return False
    remove_file(heads_folder(), name)
    return True
