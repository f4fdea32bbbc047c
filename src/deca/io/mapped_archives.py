"""An npz that opens at once: its large arrays are views of the file, read when they are touched."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from deca.io.archives import open_archive
from deca.io.damage import naming_file

_ALIGNMENT = 64
_WORTH_MAPPING = 2**20  # bytes; smaller arrays are read, and so checked against their checksum
_LOCAL_HEADER = 30  # bytes before the name of a zip file's entry
_PADDING_FIELD = 0xD935  # the extra field by which Android's zipalign pads


def read_mapped_archive(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz by name.

    Large arrays that are stored unpacked become private views of the file: they cost no time to load, and
    processes that open the same file share the memory. AssetError where a file is no npz of plain arrays, is
    cut short or claims more than it holds.
    """
    with open_archive(path) as archive, naming_file(path), zipfile.ZipFile(path) as directory:
        arrays = {}
        for name, header in archive.headers.items():
            entry = directory.getinfo(f"{name}.npy")
            if entry.compress_type != zipfile.ZIP_STORED or header.size < _WORTH_MAPPING:
                arrays[name] = archive.array(name)
                continue
            archive.check(name)
            with open(path, "rb") as stream:
                end = _start(stream, entry) + entry.file_size
            order = "F" if header.fortran else "C"
            # Mode "c": who writes into the array changes a copy of his own, never the file.
            view = np.memmap(path, header.dtype, "c", end - header.size, header.shape, order)
            arrays[name] = np.require(np.asarray(view), requirements="A")
        return arrays


def write_mapped_archive(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write an npz, unpacked, with every array where memory wants it; the same arrays make the same bytes."""
    with open(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            begins = file.tell() + _LOCAL_HEADER + len(entry.filename) + 4
            padding = -begins % _ALIGNMENT
            entry.extra = struct.pack("<HH", _PADDING_FIELD, padding) + bytes(padding)
            # An npy's own header fills whole multiples of the alignment.
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)


def _start(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Where the content of an entry begins in the file."""
    stream.seek(entry.header_offset)
    name_size, extra_size = struct.unpack("<HH", stream.read(_LOCAL_HEADER)[26:])
    return entry.header_offset + _LOCAL_HEADER + name_size + extra_size
