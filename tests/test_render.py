"""Surfaces, lit images, pictures and visibility."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_head import RADII

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.raster.fragments import Fragments
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.renderer import render_detailed, render_lit, render_texture
from deca.render.surface import Surface, SurfaceModel
from deca.render.visibility import visible_points

CAMERA = torch.tensor([[8.0, 0.0, 0.0], [6.0, 0.01, -0.01]])


@pytest.fixture(scope="module")
def vertices(small_head: HeadData) -> torch.Tensor:
    return torch.from_numpy(small_head.template_vertices).expand(2, -1, 3)


@pytest.fixture(scope="module")
def surface(small_head: HeadData, vertices: torch.Tensor) -> Surface:
    return SurfaceModel(small_head)(vertices, project(vertices, CAMERA), 64, 48)


def test_the_surface_is_the_front_of_the_ellipsoid(surface: Surface) -> None:
    covered = surface.fragments
    column, row = covered.pixel % 48, covered.pixel // 48 % 64
    image = torch.stack([(column + 0.5) / 48 * 2 - 1, (row + 0.5) / 64 * 2 - 1], -1)
    camera = CAMERA[covered.face]
    x = image[:, 0] / camera[:, 0] - camera[:, 1]
    y = -image[:, 1] / camera[:, 0] - camera[:, 2]
    radii = torch.from_numpy(RADII).float()
    inside = 1 - (x / radii[0]) ** 2 - (y / radii[1]) ** 2
    front = inside > 0.2
    z = radii[2] * inside.clamp_min(0).sqrt()
    # The mesh cuts corners: a few millimetres for twenty degrees a step.
    torch.testing.assert_close((-surface.depth[:, 0] / camera[:, 0])[front], z[front], atol=0.004, rtol=0)
    assert (surface.normals[front][:, 2] > 0).all()


def test_each_face_is_lit_by_its_own_light(small_head: HeadData, surface: Surface) -> None:
    lighting = torch.zeros(2, 9, 3)
    lighting[0, 0], lighting[1, 1] = 1.0, torch.tensor([1.0, 2.0, 3.0])
    albedo = torch.tensor([0.5, 0.25]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    rendering = render_lit(surface, albedo, lighting)
    for face in range(2):
        mask = rendering.alpha[face, 0] == 1
        normals = rendering.normals[face][:, mask].T
        expected = albedo[face, 0, 0, 0] * shade(normals, lighting[face])
        torch.testing.assert_close(rendering.image[face][:, mask].T, expected, atol=1e-6, rtol=0)
        assert (rendering.image[face][:, ~mask] == 0).all()
    assert torch.equal(rendering.alpha[:, 0] == 1, rendering.triangle_ids >= 0)


def test_detail_with_the_smooth_normals_is_the_coarse_image(
    small_head: HeadData, surface: Surface, vertices: torch.Tensor
) -> None:
    layout = UVLayout(small_head, 256)
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    normals_uv = layout.fill(layout.to_uv(normals))
    lighting = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    albedo = torch.full((2, 3, 256, 256), 0.5)
    coarse = render_lit(surface, albedo, lighting).image
    detailed = render_detailed(surface, albedo, normals_uv, lighting).image
    assert (coarse - detailed).abs().mean() < 0.01


def test_a_texture_is_found_where_its_uv_is(surface: Surface) -> None:
    step = (torch.arange(64) + 0.5) / 64
    texture = torch.stack([step.expand(64, 64), (1 - step)[:, None].expand(64, 64), torch.ones(64, 64)])
    rendering = render_texture(surface, texture.expand(2, -1, -1, -1))
    torch.testing.assert_close(rendering.image[:, :2], rendering.uv, atol=1e-5, rtol=0)


def test_gradients_reach_vertices_albedo_and_light(small_head: HeadData, vertices: torch.Tensor) -> None:
    leaf = vertices[:1].clone().requires_grad_()
    albedo = torch.rand(1, 3, 16, 16).requires_grad_()
    lighting = torch.rand(1, 9, 3).requires_grad_()
    surface = SurfaceModel(small_head)(leaf, project(leaf, CAMERA[:1]), 24, 24)
    render_lit(surface, albedo, lighting).image.square().sum().backward()
    for tensor in (leaf, albedo, lighting):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().sum() > 0


def test_the_front_is_seen_and_the_back_is_not(small_head: HeadData, vertices: torch.Tensor) -> None:
    image = project(vertices, CAMERA)
    surface = SurfaceModel(small_head)(vertices, image, 256, 256)
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    seen = visible_points(image, normals, surface, 0.002 * 8)
    clear = normals[..., 2].abs() > 0.2
    within = (image[..., :2].abs() < 1).all(-1)
    assert torch.equal((seen & within)[clear & within], (normals[..., 2] > 0)[clear & within])
    assert not seen[~within].any()


def test_what_is_behind_something_is_not_seen() -> None:
    """A plate in front of half of the points, which face the camera all the same."""
    ids = torch.full((1, 8, 8), -1)
    ids[:, :, :4] = 0
    pixel = (ids.flatten() >= 0).nonzero()[:, 0]
    plate = Fragments(
        ids, pixel, torch.zeros_like(pixel), torch.zeros(32, 3).long(), torch.full((32, 3), 1 / 3)
    )
    surface = Surface(plate, torch.zeros(32, 3), torch.full((32, 1), -0.5), torch.zeros(32, 2))
    points = torch.tensor([[[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, -0.499], [3.0, 0.0, -1.0]]])
    normals = torch.tensor([0.0, 0.0, 1.0]).expand(1, 4, 3)
    assert visible_points(points, normals, surface, 0.01).tolist() == [[False, True, True, False]]
    assert np.isclose(surface.depth.mean(), -0.5)
