"""The camera's axes, and its inverses."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from deca.render.camera import (
    camera_in_part,
    crop_to_photo,
    image_to_pixels,
    pixels_to_image,
    project,
    to_photo_frame,
    transform_points,
    unproject,
)

finite = st.floats(-1, 1, width=32)


def test_axes() -> None:
    camera = torch.tensor([[4.0, 0.1, -0.2]])
    left_up_near = torch.tensor([[[0.05, 0.3, 0.1]]])
    # The subject's left is the image's right; up is negative; near is negative.
    torch.testing.assert_close(project(left_up_near, camera), torch.tensor([[[0.6, -0.4, -0.4]]]))


@given(st.tuples(finite, finite, finite), st.tuples(st.floats(0.5, 20, width=32), finite, finite))
def test_unproject_inverts_project(point: tuple[float, ...], camera: tuple[float, ...]) -> None:
    points, cameras = torch.tensor([[point]]).double(), torch.tensor([camera]).double()
    torch.testing.assert_close(unproject(project(points, cameras), cameras), points, atol=1e-9, rtol=1e-9)


def test_pixel_centres_lie_at_half_integers() -> None:
    corner = torch.tensor([[-1.0, -1.0]])
    torch.testing.assert_close(image_to_pixels(corner, 10, 20), torch.tensor([[0.0, 0.0]]))
    first = pixels_to_image(torch.tensor([[0.5, 0.5]]), 10, 20)
    torch.testing.assert_close(first, torch.tensor([[-0.95, -0.9]]))
    points = torch.rand(5, 2)
    torch.testing.assert_close(pixels_to_image(image_to_pixels(points, 7, 9), 7, 9), points)


def test_transforms_compose_and_invert() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.eye(3) + 0.1 * torch.randn(2, 3, 3, generator=generator)
    points = torch.rand(6, 2, generator=generator)
    both = transform_points(first @ second, points)
    torch.testing.assert_close(transform_points(first, transform_points(second, points)), both)
    torch.testing.assert_close(
        transform_points(torch.linalg.inv(first @ second), both), points, atol=1e-5, rtol=0
    )


def test_the_photo_frame_shows_the_same_point() -> None:
    # A crop of 224 pixels that is the square from (100, 50) to (212, 162) of a 400 x 300 photo.
    T_photo_crop = torch.tensor([[[0.5, 0.0, 100.0], [0.0, 0.5, 50.0], [0.0, 0.0, 1.0]]])
    corners = torch.tensor([[[-1.0, -1.0, 0.3], [1.0, 1.0, -0.2]]])
    torch.testing.assert_close(
        crop_to_photo(corners, T_photo_crop, 224), torch.tensor([[[100.0, 50.0], [212.0, 162.0]]])
    )
    whole = to_photo_frame(corners, T_photo_crop, 224, 300, 400)
    pixels = image_to_pixels(whole[..., :2], 300, 400)
    torch.testing.assert_close(pixels, torch.tensor([[[100.0, 50.0], [212.0, 162.0]]]))
    assert torch.equal(whole[..., 2], corners[..., 2])


def test_the_camera_of_a_part_of_the_crop_sees_its_points_there():
    points, camera = torch.randn(2, 5, 3), torch.tensor([[8.0, 0.01, -0.02], [6.0, -0.03, 0.04]])
    scale, shift = torch.tensor([1.5, 0.8]), torch.tensor([[0.1, -0.2], [-0.3, 0.05]])
    seen = project(points, camera_in_part(camera, scale, shift))
    expected = project(points, camera) * scale[:, None, None]
    torch.testing.assert_close(seen[..., :2], expected[..., :2] + shift[:, None])
    torch.testing.assert_close(seen[..., 2], expected[..., 2])
