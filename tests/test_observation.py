"""What a photo shows in UV: right places, hidden parts hidden, and no aliasing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from portrait import BACKGROUND, PIXELS, layout, model, side_light, take_portrait

from deca.fitting.observation import observe, vertices_in_photo
from deca.head.uv import sample_map
from deca.photo.crop import square_crop

SIZE = 256


@pytest.fixture(scope="module")
def turned():
    return take_portrait(pose=torch.tensor([[0.0, 0.6, 0.0]]), lighting=side_light())


def test_vertices_land_where_camera_and_crop_put_them() -> None:
    crop = square_crop(np.array([100.0, 60.0]), 80.0, 224)
    camera = torch.tensor([[5.0, 0.01, -0.02]])
    points = torch.tensor([[[-0.01, 0.02, 0.05], [0.19, 0.02, -0.1]]])
    found = vertices_in_photo(points, camera, crop)
    # The first lies in the crop's middle; the second 0.2 m right of it, 5 times half the side each metre.
    expected = torch.tensor([[100.0, 60.0, -0.05], [140.0, 60.0, 0.1]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_visible_texels_are_those_that_the_picture_shows(turned) -> None:
    observation = turned.observe(SIZE)
    sure = observation.visible & (observation.facing > 0.3)
    points = observation.points_photo.permute(0, 2, 3, 1)[sure[:, 0]]
    seen = sample_map(turned.uv, torch.stack([points[:, 0], PIXELS - points[:, 1]], -1)[None] / PIXELS)[0]
    rows, columns = sure[0, 0].nonzero().unbind(1)
    own = torch.stack([(columns + 0.5) / SIZE, 1 - (rows + 0.5) / SIZE], -1)
    assert len(own) > 5000
    assert ((seen - own).norm(dim=1) * SIZE).quantile(0.97) < 1.5


def test_texels_that_face_the_camera_and_are_not_visible_lie_behind_something(turned) -> None:
    observation = turned.observe(SIZE)
    hidden = ~observation.visible & (observation.facing > 0.5) & layout(SIZE).mask
    points = observation.points_photo.permute(0, 2, 3, 1)[hidden[:, 0]]
    seen = sample_map(turned.uv, torch.stack([points[:, 0], PIXELS - points[:, 1]], -1)[None] / PIXELS)[0]
    rows, columns = hidden[0, 0].nonzero().unbind(1)
    own = torch.stack([(columns + 0.5) / SIZE, 1 - (rows + 0.5) / SIZE], -1)
    assert len(own) > 50
    assert ((seen - own).norm(dim=1) * SIZE).median() > 3


def test_colours_are_the_photos_own_at_the_points(turned) -> None:
    observation = turned.observe(SIZE)
    sure = observation.visible[0, 0] & (observation.facing[0, 0] > 0.4)
    points = observation.points_photo[0][:, sure].T.long()
    direct = torch.from_numpy(turned.photo)[points[:, 1], points[:, 0]] / 255
    assert (observation.colour[0][:, sure].T - direct).abs().median() < 0.01


def test_nothing_outside_the_photo_is_visible() -> None:
    whole = take_portrait()
    half = observe(
        whole.photo[:, : PIXELS // 2].copy(), whole.vertices, whole.vertices_photo, model(), layout(SIZE)
    )
    x = half.points_photo[:, :1]
    assert not half.visible[x > PIXELS // 2].any()
    assert half.visible[x < PIXELS // 2 - 5].any()


def test_a_chequered_photo_is_grey_where_texels_are_large() -> None:
    portrait = take_portrait(camera=torch.tensor([[9.0, 0.0, 0.0]]))
    y, x = np.mgrid[:PIXELS, :PIXELS]
    chequered = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, 2)
    seen = observe(chequered, portrait.vertices, portrait.vertices_photo, model(), layout(64))
    large = seen.visible[0, 0] & (seen.pixels_per_texel[0, 0] > 2)
    assert large.sum() > 300
    assert (seen.colour[0][:, large] - 0.5).abs().max() < 0.02


def test_pixels_per_texel_are_the_distances_of_neighbours() -> None:
    observation = take_portrait().observe(SIZE)
    points = observation.points_photo[0]
    across = (points[:, 1:-1, 2:] - points[:, 1:-1, :-2]) / 2
    down = (points[:, 2:, 1:-1] - points[:, :-2, 1:-1]) / 2
    area = (across[0] * down[1] - across[1] * down[0]).abs()
    sure = (observation.visible & (observation.facing > 0.6))[0, 0, 1:-1, 1:-1]
    ratio = observation.pixels_per_texel[0, 0, 1:-1, 1:-1][sure] / area[sure].sqrt()
    assert ratio.median() == pytest.approx(1, abs=0.02)


def test_the_background_is_not_seen_on_the_face() -> None:
    observation = take_portrait().observe(SIZE)
    sure = (observation.visible & (observation.facing > 0.3))[0, 0]
    far = (observation.colour[0][:, sure].T - torch.tensor(BACKGROUND)).norm(dim=1)
    assert far.min() > 0.2
