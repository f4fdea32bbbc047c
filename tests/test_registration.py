"""Registration moves what is read from the photo onto the photo's landmarks, smoothly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from portrait import data, take_portrait

from deca.fitting.registration import Registration


@cache
def registration() -> Registration:
    return Registration(data())


def register(vertices_photo: torch.Tensor, landmarks_photo: torch.Tensor) -> torch.Tensor:
    return registration()(vertices_photo, landmarks_photo)


def test_landmarks_in_place_move_nothing() -> None:
    portrait = take_portrait()
    moved = register(portrait.vertices_photo, portrait.landmarks_photo)
    assert (moved - portrait.vertices_photo).abs().max() < 0.05


def test_a_shift_of_all_landmarks_shifts_the_face() -> None:
    portrait = take_portrait()
    shift = torch.tensor([5.0, -3.0])
    moved = register(portrait.vertices_photo, portrait.landmarks_photo + shift) - portrait.vertices_photo
    face = torch.from_numpy(np.unique(data().triangles[data().region("nose") | data().region("lips")]))
    torch.testing.assert_close(moved[face, :2].median(0).values, shift, atol=0.2, rtol=0)
    assert moved[:, 2].abs().max() == 0


def test_lips_part_without_tearing_the_chin() -> None:
    portrait = take_portrait()
    landmarks = portrait.landmarks_photo.clone()
    # The lower lip's inner and outer middle, six pixels down.
    landmarks[[14, 17, 87, 317, 84, 314], 1] += 6
    moved = register(portrait.vertices_photo, landmarks) - portrait.vertices_photo
    at = torch.from_numpy(data().triangles[data().dense_landmark_triangles])
    assert moved[at[17], 1].mean() > 3
    assert moved[at[152], 1].abs().max() < 2


def test_a_wrong_number_of_landmarks_is_named() -> None:
    portrait = take_portrait()
    with pytest.raises(ValueError, match="68 landmarks for a head with 468"):
        register(portrait.vertices_photo, portrait.landmarks_photo[:68])


def test_the_frame_and_the_rest_of_the_batch_make_no_difference() -> None:
    portrait = take_portrait()
    landmarks = portrait.landmarks_photo + 4 * torch.randn(468, 2, generator=torch.Generator().manual_seed(0))
    alone = register(portrait.vertices_photo, landmarks)
    both = registration()(
        torch.stack([portrait.vertices_photo / 100, portrait.vertices_photo / 50]),
        torch.stack([landmarks / 100, landmarks / 50 + 1]),
    )
    torch.testing.assert_close(both[0] * 100, alone, atol=2e-2, rtol=0)


def test_landmarks_that_are_not_sure_move_nothing() -> None:
    portrait = take_portrait()
    unsure = torch.nn.functional.pad(portrait.landmarks_photo + 9, (0, 1))
    assert register(portrait.vertices_photo, unsure).equal(portrait.vertices_photo)
    sure = torch.nn.functional.pad(portrait.landmarks_photo + 9, (0, 1), value=1.0)
    expected = register(portrait.vertices_photo, portrait.landmarks_photo + 9)
    torch.testing.assert_close(register(portrait.vertices_photo, sure), expected)
