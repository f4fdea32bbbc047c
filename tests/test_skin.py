"""Skin is kept, and what lies on it is left out."""

from __future__ import annotations

import numpy as np
import torch
from portrait import albedo_model, data, layout, model, side_light, take_portrait

from deca.fitting.appearance import shading_map
from deca.fitting.observation import observe
from deca.fitting.skin import blurred, eroded, seen_weights, skin_region, skin_weights, soft

SIZE = 192


def weights_of(paint) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Skin weights of a portrait painted over, the geometric ones, and the points in the photo."""
    portrait = take_portrait(lighting=side_light())
    photo = portrait.photo.copy()
    paint(photo, portrait.landmarks_photo)
    seen = observe(photo, portrait.vertices, portrait.vertices_photo, model(), layout(SIZE))
    predicted = albedo_model(SIZE)(portrait.parameters.albedo) * shading_map(seen.normals, side_light())
    geometric = skin_region(data(), layout(SIZE)) * seen_weights(seen)
    return skin_weights(seen.colour, predicted, geometric), geometric, seen.points_photo


def test_a_bare_face_is_all_skin() -> None:
    weights, geometric, _ = weights_of(lambda photo, landmarks: None)
    assert weights[geometric > 0.9].quantile(0.05) > 0.5
    assert weights[geometric == 0].max() == 0


def check_left_out(colour: tuple[int, int, int], landmark: int, half: int) -> None:
    place = {}

    def paint(photo: np.ndarray, landmarks: torch.Tensor) -> None:
        x, y = landmarks[landmark].long().tolist()
        photo[y - half : y + half, x - half : x + half] = colour
        place.update(x=x, y=y)

    weights, geometric, points = weights_of(paint)
    inside = ((points[:, :1] - place["x"]).abs() < half) & ((points[:, 1:] - place["y"]).abs() < half)
    far = ((points[:, :1] - place["x"]).abs() > 3 * half) | ((points[:, 1:] - place["y"]).abs() > 3 * half)
    assert (inside & (geometric > 0.9)).sum() > 20
    assert weights[inside & (geometric > 0.5)].quantile(0.9) < 0.1
    assert weights[far & (geometric > 0.9)].quantile(0.1) > 0.5


def test_a_dark_frame_is_left_out() -> None:
    check_left_out((20, 20, 22), 50, 14)


def test_a_green_sheet_is_left_out() -> None:
    check_left_out((60, 170, 60), 280, 16)


def test_a_highlight_is_left_out() -> None:
    check_left_out((255, 252, 248), 151, 12)


def test_lips_eyeballs_and_what_is_inside_are_no_skin() -> None:
    region = skin_region(data(), layout(SIZE))[0, 0]
    for name in ("lips", "eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "neck", "scalp"):
        assert not (region & layout(SIZE).region_mask(name)).any()
    assert (region & layout(SIZE).region_mask("nose")).any()


def test_blurring_does_not_mix_in_what_has_no_weight() -> None:
    values, weights = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    values[..., :16], weights[..., :16] = 2.0, 1.0
    values[..., 16:] = 9.0
    assert (blurred(values, 2.0, weights)[..., :16] - 2).abs().max() < 1e-5


def test_erosion_and_the_soft_step() -> None:
    values = torch.ones(1, 1, 9, 9)
    values[..., 4, 4] = 0
    assert eroded(values, 1).sum() == 81 - 9
    torch.testing.assert_close(
        soft(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), 1.0, 3.0), torch.tensor([0, 0, 0.5, 1, 1])
    )
