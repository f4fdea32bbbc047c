"""How a face is turned, by its points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def turned(
    points: Float[np.ndarray, "point 3"], face: Float[np.ndarray, "point 3"]
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """The rotation and the scale, pixels a unit of `face`, that lay a face (y up, nearer is larger z) over
    points of a picture (x right, y down, smaller z nearer).

    Least squares (Umeyama, Least-squares estimation of transformation parameters between two point patterns,
    1991).
    """
    seen = points * np.array([1.0, -1.0, -1.0])
    centred = face - face.mean(0)
    left, sizes, right = np.linalg.svd((seen - seen.mean(0)).T @ centred)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return left * signs @ right, float(sizes @ signs / np.square(centred).sum())
