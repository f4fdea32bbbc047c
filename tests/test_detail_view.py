from __future__ import annotations

import pytest
import torch

from deca.geometry import vertex_normals
from deca.head.detail import DetailModel
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.model.detail_view import DetailView, coarse_shading, lightness_by_rise, luma_of, slow_part
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.renderer import render_detailed
from deca.render.surface import SurfaceModel

SIZE = 128


@pytest.fixture(scope="module")
def parts(small_head):
    layout = UVLayout(small_head, SIZE)
    detail_model = DetailModel(small_head, layout)
    return HeadModel(small_head), detail_model, DetailView(small_head, detail_model)


def lit(head_model):
    lighting = torch.zeros(1, 9, 3)
    lighting[0, 0], lighting[0, 1], lighting[0, 3] = 2.5, 0.6, 0.3
    parameters = head_model.neutral().replace(lighting=lighting)
    vertices = head_model(parameters).vertices
    return parameters, vertices, project(vertices, parameters.camera)


def view_of(parts, small_head, displacement):
    head_model, detail_model, detail_view = parts
    parameters, vertices, vertices_image = lit(head_model)
    surface = SurfaceModel(small_head)(vertices, vertices_image, 256, 256)
    normals = detail_model(vertices, displacement)
    albedo_uv = detail_view.albedo.expand(1, 3, SIZE, SIZE)
    image = render_detailed(surface, albedo_uv, normals, parameters.lighting).image
    return detail_view(luma_of(image), vertices, vertices_image, parameters.lighting)


def test_a_smooth_head_in_its_own_light_shows_nothing(parts, small_head):
    view = view_of(parts, small_head, torch.zeros(1, 1, SIZE, SIZE))
    seen = view[0, 1] > 0.9
    assert seen.sum() > 100
    assert view[0, 0][seen].abs().median() < 0.05


def test_slopes_become_lightness_as_the_view_says(parts, small_head):
    columns = torch.arange(SIZE) / SIZE
    displacement = 1e-4 * torch.sin(columns * 2 * torch.pi * 16).expand(1, 1, SIZE, SIZE)
    view = view_of(parts, small_head, displacement)[0]
    rise = torch.nn.functional.pad(displacement[..., 2:] - displacement[..., :-2], (1, 1)) * 1000 / 2
    predicted = rise[0, 0] * view[2]
    seen = view[1] > 0.95
    both = torch.stack([view[0][seen], predicted[seen]])
    assert torch.corrcoef(both)[0, 1] > 0.7


def test_the_derivative_of_the_light_is_that_of_finite_differences(parts):
    head_model, detail_model, _ = parts
    parameters, vertices, _ = lit(head_model)
    lighting = parameters.lighting + 0.2 * torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    luma = (lighting * torch.tensor([0.299, 0.587, 0.114])).sum(-1)
    frames = detail_model.frames(vertices)
    shading = coarse_shading(frames.normals, luma)
    found = lightness_by_rise(frames, luma, shading, SIZE)
    step = 1e-3
    for axis, along in enumerate((frames.along_u, frames.along_v)):
        along = along - (along * frames.normals).sum(1, keepdim=True) * frames.normals
        tangent = torch.nn.functional.normalize(along, dim=1)
        # The slope of a millimetre over a texel.
        slope = SIZE / 1000 / along.norm(dim=1)
        grey = luma[0][:, None].expand(9, 3)

        def light(normals, grey=grey):
            return shade(normals[0].T.contiguous(), grey)[:, 0]

        difference = (light(frames.normals - step * tangent) - light(frames.normals + step * tangent)) / (
            2 * step
        )
        bright = (shading[0] > 0.2) & (along.norm(dim=1)[0] > 0.1)
        torch.testing.assert_close(
            found[0, axis][bright], (difference * slope / shading)[0][bright], atol=2e-3, rtol=2e-2
        )


def test_the_slow_part_of_a_constant_is_the_constant():
    values, weights = torch.full((1, 1, 64, 64), 0.7), torch.zeros(1, 1, 64, 64)
    weights[..., 16:48, 16:48] = 1
    inside = slow_part(values, weights)[..., 20:44, 20:44]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.7))


def test_what_is_turned_away_is_not_seen(parts, small_head):
    head_model, _, detail_view = parts
    parameters, _, _ = lit(head_model)
    turned = parameters.replace(pose=torch.tensor([[0.0, 1.4, 0.0]]))
    vertices = head_model(turned).vertices
    view = detail_view(torch.rand(1, 1, 64, 64), vertices, project(vertices, turned.camera), turned.lighting)
    normals = detail_view.layout.to_uv(vertex_normals(vertices, head_model.triangles))
    assert not view[0, 1][normals[0, 2] < 0].any()
