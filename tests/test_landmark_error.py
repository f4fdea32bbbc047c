"""The figures of face alignment: against sums done by hand, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.evaluation.landmark_error import (
    BOX_THRESHOLD,
    OUTER_EYE_THRESHOLD,
    LandmarkSummary,
    box_error,
    outer_eye_error,
    summarise,
    summarise_by_yaw,
)

SEEDS = st.integers(0, 2**32 - 1)
ERRORS = st.lists(st.one_of(st.floats(0, 0.3), st.just(np.inf)), min_size=1, max_size=40).map(np.array)


def faces(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0, 200, (68, 2))
    return truth + generator.normal(0, 5, (68, 2)), truth


def test_the_box_is_that_of_the_true_landmarks() -> None:
    truth = np.array([[10.0, 20.0], [90.0, 20.0], [10.0, 65.0], [50.0, 30.0]])
    predicted = truth + np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -7.0], [0.0, 0.0]])
    # 80 x 45 pixels, whose root is 60; 5 + 7 over four landmarks are 3.
    assert box_error(predicted, truth) == pytest.approx(3 / 60, rel=1e-12)


def test_the_eyes_are_the_outer_corners_of_the_true_landmarks() -> None:
    truth = np.zeros((68, 2))
    truth[36], truth[45] = (10, 10), (40, 50)
    predicted = truth + np.array([0, 6])
    predicted[0, 1] += 68
    assert outer_eye_error(predicted, truth) == pytest.approx(7 / 50, rel=1e-12)


@pytest.mark.parametrize("error", [box_error, outer_eye_error])
@given(seed=SEEDS, scale=st.floats(0.01, 100), shift=st.floats(-1e4, 1e4))
def test_an_image_scaled_or_moved_has_the_same_error(error, seed: int, scale: float, shift: float) -> None:
    predicted, truth = faces(seed)
    move = np.array([shift, -shift / 2])
    assert error(scale * predicted + move, scale * truth + move) == pytest.approx(
        error(predicted, truth), rel=1e-6
    )


@pytest.mark.parametrize("error", [box_error, outer_eye_error])
@given(seed=SEEDS, factor=st.floats(0, 5))
def test_errors_grow_with_the_distance(error, seed: int, factor: float) -> None:
    predicted, truth = faces(seed)
    assert error(truth, truth) == 0
    assert error(truth + factor * (predicted - truth), truth) == pytest.approx(
        factor * error(predicted, truth), abs=1e-9
    )


def test_single_precision_is_enough_of_an_input() -> None:
    predicted, truth = (points.astype(np.float32) for points in faces(1))
    expected = box_error(predicted.astype(np.float64), truth.astype(np.float64))
    assert box_error(predicted, truth) == pytest.approx(expected, rel=1e-12)


def test_a_face_without_size_is_an_error() -> None:
    points = np.full((68, 2), 3.0)
    points[:, 0] = np.arange(68)
    with pytest.raises(ValueError, match="box is 67 x 0 pixels"):
        box_error(points, points)
    points[45] = points[36]
    with pytest.raises(ValueError, match="outer eye corners are 0 pixels apart"):
        outer_eye_error(points, points)


def test_a_missing_prediction_counts_as_failed_and_not_in_the_mean() -> None:
    errors = np.array([0.02, 0.04, np.inf, 0.08, 0.10])
    summary = summarise(errors, OUTER_EYE_THRESHOLD)
    assert (summary.count, summary.missing) == (5, 1)
    assert summary.mean == pytest.approx(0.06, rel=1e-12)
    # One on the threshold has not failed. 3/4 + 1/2 of a full curve, over five images.
    assert summary.failures == pytest.approx(2 / 5, rel=1e-12)
    assert summary.area == pytest.approx(1.25 / 5, rel=1e-12)
    assert summarise(errors, 0.05).failures == pytest.approx(3 / 5, rel=1e-12)


def test_all_right_is_one_and_all_above_is_none() -> None:
    right = summarise(np.zeros(7), BOX_THRESHOLD)
    assert right == LandmarkSummary(7, 0, 0.0, 1.0, 0.0)
    above = summarise(np.full(7, 0.0701), BOX_THRESHOLD)
    assert (above.area, above.failures) == (0, 1)
    lost = summarise(np.full(7, np.inf), BOX_THRESHOLD)
    assert (lost.missing, lost.area, lost.failures) == (7, 0, 1)
    assert np.isnan(lost.mean)
    nothing = summarise(np.zeros(0), BOX_THRESHOLD)
    assert (nothing.count, nothing.missing) == (0, 0)
    assert np.isnan([nothing.mean, nothing.area, nothing.failures]).all()


@given(errors=ERRORS, threshold=st.floats(0.01, 0.2))
def test_the_area_is_the_integral_of_the_curve(errors: np.ndarray, threshold: float) -> None:
    steps = 20_000
    middles = (np.arange(steps) + 0.5) / steps * threshold
    curve = np.searchsorted(np.sort(errors), middles, side="right") / len(errors)
    assert summarise(errors, threshold).area == pytest.approx(curve.mean(), abs=1 / steps)


@given(errors=ERRORS, seed=SEEDS)
def test_the_order_of_images_makes_no_difference(errors: np.ndarray, seed: int) -> None:
    shuffled = summarise(np.random.default_rng(seed).permutation(errors), BOX_THRESHOLD)
    summary = summarise(errors, BOX_THRESHOLD)
    assert shuffled.area == pytest.approx(summary.area, abs=1e-12)
    assert shuffled.mean == pytest.approx(summary.mean, abs=1e-12, nan_ok=True)
    assert (shuffled.missing, shuffled.failures) == (summary.missing, pytest.approx(summary.failures))


@pytest.mark.parametrize("wrong", [np.nan, -0.01])
def test_an_error_that_is_none_is_named(wrong: float) -> None:
    with pytest.raises(ValueError, match="number 2 is"):
        summarise(np.array([0.1, wrong]), BOX_THRESHOLD)


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.inf, np.nan])
def test_a_threshold_must_be_positive(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        summarise(np.zeros(1), threshold)


def test_bins_of_yaw_hold_their_lower_end_and_the_last_one_both() -> None:
    yaws = np.array([0.0, -29.99, 30.0, -59.99, -60.0, 90.0, -90.0, 90.01])
    errors = np.array([0.01, 0.03, 0.02, 0.06, 0.03, 0.06, np.inf, 0.5])
    summary = summarise_by_yaw(errors, yaws, BOX_THRESHOLD)
    assert [each.count for each in summary.bins] == [2, 2, 3]
    assert [each.missing for each in summary.bins] == [0, 0, 1]
    assert [each.mean for each in summary.bins] == pytest.approx([0.02, 0.04, 0.045], rel=1e-12)
    assert summary.bins[2].failures == pytest.approx(1 / 3, rel=1e-12)
    assert summary.balanced == pytest.approx(0.035, rel=1e-12)
    assert summary.beyond == 1


@given(yaws=st.lists(st.floats(-120, 120), min_size=1, max_size=30).map(np.array))
def test_every_image_is_in_one_bin_or_beyond(yaws: np.ndarray) -> None:
    summary = summarise_by_yaw(np.full(len(yaws), 0.05), yaws, BOX_THRESHOLD)
    assert sum(each.count for each in summary.bins) + summary.beyond == len(yaws)
    mirrored = summarise_by_yaw(np.full(len(yaws), 0.05), -yaws, BOX_THRESHOLD)
    assert [each.count for each in mirrored.bins] == [each.count for each in summary.bins]


def test_a_bin_without_images_leaves_nothing_balanced() -> None:
    summary = summarise_by_yaw(np.full(2, 0.05), np.array([1.0, 70.0]), BOX_THRESHOLD)
    assert [each.count for each in summary.bins] == [1, 0, 1]
    assert np.isnan(summary.balanced)


def test_a_yaw_that_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match="yaws: number 1"):
        summarise_by_yaw(np.zeros(2), np.array([np.nan, 0.0]), BOX_THRESHOLD)
