"""The records of stored assets: one JSON file an asset that says what it is, and where it came from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deca.conversion.asset import AssetError
from deca.io.files import whole_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class AssetRecord:
    """What is known of one stored asset.

    `source` is the name of the file that the user gave, `source_sha256` its hash; `file` is what was stored,
    beside the record, `sha256` its hash. `added` is a date and time with its zone, `deca` the version of this
    program.
    """

    name: str
    kind: str
    licence: str
    source: str
    source_sha256: str
    file: str
    sha256: str
    added: str
    deca: str
    details: Mapping[str, str]


def assets_folder() -> Path:
    """The user's own folder of assets: $DECA_HOME, else $XDG_DATA_HOME/deca, else ~/.local/share/deca."""
    if home := os.environ.get("DECA_HOME"):
        return Path(home).expanduser()
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    # A relative path there is to be ignored: XDG Base Directory Specification.
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "deca"


def heads_folder() -> Path:
    """Where heads are kept: a head may be called as the file is of which it was made."""
    return assets_folder() / "heads"


def compiled_folder() -> Path:
    """Where networks are kept in the form that OpenVINO runs, under the hash of their weights."""
    return assets_folder() / "compiled"


def check_name(name: str) -> None:
    """AssetError where a name cannot be the name of a file everywhere."""
    if not _NAME.fullmatch(name):
        raise AssetError(
            f"{name!r} is no name for an asset: take letters, digits, - and _, 64 at most, beginning with a "
            "letter or digit"
        )


def stored_names(folder: Path) -> list[str]:
    """The names of all the assets in a folder of the store, sorted."""
    return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))


def read_record(folder: Path, name: str) -> AssetRecord | None:
    """The record of one asset, None where there is none; AssetError where it cannot be understood."""
    check_name(name)
    path = _record_path(folder, name)
    try:
        entries = json.loads(path.read_text())
        record = AssetRecord(**entries)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    texts = [getattr(record, field.name) for field in fields(record) if field.name != "details"]
    if not all(isinstance(text, str) for text in texts) or not isinstance(record.details, dict):
        raise _damaged(path, "an entry is no text")
    # What a record names is read and removed, so it must lie beside the record.
    if record.name != name or not re.fullmatch(rf"{name}\.[0-9a-f]{{12}}\.[a-z]+", record.file):
        raise _damaged(path, f"it names {record.name!r} and {record.file!r}")
    return record


def write_record(folder: Path, record: AssetRecord) -> None:
    """Write a record, whole or not at all."""
    with whole_file(_record_path(folder, record.name)) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n")


def remove_record(folder: Path, name: str) -> None:
    """Remove a record, also one that cannot be understood."""
    _record_path(folder, name).unlink()


def _record_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _damaged(path: Path, found: str) -> AssetError:
    remedy = f"`deca assets remove {path.stem}`, then add the file again"
    return AssetError(f"{path}: no record of this program ({found}); {remedy}")
