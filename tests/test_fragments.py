"""Barycentrics of the covered pixels, and the gradients that run through them."""

from __future__ import annotations

import torch
from torch import Tensor

from deca.head.data import HeadData
from deca.raster.fragments import Fragments, fragments
from deca.raster.gather import weighted_corners


def _vertices(head: HeadData, batch: int = 1) -> Tensor:
    vertices = torch.from_numpy(head.template_vertices).double() * torch.tensor([7.0, -7.0, -7.0])
    # Aside, so that no pixel centre lies on the edges of its plane of symmetry.
    aside = torch.tensor([0.0137, 0.0071, 0.0])
    return torch.stack([vertices * (1 - 0.1 * face) + aside for face in range(batch)])


def _covered(head: HeadData, vertices: Tensor, size: int = 24) -> Fragments:
    return fragments(vertices, torch.from_numpy(head.triangles), size, size + 3)


def test_barycentrics_meet_at_the_pixel_centre(small_head: HeadData) -> None:
    vertices = _vertices(small_head, 2)
    covered = _covered(small_head, vertices)
    column, row = (covered.pixel % 27).double(), (covered.pixel // 27 % 24).double()
    centre = torch.stack([(column + 0.5) / 27 * 2 - 1, (row + 0.5) / 24 * 2 - 1], -1)
    torch.testing.assert_close(covered.interpolate(vertices)[:, :2], centre, atol=1e-12, rtol=0)
    torch.testing.assert_close(covered.barycentrics.sum(1), torch.ones(len(centre)).double())
    # Off by the rounding of the corners at most.
    assert covered.barycentrics.min() > -1e-3
    assert covered.counts == [int((covered.face == face).sum()) for face in (0, 1)]


def test_images_and_pixels_are_inverse(small_head: HeadData) -> None:
    covered = _covered(small_head, _vertices(small_head, 2))
    values = torch.rand(len(covered.pixel), 4)
    image = covered.image(values, background=-3.0)
    assert torch.equal(covered.pixels(image), values)
    empty = covered.triangle_ids[:, None].expand(-1, 4, -1, -1) < 0
    assert (image[empty] == -3).all()


def test_gradients_pass_gradcheck(small_head: HeadData) -> None:
    vertices = _vertices(small_head).requires_grad_()
    values = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(1)).double().requires_grad_()

    def image(vertices: Tensor, values: Tensor) -> Tensor:
        # At 6 x 9 pixels no step of gradcheck moves an edge over a pixel centre.
        return _covered(small_head, vertices, 6).interpolate(values)

    assert torch.autograd.gradcheck(image, (vertices, values), fast_mode=True)


def test_gradient_of_an_image_agrees_with_finite_differences(small_head: HeadData) -> None:
    vertices = _vertices(small_head)
    generator = torch.Generator().manual_seed(3)
    values = torch.rand(1, 200, 1, generator=generator).double()
    direction = torch.randn(vertices.shape, generator=generator).double()
    ids = _covered(small_head, vertices).triangle_ids

    def energy(points: Tensor) -> Tensor:
        covered = _covered(small_head, points)
        assert torch.equal(covered.triangle_ids, ids)
        return covered.interpolate(values).square().sum()

    leaf = vertices.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf), leaf)
    step = 1e-7
    numeric = (energy(vertices + step * direction) - energy(vertices - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), numeric, rtol=1e-5, atol=1e-6)


def test_a_triangle_seen_edge_on_gives_its_middle_and_no_gradient() -> None:
    # So thin that its area is noise, but its edge runs through the pixel centres.
    vertices = torch.tensor(
        [[[-0.75, -0.75, 0.0], [0.75, 0.75, 0.0], [0.75, 0.75 + 1e-7, 0.0]]], requires_grad=True
    )
    covered = fragments(vertices, torch.tensor([[0, 1, 2]]), 4, 4)
    covered.barycentrics.square().sum().backward()
    if len(covered.pixel):
        torch.testing.assert_close(covered.barycentrics, torch.full_like(covered.barycentrics, 1 / 3))
    assert vertices.grad is not None
    assert torch.isfinite(vertices.grad).all()


def test_nothing_covered_is_no_error() -> None:
    covered = fragments(torch.full((2, 3, 3), 5.0), torch.tensor([[0, 1, 2]]), 4, 4)
    assert covered.counts == [0, 0]
    assert (covered.image(covered.interpolate(torch.ones(2, 3, 1))) == 0).all()


def test_fused_gather_is_the_plain_one() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(7, 3, generator=generator).double().requires_grad_()
    corners = torch.randint(0, 7, (11, 3), generator=generator)
    weights = torch.rand(11, 3, generator=generator).double().requires_grad_()
    expected = (values[corners] * weights[..., None]).sum(1)
    torch.testing.assert_close(weighted_corners(values, corners, weights), expected)
    assert torch.autograd.gradcheck(lambda v, w: weighted_corners(v, corners, w), (values, weights))
