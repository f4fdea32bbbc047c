"""Wavefront OBJ with its material: written fast enough for dense meshes, read strictly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from deca.io.files import whole_file

_DECIMALS = 6  # of a metre


class ObjError(ValueError):
    """A file is not an OBJ mesh that can be read."""


class ObjMesh(NamedTuple):
    """A triangle mesh with texture coordinates; both texture arrays are empty where the file has none."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "textured_triangle 3"]


def write_obj(
    path: str | Path,
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
    texture: str,
    normals: Float[np.ndarray, "vertex 3"] | None = None,
) -> None:
    """Write a textured mesh, and beside it a .mtl of the same name that shows `texture`, a file beside both.

    Units and axes stay as they are, to six decimals. (u, v) have v up, as OBJ has it. Normals belong to the
    vertices.
    """
    path = Path(path)
    material = path.with_suffix(".mtl")
    if "\n" in texture or "/" in texture:
        raise ValueError(f"{path}: texture {texture!r} must be the name of a file beside the mesh")
    lines = [
        f"mtllib {material.name}\n".encode(),
        _number_lines(b"v", vertices),
        _number_lines(b"vt", texture_vertices),
    ]
    corners = [triangles, texture_triangles]
    if normals is not None:
        lines.append(_number_lines(b"vn", normals))
        corners.append(triangles)
    lines += [b"usemtl head\n", _face_lines(np.stack(corners, -1) + 1)]
    with whole_file(material) as temporary:
        temporary.write_text(f"newmtl head\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n")
    with whole_file(path) as temporary:
        temporary.write_bytes(b"".join(lines))


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


def _number_lines(keyword: bytes, values: Float[np.ndarray, "line column"]) -> bytes:
    """One line for each row: the keyword and its numbers, with a fixed count of decimals."""
    if not np.isfinite(values).all():
        raise ValueError(f"the {keyword.decode()} lines of an OBJ would hold a number that is not finite")
    scaled = np.rint(values.astype(np.float64) * 10**_DECIMALS).astype(np.int64)
    digits = max(_DECIMALS + 1, len(str(int(np.abs(scaled).max(initial=0)))))
    # A line is the keyword, then for each number a space, a sign, its digits and a point; then less is kept.
    width = digits + 3
    text = np.full((len(values), len(keyword) + values.shape[1] * width + 1), ord(" "), np.uint8)
    keep = np.ones(text.shape, bool)
    text[:, : len(keyword)] = np.frombuffer(keyword, np.uint8)
    text[:, -1] = ord("\n")
    for column in range(values.shape[1]):
        start = len(keyword) + column * width
        text[:, start + 1] = ord("-")
        keep[:, start + 1] = scaled[:, column] < 0
        point = start + width - _DECIMALS - 1
        text[:, point] = ord(".")
        places = [*range(start + width - 1, point, -1), *range(point - 1, start + 1, -1)]
        _put_digits(text, keep, np.abs(scaled[:, column]), places, least=_DECIMALS + 1)
    return text[keep].tobytes()


def _face_lines(corners: Int[np.ndarray, "triangle 3 kind"]) -> bytes:
    """One line for each triangle with one-based v/vt or, with three kinds, v/vt/vn for each corner."""
    count, _, kinds = corners.shape
    digits = len(str(int(corners.max(initial=1))))
    width = digits + 1
    text = np.full((count, 1 + 3 * kinds * width + 1), ord(" "), np.uint8)
    keep = np.ones(text.shape, bool)
    text[:, 0] = ord("f")
    text[:, -1] = ord("\n")
    for column, values in enumerate(corners.reshape(count, -1).T):
        start = 1 + column * width
        kind = column % kinds
        # OBJ's order is v/vt/vn; the separator before the first is the space between corners.
        text[:, start] = ord("/") if kind else ord(" ")
        _put_digits(text, keep, values, list(range(start + width - 1, start, -1)), least=1)
    return text[keep].tobytes()


def _put_digits(
    text: np.ndarray, keep: np.ndarray, values: Int[np.ndarray, " line"], places: list[int], least: int
) -> None:
    """Write the digits of `values` into the columns `places`, lowest first; at least `least` are kept."""
    rest = values
    for position, place in enumerate(places):
        if position >= least:
            keep[:, place] = rest > 0
        rest, digit = np.divmod(rest, 10)
        text[:, place] = digit + ord("0")
