"""The store of assets: what users own, converted once, in a folder of their own."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from deca.conversion.asset import KINDS, Asset, AssetError
from deca.head.data import HeadError, head_data_from_arrays
from deca.io.asset_files import remove_file, sha256_of, store_file
from deca.io.asset_records import (
    AssetRecord,
    assets_folder,
    check_name,
    heads_folder,
    read_record,
    stored_names,
)
from deca.io.heads import DEFAULT_HEAD, write_head

WEIGHTS = "deca-weights"
"""The asset of DECA's networks."""


@dataclass(frozen=True)
class Source:
    """The file of which an asset was made: its name and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Verdict:
    """What looking at one stored asset found; `problem` is empty where it is as it was stored."""

    name: str
    is_head: bool
    problem: str


def source_of(path: str | Path) -> Source:
    """A file's name and hash; a folder's hash is that of the list of its files as `sha256sum` prints it."""
    path = Path(path).resolve()
    if not path.is_dir():
        return Source(path.name, sha256_of(path))
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    listing = "".join(f"{sha256_of(path / file)}  {file}\n" for file in files)
    return Source(path.name, hashlib.sha256(listing.encode()).hexdigest())


def add_asset(asset: Asset, source: Source) -> AssetRecord:
    """Store an asset in place of an older one of its name: a head as a head file, all else as safetensors.

    AssetError where the name cannot be one, a head is inconsistent or the folder cannot be written; then the
    store is as it was before.
    """
    check_name(asset.name)
    if asset.kind == "head":
        return _add_head(asset, source)
    # What is written is the memory as it lies, so it must lie in order.
    content = save({name: np.asarray(array, order="C") for name, array in asset.arrays.items()})
    return store_file(
        assets_folder(),
        asset.name,
        ".safetensors",
        lambda path: _write(path, content),
        lambda file, sha256: _record(asset, KINDS[asset.kind].licence, source, file, sha256),
    )


def list_assets() -> list[AssetRecord]:
    """Every stored asset: files by name, then heads. AssetError where a record cannot be understood."""
    found = [read_record(folder, name) for folder, name in _stored()]
    return [record for record in found if record is not None]


def find_asset(name: str) -> AssetRecord:
    """The record of a stored file that is no head; AssetError with what to add where there is none."""
    if record := read_record(assets_folder(), name):
        return record
    missing = KINDS[name].file if name in KINDS else "its file"
    raise AssetError(f"no {name}: add {missing} with `deca assets add`")


def load_asset(name: str) -> dict[str, np.ndarray]:
    """The arrays of a stored file, as its kind has them: views of the file, read when they are touched.

    Heads are loaded by `deca.io.heads.find_head`. AssetError, with the remedy, where there is none of this
    name or its file is gone or damaged.
    """
    # Imported late: listing assets need not wait for PyTorch. Its loader maps the file, numpy's copies it.
    from safetensors.torch import load_file

    record = find_asset(name)
    while True:
        path = stored_file(record)
        try:
            return {key: tensor.numpy() for key, tensor in load_file(path).items()}
        except FileNotFoundError:
            newer = find_asset(name)
            if newer == record:
                raise AssetError(f"{path}: {_gone(record)}") from None
            # Another process has replaced it in between.
            record = newer
        except (SafetensorError, OSError) as error:
            raise AssetError(f"{path}: cannot be read ({error}); {_again(record)}") from None


def asset_files(name: str) -> list[Path]:
    """The files of what is stored under a name, a file or a head or both; AssetError where nothing is."""
    records = [read_record(folder, name) for folder in _shelves(name)]
    return [stored_file(record) for record in records if record is not None]


def verify_assets() -> list[Verdict]:
    """Hash every stored file again."""
    return [Verdict(name, folder == heads_folder(), _problem(folder, name)) for folder, name in _stored()]


def difference(record: AssetRecord) -> str:
    """How a stored file departs from its record, and the remedy; empty where it is as it was stored."""
    path = stored_file(record)
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        return f"{path}: {_gone(record)}"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}); {_again(record)}"
    if found == record.sha256:
        return ""
    changed = f"changed since it was stored (SHA-256 {found[:12]}, not {record.sha256[:12]})"
    return f"{path}: {changed}; {_again(record)}"


def stored_file(record: AssetRecord) -> Path:
    """The file that a record describes."""
    return (heads_folder() if record.kind == "head" else assets_folder()) / record.file


def remove_asset(name: str) -> None:
    """Remove what is stored under a name, a file or a head or both; AssetError where nothing is."""
    for folder in _shelves(name):
        remove_file(folder, name)


def _add_head(asset: Asset, source: Source) -> AssetRecord:
    if asset.name == DEFAULT_HEAD:
        raise AssetError(
            f"a head cannot be called {DEFAULT_HEAD!r}, the shipped one is; give it another name"
        )
    try:
        head = head_data_from_arrays(asset.arrays, asset.name)
    except HeadError as error:
        raise AssetError(str(error)) from None
    return store_file(
        heads_folder(),
        asset.name,
        ".npz",
        lambda path: write_head(head, path),
        lambda file, sha256: _record(asset, head.licence, source, file, sha256),
    )


def _record(asset: Asset, licence: str, source: Source, file: str, sha256: str) -> AssetRecord:
    return AssetRecord(
        name=asset.name,
        kind=asset.kind,
        licence=licence,
        source=source.name,
        source_sha256=source.sha256,
        file=file,
        sha256=sha256,
        added=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        deca=version("deca"),
        details=dict(asset.details),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _stored() -> list[tuple[Path, str]]:
    """Folder and name of everything in the store."""
    return [(folder, name) for folder in (assets_folder(), heads_folder()) for name in stored_names(folder)]


def _shelves(name: str) -> list[Path]:
    """The folders in which something of this name is stored."""
    if folders := [folder for folder, stored in _stored() if stored == name]:
        return folders
    known = ", ".join(dict.fromkeys(stored for _, stored in _stored()))
    raise AssetError(f"nothing is stored as {name!r}; stored are {known or 'no assets at all'}")


def _problem(folder: Path, name: str) -> str:
    """What is wrong with one stored asset; nothing where another process has just removed it."""
    try:
        record = read_record(folder, name)
        while record is not None and (problem := difference(record)):
            newer = read_record(folder, name)
            if newer == record:
                return problem
            # Another process has replaced it in between.
            record = newer
    except AssetError as error:
        return str(error)
    return ""


def _gone(record: AssetRecord) -> str:
    return f"this file of {record.name} is gone; {_again(record)}"


def _again(record: AssetRecord) -> str:
    return f"add {record.source} again with `deca assets add`"
