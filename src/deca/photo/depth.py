"""Points of a turned face where the face has them, not where the landmark network's own face would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from deca.photo.dense_points import EDGES

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

    def corrected(self, points: Float[np.ndarray, "468 axes"]) -> Float[np.ndarray, "468 axes"]:
        """The 468 points, pixels of a picture (x right, y down, others as they are), each moved by what its
        depth shifts it sideways under the face's turn."""
        seen = points[self._steady, :2] * [1, -1]
        affine = (self._solution @ (seen - seen.mean(0))).T
        left, sizes, right = np.linalg.svd(affine, full_matrices=False)
        # Where the head's z axis points in the picture, pixels a metre.
        forward = sizes.mean() * (left @ right)[:, 2] * [1, -1]
        corrected = points.copy()
        corrected[:, :2] -= self.depths[:, None] * forward
        return corrected

    @cached_property
    def _steady(self) -> Int[np.ndarray, " point"]:
        return np.array([point for point in EDGES if self.points[point, 1] > _LOWER_FACE])

    @cached_property
    def _solution(self) -> Float[np.ndarray, "3 point"]:
        """Takes points of a picture to the affine map of the network's face onto them."""
        assumed = self.points.copy()
        assumed[:, 2] += self.depths
        steady = assumed[self._steady]
        return np.linalg.pinv(steady - steady.mean(0))
