"""How the store of assets writes: one process at a time, whole or not at all, never over what others read."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deca.conversion.asset import AssetError
from deca.io.asset_records import AssetRecord, read_record, remove_record, write_record

_PATIENCE = 600  # seconds; making a head of its parts takes others a while


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, name: str, otherwise: str) -> Iterator[None]:
    """A folder, made if need be, with a lock in it that no other process holds.

    AssetError, which tells `otherwise`, where the folder cannot be written or the lock is not let go.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / name, timeout=_PATIENCE):
            yield
    except Timeout:
        raise AssetError(
            f"{folder / name}: held by another process for {_PATIENCE} s, {otherwise}; end it and try again"
        ) from None
    except NotImplementedError:
        raise AssetError(
            f"{folder}: its file system has no locks, {otherwise}; set DECA_HOME to a folder on another"
        ) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room there" if full else "make it writable"
        found = f"{folder}: cannot be written ({error.strerror or error}), {otherwise}"
        raise AssetError(f"{found}; {remedy}, or set DECA_HOME to another folder") from None


def store_file(
    folder: Path,
    name: str,
    suffix: str,
    write: Callable[[Path], None],
    describe: Callable[[str, str], AssetRecord],
) -> AssetRecord:
    """Store what `write` writes, then the record that `describe` makes of the file's name and its SHA-256.

    The record comes last and makes the asset valid at once; what it replaces is removed after. AssetError
    where the folder cannot be written; then it is as it was before.
    """
    with locked(folder, ".lock", f"nothing of {name} was stored"):
        temporary = folder / f".{name}.part"
        try:
            write(temporary)
            digest = sha256_of(temporary)
            # Named after its content: what others have open is never written over.
            record = describe(f"{name}.{digest[:12]}{suffix}", digest)
            os.replace(temporary, folder / record.file)
            write_record(folder, record)
        finally:
            _sweep(folder, name)
    return record


def remove_file(folder: Path, name: str) -> None:
    """Remove the record of an asset, then its files; AssetError where the folder cannot be written."""
    with locked(folder, ".lock", f"{name} is still there"):
        remove_record(folder, name)
        _sweep(folder, name)


def _sweep(folder: Path, name: str) -> None:
    """Remove an asset's files that its record does not name: older ones, and what killed processes left."""
    try:
        record = read_record(folder, name)
    except AssetError:
        return
    for path in [*folder.glob(f"{name}.*.*"), *folder.glob(f".{name}.*part")]:
        if record is None or path.name != record.file:
            path.unlink(missing_ok=True)
