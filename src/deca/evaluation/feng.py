"""The benchmark of Feng et al. (FG2018): distances of inner faces from predictions laid by landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deca.evaluation.scan_face import Prediction
from deca.evaluation.similarity import Similarity, procrustes
from deca.evaluation.surface import Surface

CROP_FACTOR = 1.2


@dataclass(frozen=True)
class FengResult:
    """Distances of the inner face's vertices (see `deca.evaluation.scan_face`) in the scan's unit."""

    distances: Float[np.ndarray, " part"]
    laid: Similarity

    @property
    def root_mean_square(self) -> float:
        """The benchmark's figure of one scan."""
        return float(np.sqrt(np.square(self.distances).mean()))


def distances(
    face: Float[np.ndarray, "part 3"], landmarks: Float[np.ndarray, "7 3"], prediction: Prediction
) -> FengResult:
    """The protocol: a Procrustes fit of the seven landmarks with scale, and no refinement."""
    laid = procrustes(prediction.landmarks.astype(np.float64), landmarks.astype(np.float64))
    away = Surface(laid(prediction.vertices), prediction.triangles).closest(face)[0]
    return FengResult(away, laid)
