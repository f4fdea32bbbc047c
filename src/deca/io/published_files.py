"""Any file that users of FLAME and DECA own, recognised by its content, checked and converted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from deca.conversion.asset import Asset, AssetError
from deca.conversion.flame_arrays import template_arrays
from deca.io.archives import read_npy
from deca.io.damage import naming_file, unknown_file
from deca.io.facekit_files import is_facekit, read_facekit
from deca.io.gnm_files import is_gnm, read_gnm
from deca.io.obj import ObjError, read_obj
from deca.io.pickle_arrays import Allowance
from deca.io.pickles import named_arrays, read_pickle
from deca.io.published_archives import read_published_archive
from deca.io.published_arrays import array_asset, displacement_asset
from deca.io.published_networks import read_published_networks
from deca.io.published_pictures import read_published_picture
from deca.io.torch_tensors import LEGACY_START

_FLAME_COUNTS = (5023, 9976)  # vertices and triangles
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".tar", ".pth", ".pt")


def read_published(path: str | Path) -> Asset:
    """The asset that a file, or ICT-FaceKit's folder, holds: its arrays under our names, checked.

    The content decides what it is; a name only tells pictures apart and says FLAME's version and sex.
    AssetError for a file that is unknown, damaged, hostile or contradicts itself; FileNotFoundError for one
    that is missing. Nothing in a file is ever run.
    """
    path = Path(path)
    if path.is_dir() and is_facekit(path):
        return read_facekit(path)
    if path.is_dir():
        raise AssetError(
            f"{path}: a folder without ICT-FaceKit's FaceXModel in it; name the files themselves"
        )
    with naming_file(path), open(path, "rb") as stream:
        start = stream.read(len(LEGACY_START))
    if start.startswith(b"PK"):
        return _archive_asset(path)
    if start.startswith(b"\x93NUMPY"):
        return _npy_asset(path)
    if start == LEGACY_START:
        return read_published_networks(path)
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return read_published_picture(path)
    if path.suffix == ".obj":
        return _mesh_asset(path)
    if start.startswith(b"\x80") or path.suffix in _PICKLE_SUFFIXES:
        return array_asset(read_pickle(path), path)
    raise unknown_file(path)


def _archive_asset(path: Path) -> Asset:
    if _is_torch_archive(path):
        return read_published_networks(path)
    if is_facekit(path):
        return read_facekit(path)
    return read_gnm(path) if is_gnm(path) else read_published_archive(path)


def _is_torch_archive(path: Path) -> bool:
    with naming_file(path), zipfile.ZipFile(path) as archive:
        return any(name.endswith("/data.pkl") for name in archive.namelist())


def _npy_asset(path: Path) -> Asset:
    content = read_npy(path)
    if isinstance(content, np.ndarray):
        if content.shape == (256, 256):
            return displacement_asset(content, path)
        raise unknown_file(path, [f"an array of shape {content.shape}"])
    with naming_file(path):
        return array_asset(named_arrays(content, Allowance(path.stat().st_size)), path)


def _mesh_asset(path: Path) -> Asset:
    try:
        mesh = read_obj(path)
    except ObjError as error:
        raise AssetError(str(error)) from None
    counts = (len(mesh.vertices), len(mesh.triangles))
    named = path.stem.startswith("head_template")
    if not len(mesh.texture_triangles) or not (named or counts == _FLAME_COUNTS):
        raise unknown_file(path, [f"a mesh of {counts[0]} vertices and {counts[1]} triangles"])
    arrays = template_arrays(mesh.triangles, mesh.texture_vertices, mesh.texture_triangles)
    return Asset("flame-template", "flame-template", arrays, {"vertices": str(counts[0])})
