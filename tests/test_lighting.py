"""The nine functions are orthogonal on the sphere and have the published factors."""

from __future__ import annotations

from math import pi

import torch

from deca.parameters import Parameters
from deca.render.lighting import FACTORS, harmonics, shade


def _sphere(count: int = 20000) -> torch.Tensor:
    """Points spread evenly over the unit sphere (Fibonacci)."""
    index = torch.arange(count).double() + 0.5
    z, angle = 1 - 2 * index / count, pi * (1 + 5**0.5) * index
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], -1)


def test_factors_as_published() -> None:
    published = [0.28209479, *[1.02332671] * 3, *[0.85808553] * 3, 0.42904277, 0.24770796]
    torch.testing.assert_close(torch.tensor(FACTORS), torch.tensor(published), atol=1e-7, rtol=0)


def test_functions_are_orthogonal_with_lambert_weights() -> None:
    values = harmonics(_sphere())
    gram = values @ values.mT * (4 * pi / values.shape[1])
    # Orthonormal but for the Lambertian factors of bands one and two.
    expected = torch.tensor([1.0, *[(2 * pi / 3) ** 2] * 3, *[(pi / 4) ** 2] * 5]).double().diag()
    torch.testing.assert_close(gram, expected, atol=2e-3, rtol=0)


def test_neutral_light_leaves_the_albedo_alone() -> None:
    lighting = Parameters.neutral(shape=1, expression=1, albedo=1).lighting[0]
    normals = _sphere(50).float()
    torch.testing.assert_close(shade(normals, lighting), torch.ones(50, 3))


def test_light_from_the_left_brightens_the_left() -> None:
    lighting = torch.zeros(9, 3)
    lighting[1, 0] = 1.0
    bright, dark = shade(torch.tensor([[1.0, 0, 0], [-1, 0, 0]]), lighting)
    assert bright[0] > 1 > 0 > dark[0]
    assert bright[1] == 0
