"""Published files that are a dict of arrays, as a pickle, npy or npz: FLAME, landmarks, masks, dense mesh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deca.conversion.asset import Asset
from deca.conversion.flame_arrays import dense_template_arrays, flame_arrays, landmark_arrays, mask_arrays
from deca.conversion.map_arrays import displacement_arrays
from deca.conversion.named_arrays import NamedArrays
from deca.io.damage import unknown_file

FLAME_NAMES = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_LANDMARK_NAMES = {"static_lmk_faces_idx", "dynamic_lmk_faces_idx"}
_MASK_NAMES = {"face", "lips", "nose", "scalp"}
_DENSE_NAMES = {"valid_pixel_ids", "valid_pixel_3d_faces", "valid_pixel_b_coords"}
_VERSION = re.compile(r"(?<!\d)20(?:17|19|20|23)(?!\d)")
# A model whose first convolution and last block are ResNet-50's.
_RECOGNITION_SHAPES = {"conv1.weight": (64, 3, 7, 7), "layer4.2.conv3.weight": (2048, 512, 1, 1)}


def array_asset(arrays: Mapping[str, np.ndarray], path: Path) -> Asset:
    """The asset of named arrays that stand in the file `path`; AssetError where no kind has such names."""
    file = NamedArrays(str(path), arrays)
    names = set(arrays)
    if {"v_template", "shapedirs"} <= names:
        return flame_asset(file, path)
    if names >= _LANDMARK_NAMES:
        converted = landmark_arrays(file)
        return Asset("flame-landmarks", "flame-landmarks", converted, {"landmarks": "51 + 17 sliding, 68"})
    if names >= _MASK_NAMES:
        return Asset("flame-masks", "flame-masks", mask_arrays(file), {"regions": str(len(names))})
    if names >= _DENSE_NAMES:
        converted = dense_template_arrays(file)
        details = {"vertices": str(len(converted["texel"])), "triangles": str(len(converted["triangles"]))}
        return Asset("dense-template", "dense-template", converted, details)
    if all(name in names and arrays[name].shape == shape for name, shape in _RECOGNITION_SHAPES.items()):
        return _recognition_asset(file)
    raise unknown_file(path, names)


def flame_asset(file: NamedArrays, path: Path) -> Asset:
    """FLAME, named after its sex; its version is what the file's or its folder's name says."""
    converted = flame_arrays(file)
    sexes = [sex for sex in ("female", "male") if sex in path.name.lower()]
    versions = [
        found.group()
        for name in (path.name, path.absolute().parent.name)
        for found in _VERSION.finditer(name)
    ]
    details = {
        "version": versions[0] if versions else "unknown",
        "vertices": str(len(converted["template_vertices"])),
        "triangles": str(len(converted["triangles"])),
    }
    return Asset(f"flame-{sexes[0]}" if sexes else "flame", "flame", converted, details)


def displacement_asset(displacement: np.ndarray, path: Path) -> Asset:
    """The fixed displacement map."""
    file = NamedArrays(str(path), {"displacement": displacement})
    return Asset("fixed-displacement", "fixed-displacement", displacement_arrays(file), {"size": "256 x 256"})


def _recognition_asset(file: NamedArrays) -> Asset:
    converted = {
        name: file.numbers(name, *array.shape)
        for name, array in file.arrays.items()
        if array.dtype.kind == "f"
    }
    return Asset("face-recognition", "face-recognition", converted, {"tensors": str(len(converted))})
