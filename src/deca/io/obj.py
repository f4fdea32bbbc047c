"""Wavefront OBJ with its material: written fast enough for dense meshes, read strictly."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from deca.io.files import whole_file
from deca.io.number_text import face_lines, number_lines


class ObjError(ValueError):
    """A file is not an OBJ mesh that can be read."""


class ObjMesh(NamedTuple):
    """A triangle mesh with texture coordinates; both texture arrays are empty where the file has none."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "textured_triangle 3"]


class ObjWriter:
    """Writes meshes of one topology and UV layout, whose lines are made once: most of a file's text."""

    def __init__(
        self,
        triangles: Int[np.ndarray, "triangle 3"],
        texture_vertices: Float[np.ndarray, "texture_vertex 2"],
        texture_triangles: Int[np.ndarray, "triangle 3"],
    ) -> None:
        self._texture_vertices = number_lines(b"vt", texture_vertices)
        self._triangles = triangles
        self._texture_triangles = texture_triangles

    def write(
        self,
        path: str | Path,
        vertices: Float[np.ndarray, "vertex 3"],
        texture: str,
        normals: Float[np.ndarray, "vertex 3"] | None = None,
    ) -> None:
        """Write a textured mesh, and a .mtl of the same name that shows `texture`, a file beside both.

        Units and axes stay as they are, to six decimals. (u, v) have v up, as OBJ has it. Normals belong to
        the vertices.
        """
        path = Path(path)
        material = path.with_suffix(".mtl")
        if "\n" in texture or "/" in texture:
            raise ValueError(f"{path}: texture {texture!r} must be the name of a file beside the mesh")
        chunks = [f"mtllib {material.name}\n".encode(), number_lines(b"v", vertices), self._texture_vertices]
        if normals is not None:
            chunks.append(number_lines(b"vn", normals))
        chunks += [b"usemtl head\n", self._faces if normals is None else self._faces_with_normals]
        with whole_file(material) as temporary:
            temporary.write_text(f"newmtl head\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n")
        with whole_file(path) as temporary, open(temporary, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)

    @cached_property
    def _faces(self) -> np.ndarray:
        return face_lines((self._triangles, self._texture_triangles))

    @cached_property
    def _faces_with_normals(self) -> np.ndarray:
        return face_lines((self._triangles, self._texture_triangles, self._triangles))


def write_obj(
    path: str | Path,
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
    texture: str,
    normals: Float[np.ndarray, "vertex 3"] | None = None,
) -> None:
    """Write one textured mesh, as `ObjWriter.write` does."""
    ObjWriter(triangles, texture_vertices, texture_triangles).write(path, vertices, texture, normals)


def read_obj(path: str | Path) -> ObjMesh:
    """Read the triangles of an OBJ: polygons become fans, negative indices count back from the last vertex.

    Normals, groups and materials are passed over. A line that cannot be understood, an index that names
    nothing or a mesh textured only in part is an ObjError; a missing file is a FileNotFoundError.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such OBJ file")
    points: dict[str, list[list[float]]] = {"v": [], "vt": []}
    corners: list[tuple[tuple[int, int], ...]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        keyword, *fields = line.partition("#")[0].split() or [""]
        try:
            if keyword in points:
                points[keyword].append(_coordinates(fields, 3 if keyword == "v" else 2))
            elif keyword == "f":
                polygon = [_corner(field, len(points["v"]), len(points["vt"])) for field in fields]
                if len(polygon) < 3:
                    raise ObjError(f"a face of {len(polygon)} corners")
                corners += [(polygon[0], *pair) for pair in pairwise(polygon[1:])]
        except ValueError as error:
            raise ObjError(f"{path}, line {number}: {error}") from None
    indices = np.array(corners, np.int64).reshape(-1, 3, 2)
    vertices = np.array(points["v"], np.float64).reshape(-1, 3)
    texture_vertices = np.array(points["vt"], np.float64).reshape(-1, 2)
    triangles, texture_triangles = indices[..., 0], indices[..., 1]
    textured = (texture_triangles >= 0).all(1)
    if textured.any() and not textured.all():
        raise ObjError(
            f"{path}: {np.sum(~textured)} of {len(triangles)} triangles have no texture coordinates"
        )
    return ObjMesh(vertices, triangles, texture_vertices, texture_triangles[textured])


def _coordinates(fields: list[str], count: int) -> list[float]:
    """The first numbers of a line; more may follow (a weight, a colour)."""
    values = [float(field) for field in fields[:count]]
    if len(values) < count or not np.isfinite(values).all():
        raise ObjError(f"expected {count} finite numbers, found {' '.join(fields) or 'none'}")
    return values


def _corner(field: str, vertex_count: int, texture_count: int) -> tuple[int, int]:
    """Zero-based vertex and texture vertex of v, v/vt, v//vn or v/vt/vn; -1 for no texture vertex."""
    vertex, _, rest = field.partition("/")
    texture_vertex = rest.partition("/")[0]
    return (
        _index(vertex, vertex_count, "vertex"),
        _index(texture_vertex, texture_count, "texture vertex") if texture_vertex else -1,
    )


def _index(text: str, count: int, kind: str) -> int:
    given = int(text)
    index = given - 1 if given > 0 else given + count
    if given == 0 or not 0 <= index < count:
        raise ObjError(f"{kind} {text} does not exist; {count} are defined so far")
    return index
