"""A triangle mesh that is asked for its closest points: a tree of boxes, built once in its own frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from deca.evaluation.box_tree import build_tree, find_closest


class Surface:
    """The triangles of a mesh; degenerate ones count as the segments or points that they are."""

    def __init__(
        self, vertices: Float[np.ndarray, "vertex 3"], triangles: Int[np.ndarray, "triangle 3"]
    ) -> None:
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.triangles = np.ascontiguousarray(triangles, np.int64)
        self._tree = build_tree(self.vertices, self.triangles)

    def closest(
        self, points: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, " point"], Int[np.ndarray, " point"], Float[np.ndarray, "point 3"]]:
        """How far each point is from the surface, the triangle and the point of the surface nearest to it."""
        points = np.ascontiguousarray(points, np.float64)
        squared, triangles = np.empty(len(points)), np.empty(len(points), np.int64)
        closest = np.empty((len(points), 3))
        find_closest(*self._tree, points, squared, triangles, closest)
        return np.sqrt(squared), triangles, closest
