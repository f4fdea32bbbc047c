"""Camera noise is the same for a seed, keeps size and geometry, and stays in range."""

from __future__ import annotations

import numpy as np
import pytest

from deca.training.synthetic.camera_noise import through_camera


def cross(size: int = 96) -> np.ndarray:
    """A white cross at a known place on grey."""
    picture = np.full((size, size, 3), 0.3, np.float32)
    picture[size // 4 - 4 : size // 4 + 4, size // 2 - 4 : size // 2 + 4] = 0.9
    return picture


@pytest.mark.parametrize("shape", [(96, 96, 3), (50, 71, 3)])
def test_bytes_stay_bytes_and_numbers_numbers(shape):
    picture = np.random.default_rng(0).random(shape, dtype=np.float32)
    for seed in range(40):
        given = picture.copy()
        values = through_camera(given, np.random.default_rng(seed))
        assert values.dtype == np.float32
        assert values.shape == shape
        assert 0 <= values.min() <= values.max() <= 1
        np.testing.assert_array_equal(given, picture, err_msg="the given picture is left alone")
        stored = through_camera((picture * 255).astype(np.uint8), np.random.default_rng(seed))
        assert stored.dtype == np.uint8
        assert stored.shape == shape


def test_a_seed_gives_one_picture():
    first, again, other = (through_camera(cross(), np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nothing_moves():
    """The white square's centre stays within half a pixel, whatever is done to it."""
    shifts = []
    for seed in range(60):
        grey = through_camera(cross(), np.random.default_rng(seed)).mean(-1)
        patch = grey[24 - 14 : 24 + 14, 48 - 14 : 48 + 14]
        weight = (patch - np.median(patch)).clip(0.1) - 0.1
        rows, columns = np.mgrid[-13.5:14, -13.5:14]
        shifts.append([(weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()])
    shifts = np.abs(shifts)
    assert np.median(shifts) < 0.1
    assert np.quantile(shifts, 0.95) < 0.5


def test_pictures_stay_pictures():
    """Most look like what they were; some are blurred, noisy, grey."""
    picture = np.zeros((64, 64, 3), np.float32)
    picture[...] = np.linspace(0.1, 0.9, 64)[None, :, None] * [1.0, 0.8, 0.7]
    results = [through_camera(picture, np.random.default_rng(seed)) for seed in range(200)]
    likeness = [np.corrcoef(result.ravel(), picture.ravel())[0, 1] for result in results]
    assert np.median(likeness) > 0.95
    assert min(likeness) > 0.6
    grey = [np.ptp(result.mean((0, 1))) < 0.02 for result in results]
    assert 0.03 < np.mean(grey) < 0.25
    brightness = np.array([result.mean() for result in results]) / picture.mean()
    assert 0.4 < brightness.min() < brightness.max() < 2.0
