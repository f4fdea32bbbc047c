"""Points on a triangle mesh: the closest ones, where they lie, and which triangles hang together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

# Triangles looked at for each point: those whose centres are nearest to it.
_CANDIDATES = 10
_CHUNK = 20_000


class SurfacePoints(NamedTuple):
    """Points of a mesh: the triangle each lies in, its barycentrics there, and how far it was, metres."""

    triangle: Int[np.ndarray, " point"]
    barycentrics: Float[np.ndarray, "point 3"]
    distance: Float[np.ndarray, " point"]


class ClosestPoints:
    """Finds the points of some triangles of a mesh that are closest to given ones."""

    def __init__(
        self,
        vertices: Float[np.ndarray, "vertex 3"],
        triangles: Int[np.ndarray, "triangle 3"],
        chosen: Bool[np.ndarray, " triangle"],
    ) -> None:
        self.vertices, self.triangles = vertices.astype(np.float64), triangles
        self.chosen = np.flatnonzero(chosen)
        self.corners = self.vertices[triangles[self.chosen]]
        self.normals = unit(np.cross(*np.diff(self.corners, axis=1).transpose(1, 0, 2)))
        self._tree = KDTree(self.corners.mean(1))

    def find(
        self,
        points: Float[np.ndarray, "point 3"],
        normals: Float[np.ndarray, "point 3"] | None = None,
    ) -> SurfacePoints:
        """The closest point to each of `points`; with `normals`, triangles that face away come last.

        Exact but for triangles that are much larger than their neighbours.
        """
        parts = []
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            parts.append(self._find(points[part], None if normals is None else normals[part]))
        return SurfacePoints(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def at(self, found: SurfacePoints) -> Float[np.ndarray, "point 3"]:
        """Where surface points lie."""
        return (self.vertices[self.triangles[found.triangle]] * found.barycentrics[..., None]).sum(1)

    def normals_at(self, found: SurfacePoints) -> Float[np.ndarray, "point 3"]:
        """Unit normals of the triangles of surface points."""
        corners = self.vertices[self.triangles[found.triangle]]
        return unit(np.cross(*np.diff(corners, axis=1).transpose(1, 0, 2)))

    def _find(
        self, points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"] | None
    ) -> SurfacePoints:
        count = min(_CANDIDATES, len(self.chosen))
        candidates = self._tree.query(points, count)[1].reshape(len(points), count)
        a, b, c = np.moveaxis(self.corners[candidates], 2, 0)
        barycentrics = closest_barycentrics(points[:, None], a, b, c)
        closest = barycentrics[..., :1] * a + barycentrics[..., 1:2] * b + barycentrics[..., 2:] * c
        distance = np.linalg.norm(closest - points[:, None], axis=-1)
        order = distance
        if normals is not None:
            away = np.einsum("pkc,pc->pk", self.normals[candidates], normals) < 0
            order = distance + 1e3 * away
        best = order.argmin(1)
        row = np.arange(len(points))
        return SurfacePoints(self.chosen[candidates[row, best]], barycentrics[row, best], distance[row, best])


def closest_barycentrics(
    points: Float[np.ndarray, "*#shape 3"],
    a: Float[np.ndarray, "*shape 3"],
    b: Float[np.ndarray, "*shape 3"],
    c: Float[np.ndarray, "*shape 3"],
) -> Float[np.ndarray, "*shape 3"]:
    """Barycentrics of the points of triangles closest to given points, each in a triangle of its own."""
    along_b, along_c, to_point = b - a, c - a, points - a
    bb, bc, cc = (along_b**2).sum(-1), (along_b * along_c).sum(-1), (along_c**2).sum(-1)
    pb, pc = (to_point * along_b).sum(-1), (to_point * along_c).sum(-1)
    determinant = np.maximum(bb * cc - bc * bc, 1e-30)
    v, w = (cc * pb - bc * pc) / determinant, (bb * pc - bc * pb) / determinant
    inside = np.stack([1 - v - w, v, w], -1)
    # Outside the triangle the closest point lies on one of the three edges.
    on_b = (pb / np.maximum(bb, 1e-30)).clip(0, 1)
    on_c = (pc / np.maximum(cc, 1e-30)).clip(0, 1)
    across = (points - b) * (c - b)
    on_a = (across.sum(-1) / np.maximum(((c - b) ** 2).sum(-1), 1e-30)).clip(0, 1)
    zero = np.zeros_like(on_a)
    edges = np.stack(
        [
            np.stack([1 - on_b, on_b, zero], -1),
            np.stack([1 - on_c, zero, on_c], -1),
            np.stack([zero, 1 - on_a, on_a], -1),
        ]
    )
    reached = edges[..., :1] * a + edges[..., 1:2] * b + edges[..., 2:] * c
    nearest = ((reached - points) ** 2).sum(-1).argmin(0)
    edge = np.take_along_axis(edges, nearest[None, ..., None], 0)[0]
    return np.where((inside >= 0).all(-1, keepdims=True), inside, edge)


def triangle_parts(
    triangles: Int[np.ndarray, "triangle 3"], vertex_count: int
) -> Int[np.ndarray, " triangle"]:
    """The number of the connected part that each triangle belongs to, the part of most triangles first."""
    links = np.ones(2 * len(triangles), bool)
    ends = (triangles[:, [0, 0]].ravel(), triangles[:, 1:].ravel())
    graph = sparse.coo_matrix((links, ends), shape=(vertex_count, vertex_count))
    part = connected_components(graph, directed=False)[1][triangles[:, 0]]
    _, numbers, counts = np.unique(part, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[numbers]


def border_vertices(
    triangles: Int[np.ndarray, "triangle 3"], vertex_count: int
) -> Bool[np.ndarray, " vertex"]:
    """The vertices on edges that only one triangle has."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    border = np.zeros(vertex_count, bool)
    border[edges[counts == 1]] = True
    return border


def vertex_normals(
    vertices: Float[np.ndarray, "vertex 3"], triangles: Int[np.ndarray, "triangle 3"]
) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals of the vertices, triangles weighted by their area; zero where there are none."""
    corners = vertices[triangles]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], area)
    return unit(normals)


def unit(vectors: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """Vectors brought to length one; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)
