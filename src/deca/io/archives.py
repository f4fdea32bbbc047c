"""numpy's own files, npz and npy: every size is checked before anything is unpacked, objects are refused."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deca.io.damage import RefusedError, naming_file
from deca.io.limited_reader import LimitedReader, Readable
from deca.io.pickles import unpickled

MAX_ARRAY_BYTES = 2**29
MAX_ARCHIVE_BYTES = 2**32  # the Basel albedo in double precision takes 1.3e9
_MOST_ARRAYS = 10_000
_BLOCK_BYTES = 2**24
_LONGEST_HEADER = 2**16 + 10
_PLAIN_NPY = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[<>|=]?(?:O|b1|[iu][1248]|f[248]|[SU][1-9][0-9]{0,5}))', "
    r"'fortran_order': (?P<fortran>True|False), 'shape': \((?P<shape>[0-9L, ]{0,200})\),? *\} *\n"
)


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
        self.check(name)
        with self._archive.open(self._entries[name]) as stream:
            return _shaped(stream, _header_of(stream))

    def check(self, name: str) -> None:
        """RefusedError where an array holds objects, or is more than is read at once or than is there."""
        header = self._checked_header(name)
        if header.size > MAX_ARRAY_BYTES:
            raise RefusedError(
                f"{name} takes {header.size} bytes; at most {MAX_ARRAY_BYTES} are read at once"
            )

    def leading_components(self, name: str, count: int) -> np.ndarray:
        """(count, ...): the first `count` entries along the last axis, float32, which becomes the first.

        The array passes by in blocks, so that little more than the result is held.
        """
        header = self._checked_header(name)
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
            return _header_of(stream)

    def _checked_header(self, name: str) -> Header:
        """The header of an array of numbers or text that claims as many bytes as there are."""
        header, entry = self.headers[name], self._entries[name]
        if header.dtype.hasobject:
            raise RefusedError(f"{name} is an object array; only plain arrays are read, save it as one")
        if not 0 <= entry.file_size - header.size <= _LONGEST_HEADER:
            raise RefusedError(
                f"{name} claims {header.size} bytes, but fills {entry.file_size}; get the file again"
            )
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
        return _shaped(stream, header)


def _header_of(stream: Readable) -> Header:
    """The header of an npy, taken apart as text; numpy itself evaluates it as a Python literal."""
    start = stream.read(10)
    if start[:8] != _PLAIN_NPY or len(start) < 10:
        raise RefusedError("holds no plain npy array of version 1; get the file again")
    text = stream.read(int.from_bytes(start[8:], "little")).decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None:
        raise RefusedError("holds an array that is none of plain numbers or text; only those are read")
    dtype = np.dtype(match["dtype"])
    shape = tuple(int(size) for size in re.findall(r"[0-9]+", match["shape"]))
    return Header(shape, match["fortran"] == "True", dtype, math.prod(shape) * dtype.itemsize)


def _shaped(stream: Readable, header: Header) -> np.ndarray:
    raw = stream.read(header.size)
    if len(raw) != header.size:
        raise RefusedError(f"claims {header.size} bytes of numbers, {len(raw)} are there; get the file again")
    return np.frombuffer(raw, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
