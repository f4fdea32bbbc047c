from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from deca.geometry import vertex_normals
from deca.head.detail import DetailModel
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.raster.rasterise import rasterise
from deca.render.camera import project
from deca.render.renderer import render_detailed, render_lit
from deca.render.surface import SurfaceModel
from deca.training.synthetic.light import Light, lit_skin, random_light
from deca.training.synthetic.painting import Paint, paint_head

SIZE = 48


def scene(small_head):
    model = HeadModel(small_head)
    random = torch.Generator().manual_seed(0)
    parameters = model.neutral().replace(
        shape=torch.randn(1, len(small_head.shape_basis), generator=random),
        pose=torch.tensor([[0.1, 0.4, 0.0]]),
    )
    vertices = model(parameters).vertices
    vertices_image = project(vertices, parameters.camera)
    texture = torch.rand(1, 3, 32, 32, generator=random)
    return model, vertices, vertices_image, texture


def painted(small_head, light: Light, paint: Paint, vertices, vertices_image):
    triangles = torch.from_numpy(small_head.triangles)
    ids = rasterise(vertices_image, triangles, SIZE, SIZE)[0].numpy()
    normals = vertex_normals(vertices, triangles)[0].numpy()
    return paint_head(ids, vertices_image[0].numpy(), normals, small_head, paint, light)


def plain(light: Light) -> Light:
    """Without gloss and hollows: the light that the head model's renderer has."""
    return replace(light, gloss=0.0, hollow=0.0)


def paint_of(texture, count: int, lamps: int, normals=None) -> Paint:
    return Paint(
        texture[0].permute(1, 2, 0).contiguous().numpy(),
        normals,
        np.ones(count, np.float32),
        np.ones((count, lamps), np.float32),
    )


def bright_light(seed: int) -> Light:
    light = plain(random_light(np.random.default_rng(seed)))
    return light


def test_it_paints_what_the_renderer_renders(small_head):
    _, vertices, vertices_image, texture = scene(small_head)
    light = bright_light(1)
    found = painted(
        small_head, light, paint_of(texture, vertices.shape[1], len(light.lamps)), vertices, vertices_image
    )
    surface = SurfaceModel(small_head)(vertices, vertices_image, SIZE, SIZE)
    unit = torch.nn.functional.normalize(surface.normals, dim=1)
    expected = render_lit(replace(surface, normals=unit), texture, light.lighting).image[0].permute(1, 2, 0)
    np.testing.assert_allclose(found, expected.clamp_min(0).numpy(), atol=2e-4)


def test_it_paints_the_normals_of_a_map(small_head):
    model, vertices, vertices_image, texture = scene(small_head)
    light = bright_light(2)
    detail_model = DetailModel(small_head, UVLayout(small_head, 32))
    displacement = 2e-3 * torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    normals = detail_model(vertices, displacement)
    paint = paint_of(
        texture, vertices.shape[1], len(light.lamps), normals[0].permute(1, 2, 0).contiguous().numpy()
    )
    found = painted(small_head, light, paint, vertices, vertices_image)
    surface = SurfaceModel(small_head)(vertices, vertices_image, SIZE, SIZE)
    expected = render_detailed(surface, texture, normals, light.lighting).image[0].permute(1, 2, 0)
    np.testing.assert_allclose(found, expected.clamp_min(0).numpy(), atol=2e-4)
    assert model.data is small_head


def test_gloss_and_shadow_are_those_of_lit_skin(small_head):
    _, vertices, vertices_image, texture = scene(small_head)
    light = random_light(np.random.default_rng(5))
    assert len(light.lamps)
    random = np.random.default_rng(0)
    count = vertices.shape[1]
    openness = random.uniform(0.3, 1, count).astype(np.float32)
    reach = random.uniform(0, 1, (count, len(light.lamps))).astype(np.float32)
    paint = replace(paint_of(texture, count, len(light.lamps)), openness=openness, reach=reach)
    found = painted(small_head, light, paint, vertices, vertices_image)
    surface = SurfaceModel(small_head)(vertices, vertices_image, SIZE, SIZE)
    covered = surface.fragments
    at_pixels = covered.interpolate(torch.from_numpy(np.concatenate([openness[:, None], reach], 1))[None])
    unit = torch.nn.functional.normalize(surface.normals, dim=1)
    shading, shine = lit_skin(light, unit, at_pixels[:, :1], at_pixels[:, 1:])
    expected = covered.image(surface.sample(texture) * shading + shine)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=5e-3)
