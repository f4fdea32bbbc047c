"""Head models on disk: one plain npz of arrays, never a pickle."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from deca.head.data import HeadData, HeadError, head_data_from_arrays
from deca.io.files import data_file, whole_file

_QUANTISED = ("albedo_basis",)


def default_head() -> HeadData:
    """The open head that ships with the package."""
    return read_head(data_file("default_head.npz"))


def read_head(path: str | Path) -> HeadData:
    """Read a head file; anything but a complete, consistent one is a HeadError or FileNotFoundError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such head file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise HeadError(f"{path}: not a readable head file ({error})") from None
    for name in _QUANTISED:
        scale = arrays.pop(f"{name}_scale", None)
        if scale is not None and name in arrays:
            arrays[name] = arrays[name].astype(np.float32) * scale.reshape(-1, 1, 1, 1)
    if "albedo_mean" in arrays and arrays["albedo_mean"].dtype == np.uint8:
        arrays["albedo_mean"] = arrays["albedo_mean"].astype(np.float32) / 255
    return head_data_from_arrays(arrays, str(path))


def write_head(data: HeadData, path: str | Path) -> None:
    """Write a head file: bases in half precision, the albedo basis in 8 bits with a scale for each
    component."""
    arrays: dict[str, np.ndarray] = {}
    for field in fields(HeadData):
        array = np.asarray(getattr(data, field.name))
        if array.dtype == np.int64:
            array = array.astype(np.int32)
        if field.name in ("shape_basis", "expression_basis", "pose_basis"):
            array = array.astype(np.float16)
        if field.name == "albedo_mean":
            array = np.round(array.clip(0, 1) * 255).astype(np.uint8)
        if field.name in _QUANTISED:
            scale = np.abs(array).max((1, 2, 3)) / 127
            arrays[f"{field.name}_scale"] = scale.astype(np.float32)
            array = np.round(array / np.maximum(scale, 1e-12)[:, None, None, None]).astype(np.int8)
        arrays[field.name] = array
    with whole_file(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
