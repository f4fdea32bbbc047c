"""The part of ICT-FaceKit's mesh that is kept, with all its parts on one UV map in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deca.conversion.facekit import PARTS, SKIN, TONGUE_UV, FaceKit
from deca.conversion.surface_points import triangle_parts

# Where each tile goes: left, bottom, width and height in the map. The face lies in the middle, so that a
# mirrored column is a mirrored face.
_FACE = (0.11, 0.22, 0.78, 0.78)
_BACK = (0.34, 0.0, 0.32, 0.22)
_GUMS = (0.11, 0.0, 0.22, 0.22)
_TEETH = (0.67, 0.0, 0.22, 0.22)
_PLACES = {
    "face": _FACE,
    "head_and_neck": _BACK,
    "mouth_socket": _BACK,
    "left_eye_socket": _BACK,
    "right_eye_socket": _BACK,
    "gums_and_tongue": _GUMS,
    "teeth": _TEETH,
    "left_eyeball": (0.89, 0.89, 0.11, 0.11),
    "right_eyeball": (0.0, 0.89, 0.11, 0.11),
}
# Each tile keeps this far from its neighbours, in units of the map.
_MARGIN = 0.002


@dataclass(frozen=True)
class KeptMesh:
    """Kept vertices, as indices into ICT-FaceKit's, and triangles on them, marked by their part."""

    vertices: Int[np.ndarray, " vertex"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "triangle 3"]
    parts: dict[str, Bool[np.ndarray, " triangle"]]

    @property
    def skin(self) -> Bool[np.ndarray, " triangle"]:
        """The triangles of the outer skin."""
        return np.any([self.parts[name] for name in SKIN], axis=0)


def keep_mesh(kit: FaceKit) -> KeptMesh:
    """Take the parts that an opaque head is made of and lay them out without overlaps."""
    part_of = np.full(len(kit.neutral), -1)
    for number, (first, end) in enumerate(PARTS.values()):
        part_of[first:end] = number
    corners = part_of[kit.triangles]
    # The vertices of a seam, such as the lips' inner rim, are those of the part that stands first.
    number = np.where((corners >= 0).all(1), corners.max(1), -1)
    kept = number >= 0
    number = number[kept]
    vertices = np.flatnonzero(part_of >= 0)
    new = np.zeros(len(kit.neutral), np.int64)
    new[vertices] = np.arange(len(vertices))
    texture_triangles, texture_vertices = _placed(kit, kit.texture_triangles[kept], number)
    parts = {name: number == index for index, name in enumerate(PARTS)}
    parts["tongue"] = parts["gums_and_tongue"] & _tongue(kit, kit.texture_triangles[kept])
    return KeptMesh(
        vertices, new[kit.triangles[kept]], texture_vertices.astype(np.float32), texture_triangles, parts
    )


def _placed(
    kit: FaceKit, texture_triangles: Int[np.ndarray, "triangle 3"], part: Int[np.ndarray, " triangle"]
) -> tuple[Int[np.ndarray, "triangle 3"], Float[np.ndarray, "texture_vertex 2"]]:
    """Every part on its place of the map; texture vertices that two parts share are doubled."""
    count = len(kit.texture_vertices)
    keys = texture_triangles + count * part[:, None]
    used, numbers = np.unique(keys, return_inverse=True)
    tile = kit.texture_vertices[used % count] - np.floor(kit.texture_vertices[used % count])
    left, bottom, width, height = np.array(list(_PLACES.values())).T[:, used // count]
    corner = np.stack([left, bottom], 1) + _MARGIN
    return numbers.reshape(-1, 3).astype(np.int64), corner + tile * (
        np.stack([width, height], 1) - 2 * _MARGIN
    )


def _tongue(kit: FaceKit, texture_triangles: Int[np.ndarray, "triangle 3"]) -> Bool[np.ndarray, " triangle"]:
    """The triangles of the islands of the UV map on which the tongue's points lie."""
    island = triangle_parts(texture_triangles, len(kit.texture_vertices))
    middles = kit.texture_vertices[texture_triangles].mean(1)
    found = [island[np.linalg.norm(middles - point, axis=1).argmin()] for point in TONGUE_UV]
    return np.isin(island, found)
