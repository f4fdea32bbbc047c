"""Crops: exact maps, the reference's arithmetic, and no aliasing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.io.images import read_photo
from deca.photo.crop import Crop, crop_image, landmark_crop, square_crop
from deca.photo.sampling import (
    sample,
    sample_smoothly,
    scaling,
    similarity_scale,
    transform_points,
    translation,
)

PARITY = Path(__file__).parents[1].parent / "shared" / "parity" / "dev"
SIZES = st.integers(1, 64)
PLACES = st.floats(-500, 500)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(x=PLACES, y=PLACES, side=st.floats(1, 1000), size=SIZES)
def test_the_square_is_the_whole_crop(x, y, side, size):
    crop = square_crop(np.array([x, y]), side, size)
    corners = np.array([[x - side / 2, y - side / 2], [x + side / 2, y + side / 2]])
    np.testing.assert_allclose(
        transform_points(crop.T_crop_photo, corners), [[0, 0], [size, size]], atol=1e-6
    )
    np.testing.assert_allclose(transform_points(crop.T_image_photo, corners), [[-1, -1], [1, 1]], atol=1e-8)
    np.testing.assert_allclose(crop.T_photo_crop @ crop.T_crop_photo, np.eye(3), atol=1e-9)
    assert similarity_scale(crop.T_photo_crop) == pytest.approx(side / size)


@given(size=SIZES, other=SIZES)
def test_resizing_keeps_the_square(size, other):
    crop = square_crop(np.array([100.0, 50.0]), 80.0, size)
    np.testing.assert_allclose(crop.resized(other).T_image_photo, crop.T_image_photo, atol=1e-12)


def test_landmark_crop_is_the_box_times_1_1_times_1_25():
    points = np.random.default_rng(0).uniform(0, 1, (68, 3))
    points[0, :2], points[1, :2] = (10, 20), (110, 180)
    points[2:, :2] = points[2:, :2] * [100, 160] + [10, 20]
    crop = landmark_crop(points, 224)
    side = (100 + 160) / 2 * 1.1 * 1.25
    np.testing.assert_allclose(transform_points(crop.T_photo_crop, np.array([[112.0, 112.0]])), [[60, 100]])
    assert similarity_scale(crop.T_photo_crop) * 224 == pytest.approx(side)


def test_points_keep_their_depth_in_proportion():
    moved = transform_points(translation(5.0, 6.0) @ scaling(3.0), np.array([[1.0, 2.0, 4.0]]))
    np.testing.assert_allclose(moved, [[8, 12, 12]])


def test_sampling_agrees_with_the_reference():
    stage = PARITY / "stages" / "01_crop.json"
    if not stage.is_file():
        pytest.skip("the parity set is not beside the project")
    figures = np.load(stage.with_suffix(".npz"), allow_pickle=False)
    compared = 0
    for entry in json.loads(stage.read_text()):
        key, size = entry["key"], entry["crop_size"]
        if entry.get("size") is None or key not in figures:
            continue
        # The published square has whole pixels, its corners go to 0 and size - 1, centres are at integers.
        left, top = np.array(entry["center"]) - entry["size"] / 2
        T_crop_photo = scaling((size - 1) / entry["size"]) @ translation(-left, -top)
        published = figures[f"tform{key[-1]}" if key.startswith("crop") else f"{key}_tform"]
        np.testing.assert_allclose(T_crop_photo, published, atol=2e-5)
        T_photo_crop = translation(0.5, 0.5) @ np.linalg.inv(T_crop_photo) @ translation(-0.5, -0.5)
        picture = sample(read_photo(PARITY / "photos" / entry["photo"]), T_photo_crop, size, size)
        np.testing.assert_allclose(picture.transpose(2, 0, 1), figures[key], atol=5e-5)
        compared += 1
    assert compared == 5


@given(left=st.integers(-20, 60), top=st.integers(-20, 60))
def test_at_scale_one_the_crop_is_the_photo(left, top):
    photo = noise(48, 40)
    padded = np.pad(photo, ((100, 100), (100, 100), (0, 0)))
    expected = padded[100 + top : 116 + top, 100 + left : 116 + left] / 255
    crop = Crop(16, translation(float(left), float(top)))
    np.testing.assert_allclose(crop_image(photo, crop)[0].permute(1, 2, 0), expected, atol=1e-6)


@pytest.mark.parametrize("scale", [1.9, 2.5, 7.7, 18.0])
def test_stripes_too_fine_for_the_crop_become_grey(scale):
    # Waves little longer than a crop pixel: plain sampling shows them as false, wide stripes.
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(900) / (1.1 * scale))
    photo = np.repeat(np.round(255 * np.tile(wave, (900, 1)))[..., None], 3, 2).astype(np.uint8)
    size = int(700 / scale)
    T = translation(100.0, 100.0) @ scaling(scale)
    assert sample_smoothly(photo, T, size, size).std() < 0.4 * sample(photo, T, size, size).std()


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.4, 12.3])
def test_a_ramp_keeps_its_place_at_every_scale(scale):
    # Linear pictures go through every step unchanged, so any half-pixel slip shows.
    ramp = np.add.outer(np.arange(600) * 0.1, np.arange(600) * 0.3)
    photo = np.repeat(np.round(ramp)[..., None], 3, 2).astype(np.uint8)
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    T = translation(300.0, 300.0) @ scaling(scale) @ turn @ translation(-10.0, -10.0)
    found = sample_smoothly(photo, T, 20, 20)[..., 0] * 255
    rows, columns = np.mgrid[:20, :20] + 0.5
    x, y = transform_points(T, np.stack([columns, rows], -1)).transpose(2, 0, 1) - 0.5
    assert abs((found - (0.3 * x + 0.1 * y)).mean()) < 0.05
    np.testing.assert_allclose(found, 0.3 * x + 0.1 * y, atol=0.6)


def test_a_crop_beside_the_photo_is_black():
    assert crop_image(noise(10, 10), square_crop(np.array([400.0, -300.0]), 50.0, 8)).abs().max() == 0
