"""Laying one shape on another of the same topology."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from deca.conversion.registration import fit_similarity
from deca.evaluation.similarity import Similarity


def similarity(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"], with_scale: bool
) -> Similarity:
    """What takes `source` to `target` with least squares (Umeyama 1991), rigid where the scale is to stay
    one."""
    scale, rotation, translation = fit_similarity(source, target)
    if with_scale:
        return Similarity(scale, rotation, translation)
    return Similarity(1.0, rotation, target.mean(0) - rotation @ source.mean(0))


def vertex_distances(
    first: Float[np.ndarray, "vertex 3"], second: Float[np.ndarray, "vertex 3"], with_scale: bool
) -> Float[np.ndarray, " vertex"]:
    """Distances of the vertices of two shapes of one topology, the first laid on the second."""
    return np.linalg.norm(similarity(first, second, with_scale)(first) - second, axis=1)
