"""Points of a turned face where the face has them, not where the landmark network's own face would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from deca.photo.dense_points import EDGES
from deca.photo.turn import turned

# Lips and chin move with the expression: how a face is turned, the points above them tell. Metres.
_LOWER_FACE = -0.02


@dataclass(frozen=True)
class FaceDepths:
    """How deep the landmark network takes faces to be; metres, x to the person's left, y up, z forward.

    `points` are the 468 of a mean face; the network takes each to be nearer by its `depths`, whoever it
    sees: it draws a turned face as its own canonical face would turn. `tools/calibrate_depth.py` measured
    them.
    """

    points: Float[np.ndarray, "468 3"]
    depths: Float[np.ndarray, "468"]

    def corrected(self, points: Float[np.ndarray, "468 3"]) -> Float[np.ndarray, "468 3"]:
        """The network's 468 points (pixels, x right, y down, smaller z nearer), each moved by what its depth
        shifts it to the side under the face's yaw.

        Nods are left alone: there the shift does not show.
        """
        sideways = self._sideways(points)
        corrected = points.copy()
        corrected[:, :2] -= self.depths[:, None] * sideways
        return corrected

    def _sideways(self, points: Float[np.ndarray, "468 3"]) -> Float[np.ndarray, "2"]:
        """Where what is nearer goes for the yaw, pixels a metre: along the line of the eyes."""
        rotation, scale = turned(points[self._steady], self._assumed)
        across = rotation[:2, 0] / max(float(np.linalg.norm(rotation[:2, 0])), 1e-9)
        return scale * (rotation[:2, 2] @ across) * across * [1, -1]

    @cached_property
    def _steady(self) -> Int[np.ndarray, " point"]:
        return np.array([point for point in EDGES if self.points[point, 1] > _LOWER_FACE])

    @cached_property
    def _assumed(self) -> Float[np.ndarray, "point 3"]:
        """The steady points of the network's face."""
        return self.points[self._steady] + self.depths[self._steady, None] * [0, 0, 1]
