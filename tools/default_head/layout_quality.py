"""How good a texture layout is: distortion, flips, overlaps, and the room between islands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from default_head.flatten import reference_triangles
from default_head.texels import Texels
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Distortion:
    """Per triangle: largest over smallest stretch, the scale (map units for a metre), areas on the head and
    in the map.

    A flipped triangle has a negative area in the map.
    """

    ratio: Float[np.ndarray, " triangle"]
    scale: Float[np.ndarray, " triangle"]
    head_area: Float[np.ndarray, " triangle"]
    map_area: Float[np.ndarray, " triangle"]


def measure_distortion(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
) -> Distortion:
    """The singular values of every triangle's Jacobian from the head to the map (Sander et al. 2001)."""
    shapes = reference_triangles(vertices, triangles)
    corners = texture_vertices[texture_triangles]
    mapped = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)
    stretch = np.linalg.svd(mapped @ np.linalg.inv(shapes), compute_uv=False)
    return Distortion(
        ratio=stretch[:, 0] / stretch[:, 1],
        scale=np.sqrt(stretch.prod(1)),
        head_area=np.linalg.det(shapes) / 2,
        map_area=np.linalg.det(mapped) / 2,
    )


def islands(texture_triangles: Int[np.ndarray, "triangle 3"]) -> Int[np.ndarray, " triangle"]:
    """The number of each triangle's island: triangles that hang together by texture vertices."""
    count = int(texture_triangles.max()) + 1
    starts = np.repeat(texture_triangles[:, 0], 3)
    links = sparse.coo_matrix(
        (np.ones(len(starts)), (starts, texture_triangles.ravel())), shape=(count, count)
    )
    labels = connected_components(links, directed=False)[1][texture_triangles[:, 0]]
    return np.unique(labels, return_inverse=True)[1]


def narrowest_gap(texels: Texels, texture_triangles: Int[np.ndarray, "triangle 3"]) -> float:
    """The least distance, in texels, between the covered texels of two islands."""
    island = np.where(texels.covered, islands(texture_triangles)[texels.triangles], -1)
    gaps = []
    for number in range(island.max() + 1):
        distance = np.asarray(distance_transform_edt(island != number))
        gaps.append(float(distance[(island >= 0) & (island != number)].min()))
    return min(gaps)
