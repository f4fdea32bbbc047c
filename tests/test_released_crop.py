"""The released crops: their squares, their half pixels and their plain picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.photo.crop import Crop
from deca.photo.released_crop import (
    integer_centred,
    plain_crop_image,
    points_box,
    released_detection_crop,
    released_landmark_crop,
    released_landmarks,
    released_now_crop,
    released_training_crop,
    released_whole_crop,
)
from deca.photo.sampling import transform_points

# Centre (100, 120) and mean side 110, counted from the pixels' corners.
BOX = np.array([50.0, 60.0, 150.0, 180.0])


def _outer_centres(crop: Crop) -> np.ndarray:
    """Where the centres of the crop's first and last pixel lie in the photo, counted from pixel centres."""
    centres = np.array([[0.5, 0.5], [crop.size - 0.5, crop.size - 0.5]])
    return transform_points(crop.T_photo_crop, centres) - 0.5


@pytest.mark.parametrize(
    ("crop", "centre", "side"),
    [
        (released_landmark_crop(BOX), (99.5, 119.5), int(110 * 1.1 * 1.25)),
        (released_detection_crop(BOX), (99.5, 119.5 + 0.12 * 110), int(110 * 1.25)),
        (released_now_crop(BOX), (99.5, 119.5), int(110 * 1.6)),
        (released_training_crop(BOX, 1.45, np.array([0.1, -0.2])), (110.5, 97.5), int(110 * 1.45)),
    ],
)
def test_outer_pixels_lie_on_the_corners(crop: Crop, centre: tuple[float, float], side: int) -> None:
    expected = np.array(centre) + np.array([[-side / 2], [side / 2]])
    np.testing.assert_allclose(_outer_centres(crop), expected)


def test_the_side_is_cut_to_whole_pixels() -> None:
    wide = BOX + np.array([0.0, 0.0, 0.9, 0.0])
    assert int(110.45 * 1.6) == int(110 * 1.6)
    scales = [released_now_crop(box).T_photo_crop[0, 0] for box in (BOX, wide)]
    assert scales[0] == scales[1]


@given(
    st.floats(-500, 500), st.floats(-500, 500), st.floats(20, 900), st.floats(20, 900), st.integers(32, 512)
)
def test_integer_centres_are_half_a_pixel_away_on_both_sides(
    left: float, top: float, width: float, height: float, size: int
) -> None:
    crop = released_landmark_crop(np.array([left, top, left + width, top + height]), size)
    point = np.array([[12.25, 77.5]])
    exact = transform_points(crop.T_crop_photo, point)
    counted = transform_points(integer_centred(crop), point - 0.5)
    np.testing.assert_allclose(counted, exact - 0.5, atol=1e-9)


def test_a_square_photo_without_a_box_is_taken_whole() -> None:
    crop = released_whole_crop(300, 300, 224)
    np.testing.assert_allclose(_outer_centres(crop), [[0, 0], [299, 299]], atol=1e-9)


def test_a_tall_photo_without_a_box_is_taken_by_the_nearest_similarity() -> None:
    """No similarity near the result takes the three corners nearer to where they ought to go."""
    height, width, size = 600, 450, 64
    T = integer_centred(released_whole_crop(height, width, size))
    corners = np.array([[0, 0], [0, height - 1], [width - 1, 0.0]])
    wanted = np.array([[0, 0], [0, size - 1], [size - 1, 0.0]])

    def missed(T: np.ndarray) -> float:
        return float(np.square(transform_points(T, corners) - wanted).sum())

    turned, larger, moved = np.eye(3), np.diag([1.01, 1.01, 1.0]), np.eye(3)
    turned[:2, :2] = [[np.cos(0.01), -np.sin(0.01)], [np.sin(0.01), np.cos(0.01)]]
    moved[0, 2] = 0.1
    for change in (turned, np.linalg.inv(turned), larger, np.linalg.inv(larger), moved, np.linalg.inv(moved)):
        assert missed(change @ T) > missed(T)


def test_the_plain_picture_takes_pixels_as_they_are() -> None:
    """A crop as large as its square, on whole pixels, copies them; beyond the photo it is black."""
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    crop = Crop(8, np.array([[1.0, 0, 25], [0, 1, 4], [0, 0, 1]]))
    picture = plain_crop_image(photo, crop)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(picture[:, :5], photo[4:12, 25:30] / 255, atol=1e-6)
    assert not picture[:, 5:].any()


def test_landmarks_and_boxes() -> None:
    crop = released_training_crop(BOX, 1.6, np.zeros(2))
    low, high = _outer_centres(crop) + 0.5
    # The outer pixels' centres, which lie at the crop's 0 and 223, come out as -1 and just short of 1.
    np.testing.assert_allclose(released_landmarks(np.stack([low, high]), crop), [[-1, -1], [0.9910714] * 2])
    assert points_box(np.array([[3.0, 9.0], [5.0, 1.0]])).tolist() == [3, 1, 5, 9]
