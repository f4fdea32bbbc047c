"""Head models on disk: one plain npz of arrays, never a pickle."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from deca.conversion.asset import AssetError
from deca.head.data import HeadData, HeadError, head_data_from_arrays
from deca.io.asset_records import heads_folder, read_record, stored_names
from deca.io.files import data_file, whole_file
from deca.io.mapped_archives import read_mapped_archive, write_mapped_archive

DEFAULT_HEAD = "default"
_QUANTISED = ("albedo_basis",)


def default_head() -> HeadData:
    """The open head that ships with the package."""
    return read_head(data_file("default_head.npz"))


def find_head(name_or_path: str | Path | None) -> HeadData:
    """The head that users mean: the one that ships for none, else as `find_head_file` finds it.

    HeadError for a name that is not known or a head that cannot be read, FileNotFoundError for a file that
    is missing.
    """
    return default_head() if name_or_path is None else read_head(find_head_file(name_or_path))


def find_head_file(name_or_path: str | Path) -> Path:
    """The file of a head: "default" is the one that ships, another name is a stored head's.

    What ends in .npz or has a folder in it is a file already, whether it is there or not. A stored file's
    name changes with its content. HeadError for a name that is not known or whose file is gone.
    """
    path = Path(name_or_path)
    if path.suffix == ".npz" or len(path.parts) != 1:
        return path
    name = str(path)
    if name == DEFAULT_HEAD:
        return data_file("default_head.npz")
    try:
        record = read_record(heads_folder(), name)
    except AssetError as error:
        raise HeadError(str(error)) from None
    if record is None:
        known = ", ".join([DEFAULT_HEAD, *stored_names(heads_folder())])
        raise HeadError(
            f"no head {name!r}; known are {known}. Name one of them or a head file (.npz), or add what it is "
            "made of with `deca assets add`"
        )
    stored = heads_folder() / record.file
    if not stored.is_file():
        raise HeadError(f"head {name}: {stored} is gone; add {record.source} again with `deca assets add`")
    return stored


def read_head(path: str | Path) -> HeadData:
    """Read a head file; anything but a complete, consistent one is a HeadError or FileNotFoundError.

    Large arrays that were written unpacked are views of the file, private to this process.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such head file")
    try:
        arrays = read_mapped_archive(path)
    except AssetError as error:
        found = str(error).removeprefix(f"{path}: ")
        raise HeadError(f"{path}: not a readable head file ({found})") from None
    for name in _QUANTISED:
        scale = arrays.pop(f"{name}_scale", None)
        if scale is not None and name in arrays:
            arrays[name] = arrays[name].astype(np.float32) * scale.reshape(-1, 1, 1, 1)
    if "albedo_mean" in arrays and arrays["albedo_mean"].dtype == np.uint8:
        arrays["albedo_mean"] = arrays["albedo_mean"].astype(np.float32) / 255
    return head_data_from_arrays(arrays, str(path))


def write_head(data: HeadData, path: str | Path) -> None:
    """Write a head file with every digit; it opens at once and takes as much room as in memory."""
    with whole_file(path) as temporary:
        write_mapped_archive(head_arrays(data), temporary)


def write_compact_head(data: HeadData, path: str | Path) -> None:
    """Write a head file to be shipped, a sixth of the size: bases in half precision, the albedo's mean in 8
    bits, its basis in 8 bits with a scale for each component."""
    arrays: dict[str, np.ndarray] = {}
    for name, array in head_arrays(data).items():
        if array.dtype == np.int64:
            array = array.astype(np.int32)
        if name in ("shape_basis", "expression_basis", "pose_basis"):
            array = array.astype(np.float16)
        if name == "albedo_mean":
            array = np.round(array.clip(0, 1) * 255).astype(np.uint8)
        if name in _QUANTISED:
            scale = np.abs(array).max((1, 2, 3)) / 127
            arrays[f"{name}_scale"] = scale.astype(np.float32)
            array = np.round(array / np.maximum(scale, 1e-12)[:, None, None, None]).astype(np.int8)
        arrays[name] = array
    with whole_file(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def head_arrays(data: HeadData) -> dict[str, np.ndarray]:
    """The arrays of a head by name, texts and lists of names as Unicode arrays: what a head file holds."""
    return {field.name: np.asarray(getattr(data, field.name)) for field in fields(HeadData)}
