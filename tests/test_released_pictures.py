"""The released pictures, masks and texture on the small head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.photo.released_crop import integer_centred, released_landmark_crop
from deca.render.camera import project, to_photo_frame
from deca.render.released import (
    LANDMARK_LIMIT,
    SHAPE_GREY,
    image_normals,
    over,
    released_depth_image,
    released_photo_frame,
    released_shape_alpha,
    released_shape_image,
    released_texture,
    released_visible,
)
from deca.render.surface import Surface, SurfaceModel

SIZE = 64


@pytest.fixture(scope="module")
def vertices(small_head: HeadData) -> Tensor:
    return torch.from_numpy(small_head.template_vertices)[None]


@pytest.fixture(scope="module")
def vertices_image(vertices: Tensor) -> Tensor:
    return project(vertices, torch.tensor([[8.0, 0.0, 0.0]]))


@pytest.fixture(scope="module")
def surface(small_head: HeadData, vertices: Tensor, vertices_image: Tensor) -> Surface:
    return SurfaceModel(small_head)(vertices, vertices_image, SIZE, SIZE)


def test_normals_point_at_the_viewer_on_the_face(small_head: HeadData, vertices_image: Tensor) -> None:
    normals = image_normals(vertices_image, torch.from_numpy(small_head.triangles))[0]
    nearest, furthest = vertices_image[0, :, 2].argmin(), vertices_image[0, :, 2].argmax()
    assert normals[nearest, 2] < -0.9
    assert normals[furthest, 2] > 0.9
    visible = released_visible(normals, LANDMARK_LIMIT)
    assert visible[nearest]
    assert not visible[furthest]


def test_the_shape_is_grey_and_lit_from_the_front(
    small_head: HeadData, vertices_image: Tensor, surface: Surface
) -> None:
    normals = image_normals(vertices_image, torch.from_numpy(small_head.triangles))
    alpha = released_shape_alpha(surface, normals)
    shape = released_shape_image(surface, surface.normals, alpha)
    assert torch.equal(shape[:, :1], shape[:, 1:2])
    # Towards the viewer four lamps stand at 1 / sqrt 3 and one at one.
    expected = SHAPE_GREY * 1.7 * (4 / 3**0.5 + 1) / 5
    nearest = surface.depth.argmin()
    assert surface.fragments.pixels(shape)[nearest, 0] == pytest.approx(expected, abs=0.02)
    assert not shape[:, :, 0, 0].any()
    # A surface turned inside out shows at its outline alone.
    assert released_shape_alpha(surface, -normals).sum() < 0.1 * alpha.sum()


def test_nearness_runs_from_the_nearest_vertex_to_the_furthest(
    small_head: HeadData, vertices: Tensor, vertices_image: Tensor, surface: Surface
) -> None:
    depth = released_depth_image(surface, vertices_image)
    nearest = surface.fragments.pixels(depth).max()
    assert 0.98 < nearest <= 1
    assert depth[0, 0, 0, 0] == 0
    # Of a batch, each head by its own span.
    twice = torch.cat([vertices_image, vertices_image * torch.tensor([1.0, 1.0, 0.5])])
    both = SurfaceModel(small_head)(vertices.expand(2, -1, -1), twice, SIZE, SIZE)
    batch = released_depth_image(both, twice)
    torch.testing.assert_close(batch[0], batch[1])


def test_over_keeps_the_background_where_nothing_is() -> None:
    alpha = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    image = torch.tensor([0.2, 0.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    composed = over(image, alpha, torch.full((1, 3, 1, 2), 0.9))
    torch.testing.assert_close(composed[0, 0, 0], torch.tensor([0.2, 0.9]))


def test_the_photo_frame_is_off_by_half_pixels_alone(vertices_image: Tensor) -> None:
    """The released way against the exact one: half a crop pixel less half a photo pixel."""
    crop = released_landmark_crop(np.array([100.0, 80.0, 420.0, 400.0]))
    exact = torch.from_numpy(crop.T_photo_crop).float()[None]
    difference = released_photo_frame(vertices_image, crop, 500, 600) - to_photo_frame(
        vertices_image, exact, crop.size, 500, 600
    )
    pixels = 0.5 / integer_centred(crop)[0, 0] - 0.5
    assert pixels > 0.1
    expected = torch.tensor([pixels * 2 / 600, pixels * 2 / 500, 0])
    torch.testing.assert_close(difference, expected.float().expand_as(difference), atol=1e-6, rtol=0)


def test_the_texture_takes_the_photo_inside_the_mask(small_head: HeadData, vertices_image: Tensor) -> None:
    """A picture whose colour is its own position, taken at the texels, is the texels' position."""
    layout = UVLayout(small_head, 32)
    vertices_image_uv = layout.to_uv(vertices_image)
    centre = (torch.arange(512) + 0.5) / 512 * 2 - 1
    row, column = torch.meshgrid(centre, centre, indexing="ij")
    picture = torch.stack([column, row, torch.ones_like(row)])[None]
    mask = layout.mask.float()
    mask[:16] = 0
    texture = released_texture(picture, vertices_image_uv, torch.full((1, 3, 32, 32), 5.0), mask)
    inside = mask.bool()
    torch.testing.assert_close(texture[0, :2, inside], vertices_image_uv[0, :2, inside], atol=1e-5, rtol=0)
    assert (texture[0, :, ~inside] == 5).all()
