"""Light: nine real spherical-harmonics terms for each colour."""

from __future__ import annotations

from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

# Normalisation times the Lambertian kernel of bands one and two (Ramamoorthi and Hanrahan 2001); the constant
# band has no factor pi, as in the published system, so that its coefficient 1 / FACTORS[0] is a shading of
# one.
_FIRST, _SECOND = 2 * pi / 3, pi / 4
FACTORS = (
    1 / sqrt(4 * pi),
    *(3 * [_FIRST * sqrt(3 / (4 * pi))]),
    *(3 * [_SECOND * 3 * sqrt(5 / (12 * pi))]),
    _SECOND * 1.5 * sqrt(5 / (12 * pi)),
    _SECOND * 0.5 * sqrt(5 / (4 * pi)),
)


def harmonics(normals: Float[Tensor, "*batch 3"]) -> Float[Tensor, "band=9 *batch"]:
    """The nine functions 1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1 of unit normals, with factors."""
    x, y, z = normals.movedim(-1, 0).contiguous()
    terms = [torch.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1]
    return torch.stack([factor * term for factor, term in zip(FACTORS, terms, strict=True)])


def shade(normals: Float[Tensor, "point 3"], lighting: Float[Tensor, "9 3"]) -> Float[Tensor, "point 3"]:
    """RGB shading of unit normals in the posed head frame: what the albedo is multiplied by. Not clamped."""
    # In this order both factors are read along their rows: twice as fast.
    return (lighting.mT @ harmonics(normals)).mT
