"""What benchmarks compare: the part of a scan round the face, and a prediction with the seven landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_OUTER_RIGHT, _INNER_RIGHT, _INNER_LEFT, _OUTER_LEFT, _NOSE_BASE = range(5)
_UPWARDS = 0.3


@dataclass(frozen=True)
class Prediction:
    """A predicted surface and its seven landmarks (`SEVEN_OF_68`), both in one unit, whichever it is."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    landmarks: Float[np.ndarray, "7 3"]


def face_sphere(landmarks: Float[np.ndarray, "7 3"], factor: float) -> tuple[Float[np.ndarray, "3"], float]:
    """Centre and radius of the sphere round a face's middle (Feng et al. 2018, section III).

    The centre lies above the nose base by 0.3 of the way to the bridge, the middle of the inner eye corners;
    the radius is the mean of that way and of the distance of the outer eye corners, times a factor: 1.2 in
    the benchmark of Feng et al., 1.4 in the NoW challenge.
    """
    base = landmarks[_NOSE_BASE]
    to_bridge = (landmarks[_INNER_RIGHT] + landmarks[_INNER_LEFT]) / 2 - base
    width = np.linalg.norm(landmarks[_OUTER_RIGHT] - landmarks[_OUTER_LEFT])
    return base + _UPWARDS * to_bridge, float(factor * (width + np.linalg.norm(to_bridge)) / 2)


def vertices_within(
    vertices: Float[np.ndarray, "vertex 3"], centre: Float[np.ndarray, "3"], radius: float
) -> Int[np.ndarray, " inside"]:
    """Which vertices lie within a sphere, in their order."""
    return np.flatnonzero(np.linalg.norm(vertices - centre, axis=1) <= radius)
