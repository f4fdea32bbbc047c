"""A smooth Gaussian process over the face, for shapes that no slider of the population makes."""

from __future__ import annotations

import numpy as np
from default_head.frame import Frame
from default_head.mesh import Topology
from jaxtyping import Float, Int
from scipy.linalg import cholesky, eigh, solve_triangular

# A sum of squared exponential kernels (Luthi et al., Gaussian Process Morphable Models, TPAMI 2017, section
# 3): length, deviation of each coordinate, deviation along the outward direction; metres. The outward part
# is larger, because sliding along the skin changes its form little.
KERNELS = ((0.07, 0.0006, 0.0011), (0.035, 0.0004, 0.0010), (0.018, 0.0003, 0.0008), (0.011, 0.0002, 0.0006))
# The longest kernel reaches over the whole head, at this part of its strength; the others stay on the face.
HEAD_STRENGTH = 0.4
# One-sided changes are a fraction of the symmetric ones.
ASYMMETRY = 0.25
INDUCING_POINTS = 400
FUNCTIONS = 180


def process_factor(frame: Frame, topology: Topology, sign: int) -> Float[np.ndarray, "field vertex 3"]:
    """Fields whose outer products sum up to the covariance of the symmetric (sign 1) or antisymmetric (-1)
    process."""
    outward = frame.vertices * [1.0, 0.4, 1.0] + [0, 0, 0.01]
    outward = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    x, y, z = np.eye(3)
    plain, along = _inducing_factors(frame, topology)
    even = _parity_functions(plain, frame, topology, sign)
    odd = _parity_functions(plain, frame, topology, -sign)
    radial = _parity_functions(along, frame, topology, sign)
    fields = [(odd, x), (even, y), (even, z), (radial, outward)]
    factor = np.concatenate([functions[..., None] * direction for functions, direction in fields])
    return factor * (1 if sign > 0 else ASYMMETRY)


def _parity_functions(
    functions, frame: Frame, topology: Topology, sign: int
) -> Float[np.ndarray, "field vertex"]:
    """The leading even or odd functions, scaled so that away from the midline the variance stays what it
    was."""
    half = (functions + sign * functions[:, topology.vertex_mirror]) / np.sqrt(2)
    weighted = half * np.sqrt(frame.importance)
    size = len(half)
    _, vectors = eigh(weighted @ weighted.T, subset_by_index=[size - FUNCTIONS, size - 1])
    return vectors.T @ half


def _inducing_factors(frame: Frame, topology: Topology):
    """Functions whose products sum up to the kernels of a coordinate and of the outward part (Nystrom's
    method).

    The kernels live in space, not on the surface: what lies close together, such as both lips, moves
    together.
    """
    chosen = _spread(frame, topology)
    squared = np.square(frame.vertices[:, None] - frame.vertices[None, chosen]).sum(-1)
    factors = []
    for column in (1, 2):
        total = np.zeros_like(squared)
        for index, kernel in enumerate(KERNELS):
            reach = HEAD_STRENGTH + (1 - HEAD_STRENGTH) * frame.face if index == 0 else frame.face
            amplitude = kernel[column] * reach
            total += amplitude[:, None] * amplitude[chosen] * np.exp(-squared / (2 * kernel[0] ** 2))
        square = total[chosen]
        lower = cholesky(square + 1e-6 * np.trace(square) / len(chosen) * np.eye(len(chosen)), lower=True)
        factors.append(solve_triangular(lower, total.T, lower=True))
    return factors


def _spread(frame: Frame, topology: Topology) -> Int[np.ndarray, " point"]:
    """Skin vertices far apart from each other (farthest points), the face three times denser, with mirror
    images."""
    candidates = np.flatnonzero((topology.vertex_part == 0) & (frame.vertices[:, 0] >= 0))
    stretched = frame.vertices[candidates] * (1 + 2 * frame.face[candidates, None])
    distance = np.full(len(candidates), np.inf)
    chosen = [int(frame.vertices[candidates, 2].argmax())]
    while len(chosen) < INDUCING_POINTS:
        distance = np.minimum(distance, np.square(stretched - stretched[chosen[-1]]).sum(1))
        chosen.append(int(distance.argmax()))
    return np.unique(np.concatenate([candidates[chosen], topology.vertex_mirror[candidates[chosen]]]))
