"""Light: nine real spherical-harmonics terms for each colour."""

from __future__ import annotations

import math
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


def ambient(colour: Float[Tensor, "3"]) -> Float[Tensor, "9 3"]:
    """Light from everywhere, which shades every normal with `colour`."""
    lighting = torch.zeros(9, 3, dtype=colour.dtype)
    lighting[0] = colour / FACTORS[0]
    return lighting


def lamp(direction: Float[Tensor, "3"], colour: Float[Tensor, "3"]) -> Float[Tensor, "9 3"]:
    """A far lamp in a direction (head frame, any length), which shades what faces it with `colour`.

    The cosine, cut off at zero, in three bands (Ramamoorthi and Hanrahan 2001):
    1/4 + c / 2 + 5/32 (3 c^2 - 1), where c is the cosine of the angle to the lamp.
    """
    x, y, z = (direction / direction.norm()).tolist()
    second = 15 / 32
    terms = [1 / 4, x / 2, y / 2, z / 2]
    terms += [2 * second * x * y, 2 * second * x * z, 2 * second * y * z]
    terms += [second * (x * x - y * y) / 2, second * (z * z - (x * x + y * y) / 2) / 3]
    coefficients = [term / factor for term, factor in zip(terms, FACTORS, strict=True)]
    return torch.tensor(coefficients, dtype=colour.dtype)[:, None] * colour


def turned(lighting: Float[Tensor, "9 3"], rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "9 3"]:
    """Light that is turned as a whole: it shades rotation @ n as `lighting` shades n."""
    # Directions in general position; each band turns within itself, so the fit is exact.
    index = torch.arange(64, dtype=torch.float64) + 0.5
    z, angle = 1 - index / 32, math.pi * (1 + math.sqrt(5)) * index
    ring = (1 - z * z).sqrt()
    normals = torch.stack([ring * angle.cos(), ring * angle.sin(), z], -1)
    wanted = harmonics(normals @ rotation.double()).mT @ lighting.double()
    found = torch.linalg.lstsq(harmonics(normals).mT, wanted).solution
    return found.to(lighting.dtype)
