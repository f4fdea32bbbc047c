"""The detail losses: known answers, exact gradients, and one value a face."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deca.parameters import Parameters
from deca.training.detail_losses import (
    displacement_size,
    released_displacement_size,
    released_eroded,
    released_patch,
    released_shading_roughness,
    released_symmetry_loss,
    soft_symmetry_loss,
    with_details_of,
)


def _maps(faces: int = 2, size: int = 8) -> tuple[Tensor, Tensor]:
    """Displacements in metres, and weights that are zero in places; double precision."""
    random = torch.Generator().manual_seed(0)
    displacement = (torch.rand(faces, 1, size, size, dtype=torch.float64, generator=random) - 0.5) / 50
    weights = (torch.rand(faces, 1, size, size, dtype=torch.float64, generator=random) > 0.1).double()
    return displacement, weights


def test_a_symmetric_map_costs_nothing() -> None:
    half = torch.rand(1, 1, 6, 3)
    whole = torch.cat([half, half.flip(3)], 3)
    weights = torch.ones(1, 1, 6, 6)
    assert soft_symmetry_loss(whole, weights).tolist() == [0]
    assert released_symmetry_loss(whole, 0 * weights).tolist() == [0]


def test_one_wrinkle_on_one_side() -> None:
    displacement = torch.zeros(2, 1, 6, 6)
    displacement[0, 0, 2, 1] = -0.001
    everywhere, nothing = torch.ones(1, 1, 6, 6), torch.zeros(2, 1, 6, 6)
    # It differs from its mirror image, and so does its mirror image from it.
    torch.testing.assert_close(soft_symmetry_loss(displacement, everywhere), torch.tensor([0.002, 0.0]))
    torch.testing.assert_close(released_symmetry_loss(displacement, nothing), torch.tensor([0.002, 0.0]))


def test_as_released_only_the_hidden_side_learns() -> None:
    displacement, _ = _maps(1, 12)
    displacement.requires_grad_()
    visible = torch.ones(1, 1, 12, 12, dtype=torch.float64)
    visible[..., :5] = 0
    eroded = released_eroded(visible)
    # Two texels more on the hidden side, and two along the other borders.
    assert eroded[0, 0, 6].tolist() == [0] * 7 + [1] * 3 + [0] * 2
    (gradient,) = torch.autograd.grad(released_symmetry_loss(displacement, visible).sum(), displacement)
    assert torch.equal(gradient[0, 0, 2:-2] != 0, eroded[0, 0, 2:-2] == 0)
    # By default both sides move towards each other.
    everywhere = torch.ones_like(visible)
    (gradient,) = torch.autograd.grad(soft_symmetry_loss(displacement, everywhere).sum(), displacement)
    assert (gradient != 0).all()
    torch.testing.assert_close(gradient, -gradient.flip(3))


def test_sizes() -> None:
    displacement = torch.full((2, 1, 4, 4), -0.002)
    torch.testing.assert_close(displacement_size(displacement), torch.tensor([0.032, 0.032]))
    torch.testing.assert_close(released_displacement_size(displacement), torch.tensor([0.002, 0.002]))


def test_roughness_of_a_ramp() -> None:
    ramp = torch.arange(5.0).expand(1, 3, 4, 5) / 10
    assert released_shading_roughness(ramp) == pytest.approx(0.01)
    assert released_shading_roughness(torch.full((1, 3, 4, 5), 0.7)).tolist() == [0]
    # Both ways: a tenth along, two tenths across.
    both = ramp + torch.arange(4.0)[:, None] / 5
    assert released_shading_roughness(both) == pytest.approx(0.05)


def test_the_patch_is_the_middle_of_the_map() -> None:
    columns = torch.arange(256.0).expand(1, 1, 256, 256)
    patch = released_patch(columns)
    assert patch.shape == columns.shape
    assert patch[0, 0, 0, 0] == 50
    assert patch[0, 0, 0, -1] == 205
    assert patch.mean() == pytest.approx(127.5)


def test_gradients_are_exact() -> None:
    displacement, weights = _maps()
    losses: list[Callable[[Tensor], Tensor]] = [
        lambda x: soft_symmetry_loss(x, weights),
        displacement_size,
        released_displacement_size,
        lambda x: released_shading_roughness(x.expand(2, 3, 8, 8)),
    ]
    for loss in losses:
        assert torch.autograd.gradcheck(loss, displacement.clone().requires_grad_())


def test_a_face_has_the_same_value_in_any_batch() -> None:
    displacement, weights = _maps(4)
    losses: list[Callable[[Tensor, Tensor], Tensor]] = [
        soft_symmetry_loss,
        released_symmetry_loss,
        lambda x, _: displacement_size(x),
        lambda x, _: released_displacement_size(x),
        lambda x, _: released_shading_roughness(x.expand(-1, 3, 8, 8)),
    ]
    for loss in losses:
        alone = torch.cat([loss(displacement[i : i + 1], weights[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(loss(displacement, weights), alone, atol=0, rtol=1e-14)


def test_details_are_exchanged_and_nothing_else() -> None:
    parameters = Parameters.neutral(shape=1, expression=1, albedo=1, detail=2, batch=2)
    parameters = parameters.replace(detail=torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    exchanged = with_details_of(parameters, torch.tensor([1, 0]))
    assert exchanged.detail.tolist() == [[3, 4], [1, 2]]
    assert exchanged.expression is parameters.expression
