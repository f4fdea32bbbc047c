"""Registration moves what is read from the photo onto the photo's landmarks, smoothly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from portrait import data, model, take_portrait

from deca.fitting.registration import register


def test_landmarks_in_place_move_nothing() -> None:
    portrait = take_portrait()
    moved = register(portrait.vertices_photo, model(), portrait.landmarks_photo)
    assert (moved - portrait.vertices_photo).abs().max() < 0.05


def test_a_shift_of_all_landmarks_shifts_the_face() -> None:
    portrait = take_portrait()
    shift = torch.tensor([5.0, -3.0])
    moved = (
        register(portrait.vertices_photo, model(), portrait.landmarks_photo + shift) - portrait.vertices_photo
    )
    face = torch.from_numpy(np.unique(data().triangles[data().region("nose") | data().region("lips")]))
    torch.testing.assert_close(moved[face, :2].median(0).values, shift, atol=0.2, rtol=0)
    assert moved[:, 2].abs().max() == 0


def test_lips_part_without_tearing_the_chin() -> None:
    portrait = take_portrait()
    landmarks = portrait.landmarks_photo.clone()
    # The lower lip's inner and outer middle, six pixels down.
    landmarks[[14, 17, 87, 317, 84, 314], 1] += 6
    moved = register(portrait.vertices_photo, model(), landmarks) - portrait.vertices_photo
    at = torch.from_numpy(data().triangles[data().dense_landmark_triangles])
    assert moved[at[17], 1].mean() > 3
    assert moved[at[152], 1].abs().max() < 2


def test_a_wrong_number_of_landmarks_is_named() -> None:
    portrait = take_portrait()
    with pytest.raises(ValueError, match="68 landmarks for a head with 468"):
        register(portrait.vertices_photo, model(), portrait.landmarks_photo[:68])
