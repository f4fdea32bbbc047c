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
from deca.io.text_rows import even_rows


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

    What follows a vertex's three coordinates (a weight, a colour), normals, groups and materials are passed
    over. A line that cannot be understood, an index that names nothing or a mesh textured only in part is an
    ObjError; a missing file is a FileNotFoundError.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such OBJ file")
    text = path.read_bytes()
    mesh = _read_even(text) or _read_line_by_line(path, text)
    textured = np.asarray((mesh.texture_triangles >= 0).all(1))
    if textured.any() and not textured.all():
        raise ObjError(
            f"{path}: {np.sum(~textured)} of {len(textured)} triangles have no texture coordinates"
        )
    return mesh._replace(texture_triangles=mesh.texture_triangles[textured])


def read_obj_vertices(path: str | Path) -> Float[np.ndarray, "vertex 3"]:
    """The vertices of an OBJ alone, of a scan's two thirds of the file unread; errors as in `read_obj`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such OBJ file")
    text = path.read_bytes()
    vertices = _even_points([line for line in text.split(b"\n") if line.startswith(b"v ")], 3)
    if vertices is None or b"\nv\t" in text:
        return _read_line_by_line(path, text).vertices
    return vertices


def _read_even(text: bytes) -> ObjMesh | None:
    """A mesh whose lines of a kind are all alike, as programs write it; None for any other."""
    lines: dict[bytes, list[bytes]] = {b"v": [], b"vt": [], b"f": []}
    for line in text.split(b"\n"):
        keyword = line[:2]
        if keyword in (b"v ", b"f "):
            lines[keyword[:1]].append(line)
        elif keyword == b"vt":
            lines[b"vt"].append(line)
        elif (keyword[:1] in (b"v", b"f") and keyword not in (b"vn", b"vp")) or line[:1] in (
            b" ",
            b"\t",
            b"\r",
        ):
            return None
    vertices, texture_vertices = _even_points(lines[b"v"], 3), _even_points(lines[b"vt"], 2)
    if vertices is None or (lines[b"vt"] and texture_vertices is None):
        return None
    if texture_vertices is None:
        texture_vertices = np.zeros((0, 2))
    corners = _even_corners(lines[b"f"], len(vertices), len(texture_vertices))
    if corners is None:
        return None
    return ObjMesh(vertices, corners[..., 0], texture_vertices, corners[..., 1])


def _even_points(lines: list[bytes], count: int) -> Float[np.ndarray, "point {count}"] | None:
    """The first numbers of lines of points, their keyword left out; more may follow."""
    rows = even_rows([line.partition(b" ")[2] for line in lines])
    if rows is None or rows.shape[1] < count or not np.isfinite(rows[:, :count]).all():
        return None
    return np.ascontiguousarray(rows[:, :count])


def _even_corners(
    lines: list[bytes], vertices: int, texture_vertices: int
) -> Int[np.ndarray, "triangle 3 2"] | None:
    """Zero-based vertex and texture vertex, or -1, of the corners of faces that are all written alike, and
    come after all vertices as positive indices; None for any other."""
    if not lines:
        return None
    first = lines[0].split()[1:]
    pattern = [len(part) > 0 for part in first[0].split(b"/")] if first else []
    slashes = max(len(pattern) - 1, 0) * len(first)
    if len(first) < 3 or any(line.count(b"/") != slashes for line in lines):
        return None
    if sum(line.count(b"//") for line in lines) != (
        len(lines) * len(first) if pattern[1:2] == [False] else 0
    ):
        return None
    rows = even_rows([line[2:].replace(b"/", b" ") for line in lines])
    given = sum(pattern)
    if rows is None or rows.shape[1] != given * len(first) or (rows < 1).any() or (rows % 1).any():
        return None
    corners = rows.astype(np.int64).reshape(len(lines), len(first), given)
    textured = given > 1 and pattern[1]
    indices = np.stack(
        [corners[..., 0] - 1, corners[..., 1] - 1 if textured else np.full(corners.shape[:2], -1)], -1
    )
    if (indices[..., 0] >= vertices).any() or (indices[..., 1] >= max(texture_vertices, 0)).any():
        return None
    fans = [indices[:, [0, corner, corner + 1]] for corner in range(1, len(first) - 1)]
    return np.stack(fans, 1).reshape(-1, 3, 2)


def _read_line_by_line(path: Path, text: bytes) -> ObjMesh:
    points: dict[str, list[list[float]]] = {"v": [], "vt": []}
    corners: list[tuple[tuple[int, int], ...]] = []
    for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
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
    return ObjMesh(vertices, indices[..., 0], texture_vertices, indices[..., 1])


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
