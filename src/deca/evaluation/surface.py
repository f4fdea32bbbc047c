"""A triangle mesh that is asked for its closest points: a tree of boxes, built once in its own frame."""

from __future__ import annotations

import igl
import numpy as np
from jaxtyping import Float, Int


class Surface:
    """The triangles of a mesh; degenerate ones count as the segments or points that they are."""

    def __init__(
        self, vertices: Float[np.ndarray, "vertex 3"], triangles: Int[np.ndarray, "triangle 3"]
    ) -> None:
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.triangles = np.ascontiguousarray(triangles, np.int64)
        self._tree = igl.AABB()
        self._tree.init(self.vertices, self.triangles)

    def closest(
        self, points: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, " point"], Int[np.ndarray, " point"], Float[np.ndarray, "point 3"]]:
        """How far each point is from the surface, the triangle and the point of the surface nearest to it."""
        squared, triangles, closest = self._tree.squared_distance(
            self.vertices, self.triangles, np.ascontiguousarray(points, np.float64)
        )
        return np.sqrt(np.maximum(squared, 0)), np.asarray(triangles).astype(np.int64), np.asarray(closest)
