"""Errors of 2D landmarks as the benchmarks of face alignment report them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BOX_THRESHOLD, OUTER_EYE_THRESHOLD = 0.07, 0.08
"""The errors from which on a face counts as failed, of `box_error` and of `outer_eye_error`."""
YAW_BINS = ((0, 30), (30, 60), (60, 90))
"""Absolute yaws, degrees; the upper end belongs to the next bin, and to the last one."""
_OUTER_RIGHT, _OUTER_LEFT = 36, 45


@dataclass(frozen=True)
class LandmarkSummary:
    """The errors of a set of images, shares of a face's size; not a number where there is none to count.

    `mean` is over the images with a prediction; `missing` of the `count` images have none. `area` is the one
    below the cumulative curve of errors up to the threshold, divided by the threshold: 1 if all errors are 0,
    0 if all exceed it. `failures` is the share of images above the threshold. In both a missing prediction
    counts as an error without end.
    """

    count: int
    missing: int
    mean: float
    area: float
    failures: float


@dataclass(frozen=True)
class YawSummary:
    """The errors by absolute yaw, one summary for each of YAW_BINS.

    `balanced` is the mean of the bins' means, not a number if a bin has none. `beyond` images have more than
    90 degrees and are in no bin.
    """

    bins: tuple[LandmarkSummary, ...]
    balanced: float
    beyond: int


def box_error(predicted: Float[np.ndarray, "point 2"], truth: Float[np.ndarray, "point 2"]) -> float:
    """The mean distance of landmarks by the size of the face, sqrt(width * height) of the true ones' box.

    That of AFLW2000-3D (Zhu et al. 2016). Both in pixels of one image; ValueError where the box has no area.
    """
    width, height = np.ptp(truth.astype(np.float64), axis=0)
    if not (width > 0 and height > 0):
        raise ValueError(f"true landmarks: their box is {width:g} x {height:g} pixels; it must have an area")
    return _mean_distance(predicted, truth) / float(np.sqrt(width * height))


def outer_eye_error(predicted: Float[np.ndarray, "68 2"], truth: Float[np.ndarray, "68 2"]) -> float:
    """The mean distance of iBUG's 68 landmarks by the distance of the true outer eye corners.

    That of 300-W (Sagonas et al. 2016). Both in pixels of one image; ValueError where the corners coincide.
    """
    between = float(np.linalg.norm(truth[_OUTER_RIGHT].astype(np.float64) - truth[_OUTER_LEFT]))
    if not between > 0:
        raise ValueError(f"true landmarks: the outer eye corners are {between:g} pixels apart, expected more")
    return _mean_distance(predicted, truth) / between


def summarise(errors: Float[np.ndarray, " image"], threshold: float) -> LandmarkSummary:
    """The errors of a set, inf for an image without a prediction.

    `threshold` is BOX_THRESHOLD or OUTER_EYE_THRESHOLD unless something else is to be told. An error that is
    negative or not a number is a ValueError, and so is a threshold that is not positive.
    """
    if not 0 < threshold < np.inf:
        raise ValueError(f"threshold: {threshold}, expected a positive number such as {OUTER_EYE_THRESHOLD}")
    wrong = np.flatnonzero(~(errors >= 0))
    if len(wrong):
        raise ValueError(
            f"errors: number {wrong[0] + 1} is {errors[wrong[0]]}; give 0 or more, inf where one is missing"
        )
    errors = errors.astype(np.float64)
    found = errors[np.isfinite(errors)]
    return LandmarkSummary(
        count=len(errors),
        missing=len(errors) - len(found),
        mean=_mean(found),
        # The curve is a sum of steps, one at each error: from there to the threshold each adds a rectangle.
        area=_mean(np.maximum(1 - errors / threshold, 0)),
        failures=_mean((errors > threshold).astype(np.float64)),
    )


def summarise_by_yaw(
    errors: Float[np.ndarray, " image"], yaws: Float[np.ndarray, " image"], threshold: float
) -> YawSummary:
    """The errors by absolute yaw (degrees, of either sign), as papers report AFLW2000-3D.

    Errors and threshold as in `summarise`; a yaw that is not finite is a ValueError.
    """
    wrong = np.flatnonzero(~np.isfinite(yaws))
    if len(wrong):
        raise ValueError(f"yaws: number {wrong[0] + 1} is {yaws[wrong[0]]}; give degrees for every image")
    turned = np.abs(yaws)
    *edges, last = (most for _, most in YAW_BINS)
    number = np.digitize(turned, edges)
    beyond = turned > last
    bins = tuple(summarise(errors[(number == each) & ~beyond], threshold) for each in range(len(YAW_BINS)))
    return YawSummary(bins, float(np.mean([each.mean for each in bins])), int(beyond.sum()))


def _mean_distance(predicted: Float[np.ndarray, "point 2"], truth: Float[np.ndarray, "point 2"]) -> float:
    return float(np.linalg.norm(predicted.astype(np.float64) - truth, axis=1).mean())


def _mean(values: Float[np.ndarray, " value"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
