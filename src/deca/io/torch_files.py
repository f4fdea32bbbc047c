"""Files that torch.save wrote, old and new, as nested dicts whose tensors are read on demand; never run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from deca.io.damage import RefusedError, naming_file
from deca.io.limited_reader import LimitedReader
from deca.io.pickle_arrays import Allowance
from deca.io.pickle_machine import run_pickle
from deca.io.torch_tensors import Storage, read_legacy, storage_of, torch_constructors

_MOST_ENTRIES = 100_000


@contextmanager
def open_torch(path: str | Path) -> Iterator[object]:
    """The content of a file by torch.save, whose leaves Tensor can be read until it is closed.

    AssetError for what is no such file, is cut short, or asks for anything but tensors.
    """
    with naming_file(path), LimitedReader(path) as stream:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive:
                yield _zip_content(archive, stream.size)
        else:
            stream.seek(0)
            if stream.read(2) == b"PK":
                raise RefusedError("cut short: its directory, at the end, is missing; get the file again")
            stream.seek(0)
            yield read_legacy(stream, stream.size, torch_constructors(Allowance(stream.size)))


def _zip_content(archive: zipfile.ZipFile, size: int) -> object:
    entries = {info.filename: info for info in archive.infolist()}
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in entries.values())
    if not stored or len(entries) > _MOST_ENTRIES or sum(info.file_size for info in entries.values()) > size:
        raise RefusedError("claims more than it holds; torch.save writes tensors uncompressed")
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise RefusedError("no data.pkl in it, so torch.save did not write it")
    folder = pickles[0].removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
    if order != b"little":
        raise RefusedError("written on a big-endian machine; save it again on this one")
    known: dict[str, Storage] = {}

    def persistent(identity: object) -> Storage:
        storage = storage_of(identity, known)
        storage.read = partial(_stored_values, archive, f"{folder}data/{storage.key}")
        return storage

    stream = io.BytesIO(archive.read(pickles[0]))
    return run_pickle(stream, torch_constructors(Allowance(size)), persistent)


def _stored_values(archive: zipfile.ZipFile, name: str, storage: Storage) -> np.ndarray:
    expected, found = storage.count * storage.dtype.itemsize, archive.getinfo(name).file_size
    if found != expected:
        raise RefusedError(f"claims {expected} bytes for {name}, {found} are there")
    return np.frombuffer(bytearray(archive.read(name)), storage.dtype)  # a bytearray, so that torch may write
