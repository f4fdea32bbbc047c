"""Lit images, normals, lamps and shape pictures against the reference's numbers."""

from __future__ import annotations

import pytest
import torch
from parity_head import agrees, parity_head, released_albedo, stage
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.released_detail import released_vertex_normals
from deca.render.lamps import released_directional_shading, released_point_shading
from deca.render.lighting import shade
from deca.render.released import (
    SHAPE_LIMIT,
    TEXEL_LIMIT,
    image_normals,
    over,
    released_depth_image,
    released_shape_alpha,
    released_shape_image,
    released_visible,
)
from deca.render.renderer import render_lit, render_texture, shading
from deca.render.surface import Surface, SurfaceModel


def _triangles() -> Tensor:
    return torch.from_numpy(parity_head().triangles)


def _surface(photo: int) -> Surface:
    lit = stage("07_render_lit")
    one = slice(photo, photo + 1)
    return SurfaceModel(parity_head())(lit["verts"][one], lit["trans_verts"][one], 224, 224)


def test_lit_images_agree() -> None:
    figures = stage("07_render_lit")
    albedo = released_albedo()(figures["tex"])
    for photo in range(3):
        one = slice(photo, photo + 1)
        lit = render_lit(_surface(photo), albedo[one], figures["light"][one])
        # Over all pixels, those on the outline included.
        agrees(f"images {photo}", lit.image, figures["images"][one], 2e-4, 1e-5)
        assert torch.equal(lit.alpha, figures["alpha_images"][one])
    # That photo's picture again, on the photo, and drawn by PyTorch3D: seven pixels show another triangle.
    lit = render_lit(_surface(0), albedo[:1], figures["light"][:1])
    on_photo = over(lit.image, lit.alpha, stage("01_crop")["crop0"][None])[..., 60:164, 60:164]
    agrees("images_on_photo", on_photo, figures["images_on_photo"], 5e-5)
    same = (lit.triangle_ids == stage("06_raster_pytorch3d")["pix_to_face"][:1].long())[:, None]
    assert (~same).sum() <= 7
    agrees("images_pytorch3d", lit.image * same, figures["images_pytorch3d"] * same, 5e-4, 1e-4)


def test_what_makes_a_lit_image_agrees() -> None:
    figures, surface = stage("07_render_lit"), _surface(0)
    lit = render_lit(surface, released_albedo()(figures["tex"][:1]), figures["light"][:1])
    texture = render_texture(surface, released_albedo()(figures["tex"][:1])).image
    agrees("albedo_images", texture, figures["albedo_images"], 2e-4, 1e-5)
    agrees("normal_images", lit.normals, figures["normal_images"], 2e-4, 2e-5)
    light = surface.fragments.image(shading(surface, surface.normals, figures["light"][:1]))
    agrees("shading_images", light, figures["shading_images"], 1e-4, 1e-5)
    background = shade(torch.zeros(1, 3), figures["light"][0])[0]
    agrees("shading_background", background, figures["shading_background"], 5e-7)


def test_texture_coordinates_agree() -> None:
    figures = stage("07_render_lit")
    for photo in range(2):
        fragments, uv = _surface(photo).fragments, _surface(photo).uv
        u, v = uv.unbind(-1)
        grid = fragments.image(torch.stack([2 * u - 1, 1 - 2 * v], -1)).permute(0, 2, 3, 1)
        agrees(f"grid {photo}", grid, figures["grid"][photo : photo + 1], 2e-4, 1e-5)


def test_normals_agree() -> None:
    figures = stage("07_render_lit")
    world = released_vertex_normals(figures["verts"], _triangles())
    agrees("vertex_normals_world", world, figures["vertex_normals_world"], 5e-7)
    # The reference moves the heads back by ten before it takes normals, which costs float32 three digits.
    behind = figures["trans_verts"] + torch.tensor([0.0, 0.0, 10.0])
    agrees("vertex_normals_image", image_normals(behind, _triangles()), figures["vertex_normals_image"], 5e-7)
    ours = image_normals(figures["trans_verts"], _triangles())
    agrees("vertex_normals_image, in place", ours, figures["vertex_normals_image"], 2e-4, 5e-5)


def test_the_default_normals_differ_on_specks_of_skin_alone() -> None:
    """Where the triangles around a vertex measure less than half a square millimetre, ours are still unit."""
    figures = stage("07_render_lit")
    default, released = vertex_normals(figures["verts"], _triangles()), figures["vertex_normals_world"]
    short = released.norm(dim=-1) < 0.9999
    assert 0 < short.float().mean() < 0.001
    agrees("vertex_normals_world, by default", default[~short], released[~short], 5e-7)
    assert torch.allclose(default.norm(dim=-1), torch.ones(()))


def test_masks_agree() -> None:
    figures, surface = stage("07_render_lit"), _surface(0)
    normals = image_normals(figures["trans_verts"][:1], _triangles())
    facing = released_visible(surface.fragments.interpolate(normals), TEXEL_LIMIT)
    assert torch.equal(surface.fragments.image(facing[:, None].float()), figures["pos_mask"])
    # Pixels that the limit leaves out exist: the inside of the neck.
    alpha = released_shape_alpha(surface, normals)
    assert torch.equal(alpha, stage("08_shape")["alpha_images"])
    assert 0 < (alpha < figures["alpha_images"][:1]).sum() < 100
    assert SHAPE_LIMIT > 0


def test_lamps_agree() -> None:
    figures, surface = stage("07_render_lit"), _surface(0)
    positions, colours = figures["point_lights"][0].split(3, 1)
    albedo = surface.sample(released_albedo()(figures["tex"][:1]))
    points = surface.fragments.interpolate(figures["verts"][:1])
    middle = (..., slice(40, 200), slice(40, 200))
    light = released_point_shading(points, surface.normals, positions, colours)
    image = surface.fragments.image(albedo * light)[middle]
    agrees("images_point", image, figures["images_point"], 2e-4, 2e-5)
    light = released_directional_shading(surface.normals, positions, colours)
    image = surface.fragments.image(albedo * light)[middle]
    agrees("images_directional", image, figures["images_directional"], 2e-4, 2e-5)


def test_gradients_of_the_lit_image_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum over the picture of its colours, each times the crop's colour there less a half."""
    # The reference drew this with PyTorch3D, which shows seven pixels of specks that ours hides; the gradient
    # at their corners is a hundred times that of others. So its triangles are taken here; all else is ours.
    ids = stage("06_raster_pytorch3d")["pix_to_face"][:1].long()
    monkeypatch.setattr("deca.raster.fragments.rasterise", lambda *_: ids)
    lit, figures = stage("07_render_lit"), stage("07_render_gradient")
    keys = ["verts", "trans_verts", "light", "tex"]
    inputs = {key: lit[key][:1].clone().requires_grad_() for key in keys}
    surface = SurfaceModel(parity_head())(inputs["verts"], inputs["trans_verts"], 224, 224)
    image = render_lit(surface, released_albedo()(inputs["tex"]), inputs["light"]).image
    scalar = (image * (stage("01_crop")["crop0"] - 0.5)).sum()
    agrees("07 scalar", scalar.detach(), figures["scalar"], 5e-6)
    gradients = dict(zip(keys, torch.autograd.grad(scalar, list(inputs.values())), strict=True))
    agrees("07 grad_verts", gradients["verts"], figures["grad_verts"], 5e-4, 1e-4)
    agrees("07 grad_light", gradients["light"], figures["grad_light"], 2e-5)
    agrees("07 grad_tex", gradients["tex"], figures["grad_tex"], 1e-4)
    # Tiny triangles again: run with its sums in another order, the reference moves by 3e-3 itself.
    agrees("07 grad_trans_verts", gradients["trans_verts"], figures["grad_trans_verts"], 6e-3, 1.5e-3)


def test_shape_pictures_agree() -> None:
    figures, surface = stage("08_shape"), _surface(0)
    vertices_image = stage("07_render_lit")["trans_verts"][:1]
    alpha = released_shape_alpha(surface, image_normals(vertices_image, _triangles()))
    shape = released_shape_image(surface, surface.normals, alpha)
    agrees("shape_images", shape, figures["shape_images"], 1e-4, 2e-5)
    on_photo = over(shape, alpha, stage("01_crop")["crop0"][None])[..., 100:200, 100:200]
    agrees("shape_images_on_photo", on_photo, figures["shape_images_on_photo"], 1e-4, 2e-5)
    depth = released_depth_image(surface, vertices_image)
    agrees("depth_images", depth, figures["depth_images"], 1e-4, 2e-5)
    colours = surface.fragments.image(surface.fragments.interpolate(figures["vertex_colors"]))
    agrees("color_images", colours[..., 64:160, 64:160], figures["color_images"], 2e-4, 1e-4)
