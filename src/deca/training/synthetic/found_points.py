"""What the landmark network finds in a synthetic picture, as if a detector had found the face."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from deca.photo.faces import points_on_face
from deca.photo.landmarks import (
    REGION_SCALE,
    FaceRegion,
    Landmarker,
    landmarks_in_region,
    region_of_points,
)

# What a detector errs by: in place, by the face's size, and in the logarithm of the size.
_PLACE, _SIZE = 0.05, 0.08


def points_found(
    picture: UInt8[np.ndarray, "height width 3"],
    true: Float[np.ndarray, "468 2"],
    landmarker: Landmarker,
    random: np.random.Generator,
) -> Float[np.ndarray, "468 2"]:
    """The 468 points, in pixels, as the network sees them about where the face is and then once more about
    where it saw them, put right as those of photos are (`deca.photo.faces`)."""
    low, high = true.min(0), true.max(0)
    size = float((high - low).max())
    centre = (low + high) / 2 + _PLACE * size * random.standard_normal(2)
    side = REGION_SCALE * size * float(np.exp(_SIZE * random.standard_normal()))
    points = landmarks_in_region(picture, FaceRegion(centre, side, 0.0), landmarker).points
    seen = landmarks_in_region(picture, region_of_points(points), landmarker)
    return points_on_face(picture, seen, landmarker.depths)[0][:, :2]
