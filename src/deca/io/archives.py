"""numpy's own files, npz and npy: every size is checked before anything is unpacked, objects are refused."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from deca.io.damage import RefusedError, naming_file
from deca.io.limited_reader import LimitedReader
from deca.io.pickles import unpickled

MAX_ARRAY_BYTES = 2**29
MAX_ARCHIVE_BYTES = 2**31  # the Basel albedo in double precision takes 1.3e9
_MOST_ARRAYS = 10_000
_BLOCK_BYTES = 2**24


class Header(NamedTuple):
    """What stands before the numbers of an array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    size: int


class Archive:
    """An open npz: its headers are read, its arrays when asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        entries = archive.infolist()
        claimed = sum(entry.file_size for entry in entries)
        if len(entries) > _MOST_ARRAYS or claimed > MAX_ARCHIVE_BYTES:
            raise RefusedError(
                f"unpacks to {len(entries)} arrays of {claimed / 2**30:.1f} GiB; at most {_MOST_ARRAYS} of "
                f"{MAX_ARCHIVE_BYTES / 2**30:g} GiB are read"
            )
        self._archive = archive
        self._entries = {
            entry.filename.removesuffix(".npy"): entry for entry in entries if entry.filename.endswith(".npy")
        }
        self.headers = {name: self._header(name) for name in self._entries}

    def array(self, name: str) -> np.ndarray:
        """A whole array."""
        header = self.headers[name]
        if header.size > MAX_ARRAY_BYTES:
            raise RefusedError(
                f"{name} takes {header.size} bytes; at most {MAX_ARRAY_BYTES} are read at once"
            )
        with self._archive.open(self._entries[name]) as stream:
            _header_of(stream)
            return _shaped(stream.read(), header)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays."""
        return {name: self.array(name) for name in self.headers}

    def leading_components(self, name: str, count: int) -> np.ndarray:
        """(count, ...): the first `count` entries along the last axis, float32, which becomes the first.

        The array passes by in blocks, so that little more than the result is held.
        """
        header = self.headers[name]
        *rest, components = header.shape
        points = math.prod(rest)
        kept = min(count, components)
        result = np.empty((kept, points), np.float32)
        with self._archive.open(self._entries[name]) as stream:
            _header_of(stream)
            if header.fortran:
                for row in result:
                    raw = stream.read(points * header.dtype.itemsize)
                    row[:] = np.frombuffer(raw, header.dtype).reshape(rest, order="F").ravel()
            else:
                row_bytes = components * header.dtype.itemsize
                step = max(1, _BLOCK_BYTES // row_bytes)
                for start in range(0, points, step):
                    raw = stream.read(min(step, points - start) * row_bytes)
                    block = np.frombuffer(raw, header.dtype).reshape(-1, components)
                    result[:, start : start + len(block)] = block[:, :kept].T
        return result.reshape(kept, *rest)

    def _header(self, name: str) -> Header:
        entry = self._entries[name]
        with self._archive.open(entry) as stream:
            header = _header_of(stream)
            held = entry.file_size - stream.tell()
        if header.dtype.hasobject:
            raise RefusedError(f"{name} is an object array; only plain arrays are read, save it as one")
        if header.size != held:
            raise RefusedError(f"{name} claims {header.size} bytes, {held} are there; get the file again")
        return header


@contextmanager
def open_archive(path: str | Path) -> Iterator[Archive]:
    """An npz, open as long as it is read; AssetError where it is none, is cut short or claims too much."""
    with naming_file(path), zipfile.ZipFile(path) as archive:
        yield Archive(archive)


def read_npy(path: str | Path) -> object:
    """The array of an npy, or what numpy.save pickled into one without axes; AssetError otherwise."""
    with naming_file(path), LimitedReader(path) as stream:
        header = _header_of(stream)
        if header.dtype.hasobject:
            if header.shape:
                raise RefusedError("an array of objects; only plain arrays are read")
            return unpickled(stream, stream.size)
        raw = stream.read(header.size)
        if len(raw) != header.size:
            raise RefusedError(
                f"claims {header.size} bytes of numbers, {len(raw)} are there; get the file again"
            )
        return _shaped(raw, header)


def _header_of(stream: IO[bytes]) -> Header:
    version = npy.read_magic(stream)
    if version != (1, 0):
        raise RefusedError(f"an npy array of version {version}; plain arrays have version (1, 0)")
    shape, fortran, dtype = npy.read_array_header_1_0(stream)
    return Header(shape, fortran, dtype, math.prod(shape) * dtype.itemsize)


def _shaped(raw: bytes, header: Header) -> np.ndarray:
    return np.frombuffer(raw, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
