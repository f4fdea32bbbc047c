"""What is known of another head's neutral surface when features are carried over to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class TargetSurface:
    """The neutral surface of a head: metres, x to the subject's left, y up, z out of the face.

    `skin` marks the triangles of the outer skin (lids and lips up to their inner rims), to which landmarks
    and regions are carried; `left_eyeball` and `right_eyeball` those of the eyeballs, which may be none.
    `landmarks` are the 68 iBUG points where the head has them; else it is found by `eye_centres`, left and
    right.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "triangle 3"]
    skin: Bool[np.ndarray, " triangle"]
    left_eyeball: Bool[np.ndarray, " triangle"]
    right_eyeball: Bool[np.ndarray, " triangle"]
    eye_centres: Float[np.ndarray, "2 3"]
    landmarks: Float[np.ndarray, "68 3"] | None
