"""Meshes to be measured, of OBJ or PLY: read strictly, whoever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from deca.io.obj import ObjError, read_obj, read_obj_vertices

SUFFIXES = (".obj", ".ply")


class MeshError(ValueError):
    """A file holds no mesh that can be measured."""


class Mesh(NamedTuple):
    """Triangles; every vertex stays, also one that belongs to none, and in its place."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]


def read_mesh(path: Path) -> Mesh:
    """The triangles of an .obj or .ply; polygons become fans.

    An empty mesh, one without faces, with coordinates that are not finite or corners that do not exist is a
    MeshError that says so; a missing file is a FileNotFoundError.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix.lower() == ".obj":
        try:
            vertices, triangles, *_ = read_obj(path)
        except ObjError as error:
            raise MeshError(str(error)) from None
    elif path.suffix.lower() == ".ply":
        vertices, triangles = _read_ply(path)
    else:
        raise MeshError(f"{path}: meshes are read from {' and '.join(SUFFIXES)}")
    _check_vertices(path, vertices)
    if not len(triangles):
        raise MeshError(f"{path}: {len(vertices)} vertices but no faces; save the surface, not its points")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise MeshError(f"{path}: a face names vertex {triangles.max()}, and there are {len(vertices)}")
    return Mesh(vertices, triangles)


def read_vertices(path: Path) -> Float[np.ndarray, "vertex 3"]:
    """The vertices of an .obj or .ply alone, which is faster; errors as in `read_mesh`, faces may lack."""
    if path.suffix.lower() != ".obj":
        return read_mesh(path).vertices
    try:
        vertices = read_obj_vertices(path)
    except ObjError as error:
        raise MeshError(str(error)) from None
    _check_vertices(path, vertices)
    return vertices


def _check_vertices(path: Path, vertices: Float[np.ndarray, "vertex 3"]) -> None:
    if not len(vertices):
        raise MeshError(f"{path}: the mesh is empty")
    wrong = np.flatnonzero(~np.isfinite(vertices).all(1))
    if len(wrong):
        raise MeshError(f"{path}: vertex {wrong[0]} is {vertices[wrong[0]]}; {len(wrong)} are not finite")


def _read_ply(path: Path) -> Mesh:
    # Large, and needed for PLY alone.
    import trimesh

    try:
        loaded = trimesh.load(path, file_type="ply", process=False, maintain_order=True)
    except Exception as error:
        raise MeshError(f"{path}: no PLY that can be read ({type(error).__name__}: {error})") from None
    vertices = np.asarray(getattr(loaded, "vertices", np.zeros((0, 3))), np.float64).reshape(-1, 3)
    triangles = np.asarray(getattr(loaded, "faces", np.zeros((0, 3))), np.int64).reshape(-1, 3)
    return Mesh(vertices, triangles)
