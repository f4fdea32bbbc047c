"""ICT-FaceKit on disk: the repository's folder of OBJ files, or one npz of the same arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deca.conversion.asset import Asset, AssetError
from deca.conversion.facekit import IDENTITY_COUNT, SHAPES, VERTEX_COUNT, FaceKit
from deca.conversion.ict import ict_head
from deca.conversion.named_arrays import NamedArrays
from deca.io.archives import open_archive
from deca.io.damage import naming_file
from deca.io.heads import default_head, head_arrays
from deca.io.obj import ObjError, read_obj

_NAMES = frozenset({"neutral", "identity_deltas", "expression_deltas", "expression_names"})
_MESH_NAMES = ("triangles", "triangle_uv", "uv")
_NEUTRAL = "generic_neutral_mesh.obj"
_LARGEST_OBJ = 2**26  # bytes; the published ones take 3.4 million


def is_facekit(path: str | Path) -> bool:
    """Whether a path is ICT-FaceKit: its repository, the folder FaceXModel in it, or an npz of its arrays."""
    path = Path(path)
    if path.is_dir():
        return (_models(path) / _NEUTRAL).is_file()
    if not zipfile.is_zipfile(path):
        return False
    with naming_file(path), zipfile.ZipFile(path) as archive:
        return {f"{name}.npy" for name in _NAMES} <= set(archive.namelist())


def read_facekit(path: str | Path) -> Asset:
    """ICT-FaceKit as the head "ict" that can be posed.

    AssetError, which names the file, for one that is missing, damaged or not of ICT-FaceKit's mesh.
    """
    head = ict_head(read_kit(path), default_head())
    details = {
        "version": head.version,
        "vertices": f"{len(head.template_vertices)} of {VERTEX_COUNT}",
        "shape": str(len(head.shape_basis)),
        "expression": str(len(head.expression_basis)),
        "licence": head.licence,
    }
    return Asset(head.name, "head", head_arrays(head), details)


def read_kit(path: str | Path) -> FaceKit:
    """ICT-FaceKit's arrays of a clone of its repository, or of an archive of them; errors as read_facekit."""
    path = Path(path)
    return _folder_kit(_models(path)) if path.is_dir() else _archive_kit(path)


def _models(folder: Path) -> Path:
    """The folder of the OBJ files, given it or the repository around it."""
    inner = folder / "FaceXModel"
    return inner if inner.is_dir() else folder


def _archive_kit(path: Path) -> FaceKit:
    with open_archive(path) as archive:
        wanted = [*_NAMES, *_MESH_NAMES]
        arrays = {name: archive.array(name) for name in wanted if name in archive.headers}
    file = NamedArrays(str(path), arrays)
    neutral = file.numbers("neutral", VERTEX_COUNT, 3)
    texture_vertices = file.numbers("uv", None, 2)
    triangles = file.indices("triangles", None, 3, count=VERTEX_COUNT)
    names = file.arrays["expression_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise file.error(
            f"expression_names is {names.dtype} of shape {names.shape}, expected a list of names"
        )
    deltas = file.numbers("expression_deltas", len(names), VERTEX_COUNT, 3)
    known = dict(zip(names.tolist(), deltas, strict=True))
    if missing := [shape for shape in SHAPES if shape not in known]:
        raise file.error(f"lacks the expression {missing[0]}; get the file again")
    return FaceKit(
        neutral=neutral,
        triangles=triangles,
        texture_vertices=texture_vertices,
        texture_triangles=file.indices("triangle_uv", len(triangles), 3, count=len(texture_vertices)),
        identities=file.numbers("identity_deltas", IDENTITY_COUNT, VERTEX_COUNT, 3),
        shapes={shape: known[shape] for shape in SHAPES},
    )


def _folder_kit(folder: Path) -> FaceKit:
    identities = [f"identity{number:03}" for number in range(IDENTITY_COUNT)]
    for name in (Path(_NEUTRAL).stem, *identities, *SHAPES):
        if not (folder / f"{name}.obj").is_file():
            raise AssetError(f"{folder / name}.obj: not there; get the whole of ICT-FaceKit's FaceXModel")
    path = folder / _NEUTRAL
    _check_size(path)
    try:
        mesh = read_obj(path)
    except ObjError as error:
        raise AssetError(f"{error}; get the file again") from None
    _check_count(path, len(mesh.vertices))
    if not len(mesh.texture_triangles):
        raise AssetError(f"{path}: has no texture coordinates; get the file again")
    return FaceKit(
        neutral=mesh.vertices.astype(np.float32),
        triangles=mesh.triangles,
        texture_vertices=mesh.texture_vertices.astype(np.float32),
        texture_triangles=mesh.texture_triangles,
        identities=np.stack([_moves(folder, name, mesh.vertices) for name in identities]),
        shapes={name: _moves(folder, name, mesh.vertices) for name in SHAPES},
    )


def _moves(folder: Path, name: str, neutral: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "vertex 3"]:
    """What a shape's OBJ adds to the neutral one; of its lines only vertices are read."""
    path = folder / f"{name}.obj"
    _check_size(path)
    with naming_file(path):
        lines = [line[2:] for line in path.read_bytes().splitlines() if line.startswith(b"v ")]
        numbers = np.array(b" ".join(lines).split(), np.float64)
    _check_count(path, len(lines))
    if len(numbers) != 3 * VERTEX_COUNT or not np.isfinite(numbers).all():
        raise AssetError(f"{path}: a vertex is not of three finite numbers; get the file again")
    return (numbers.reshape(-1, 3) - neutral).astype(np.float32)


def _check_size(path: Path) -> None:
    with naming_file(path):
        size = path.stat().st_size
    if size > _LARGEST_OBJ:
        raise AssetError(f"{path}: takes {size} bytes; ICT-FaceKit's files take 3.4 million, get it again")


def _check_count(path: Path, count: int) -> None:
    if count != VERTEX_COUNT:
        raise AssetError(f"{path}: has {count} vertices, ICT-FaceKit's mesh {VERTEX_COUNT}; get it again")
