"""Where a crop shows bare skin of its face: what is coloured as this face's skin is in this light."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from deca.photo.face_area import FaceArea, disc

WORK_SIZE = 100.0
"""Pixels of a face (root of its points' box) at which its skin is told from other things."""
# On cheeks and nose, which are bare most often; of the 468.
_BARE = (4, 5, 6, 36, 50, 101, 117, 123, 187, 195, 197, 205, 266, 280, 330, 346, 352, 411, 425)
# Colours are compared as logarithms of value + this, so that noise in the dark does not count.
_DARK = 0.05
_SMOOTHING = 0.008  # of the face's size, as are all lengths here
_FACING = (0.05, 0.25)  # of the normal towards the viewer: what is seen more obliquely counts less
# The model of the skin: lightness (mean logarithm) and two tints (red to green, green to blue).
_STEP = 3  # of the pixels that are fitted
_ITERATIONS = 7
_FIRST_DEVIATIONS = np.array([0.25, 0.12, 0.12], np.float32)
_LAST_DEVIATIONS = np.array([0.09, 0.05, 0.05], np.float32)
# Light that changes quickly over the face is believed less: constant, three linear, five quadratic terms.
_RIDGE = np.diag(np.array([1e-3, *3 * [2.0], *5 * [4.0]], np.float32))
_LEAST_PIXELS = 30
# What skin is not: much darker, much brighter, of another tint (in deviations), or dark and full of streaks.
_TOO_DARK, _TOO_BRIGHT = (0.38, 0.6), (0.5, 0.85)
_TINT_DEVIATION, _TOO_TINTED = (0.025, 0.05), (3.5, 5.5)
_RED_IS_HARMLESS = 0.6
_STREAKS, _STREAKS_DARK = (0.05, 0.08), (0.12, 0.3)
_LIPS_TOO_DARK = (0.6, 0.9)
_THIRDS = np.full(3, 1 / 3, np.float32)

Map = Float[np.ndarray, "height width"]
Colours = Float[np.ndarray, "height width 3"]


def skin_mask(image: UInt8[np.ndarray, "size size 3"], area: FaceArea) -> UInt8[np.ndarray, "size size"]:
    """How surely each pixel of a crop shows bare skin, 255 for surely; nothing outside `area`.

    The face's own colour under smooth light is fitted robustly to the pixels that may be skin; hair, a
    beard, spectacles and whatever else covers the face departs from it. Shade on skin and soft highlights
    stay, as do moles and fine wrinkles.
    """
    kept = area.skin * bareness(area.of(image), area)
    kept = cv2.GaussianBlur(kept.astype(np.float32), (0, 0), max(0.5, 0.005 * area.size))
    # Where eyes, mouth and the photo end is known better than a blurred mask says.
    mask = np.rint(255 * area.in_crop(kept * area.skin, len(image))).astype(np.uint8)
    return np.where(_inside(image), mask, np.uint8(0))


def occlusion(mask: UInt8[np.ndarray, "size size"], area: FaceArea) -> float:
    """The share of the face's skin, as its points say where it is, that something covers, in [0, 1]."""
    weights = area.skin * facing(area)
    total = float(weights.sum())
    return 1 - float((weights * area.of(mask)).sum()) / 255 / total if total > 0 else 1.0


def facing(area: FaceArea) -> Map:
    """How well each pixel of the face is seen, in [0, 1]."""
    return step(np.abs(area.normals[..., 2]), *_FACING)


def bareness(picture: UInt8[np.ndarray, "height width 3"], area: FaceArea) -> Map:
    """How surely each pixel of a picture of an area shows the colour of skin, in [0, 1]."""
    logarithm = np.log(picture.astype(np.float32) / 255 + _DARK)
    smooth = cv2.GaussianBlur(logarithm, (0, 0), max(0.5, _SMOOTHING * area.size))
    inside = _inside(picture)
    predicted = _skin_colour(smooth, area, inside)
    if predicted is None:
        return np.zeros(picture.shape[:2], np.float32)
    lightness, tints = _lightness(smooth), _tints(smooth)
    departure = lightness - _lightness(predicted)
    tint = _tints_as_bright(predicted, smooth)
    deviation = _deviation(np.abs(tints - tint)[area.skin & inside])
    tint = (tints - tint) / deviation
    tint[..., 0] = np.where(tint[..., 0] > 0, _RED_IS_HARMLESS * tint[..., 0], tint[..., 0])
    fine = _lightness(logarithm)
    fine = fine - cv2.GaussianBlur(fine, (0, 0), 0.012 * area.size)
    streaks = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 0.02 * area.size))
    other = np.maximum.reduce(
        [
            step(-departure, *_TOO_DARK),
            step(departure, *_TOO_BRIGHT),
            step(np.hypot(tint[..., 0], tint[..., 1]), *_TOO_TINTED),
            step(streaks, *_STREAKS) * step(-departure, *_STREAKS_DARK),
        ]
    )
    other = np.where(area.lips, step(-departure, *_LIPS_TOO_DARK), other)
    bare = np.where(inside, 1 - other, 0).astype(np.float32)
    # A mole or a furrow goes with the skin around it, skin between hairs with the hair.
    bare = cv2.morphologyEx(bare, cv2.MORPH_CLOSE, disc(0.01 * area.size))
    bare = cv2.morphologyEx(bare, cv2.MORPH_OPEN, disc(0.02 * area.size))
    return bare * facing(area)


def step(values: Map, low: float, high: float) -> Map:
    """A smooth step from 0 at `low` to 1 at `high`."""
    t = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _inside(picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    """Where a crop is inside the photo: outside it is black, and no photo of skin is."""
    return (picture[..., 0] | picture[..., 1] | picture[..., 2]) > 0


def _skin_colour(smooth: Colours, area: FaceArea, inside: Bool[np.ndarray, "height width"]) -> Colours | None:
    """The logarithm of the colour that bare skin has at each pixel; None where there is too little of it.

    Lightness and tints are fitted as functions of the normal, up to the second spherical harmonics, by Cauchy
    weights that begin with what is coloured as cheeks and nose are.
    """
    usable = area.skin & inside & ~area.lips & (np.abs(area.normals[..., 2]) > _FACING[1])
    usable[np.arange(len(usable)) % _STEP != 0] = False
    usable[:, np.arange(usable.shape[1]) % _STEP != 0] = False
    if usable.sum() < _LEAST_PIXELS:
        return None
    values = np.concatenate([_lightness(smooth)[..., None], _tints(smooth)], 2)
    height, width = usable.shape
    columns, rows = np.floor(area.points[list(_BARE)]).astype(int).T
    seen = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    seen[seen] = inside[rows[seen], columns[seen]]
    first = values[rows[seen], columns[seen]] if seen.any() else values[usable]
    middle = np.median(first, 0)
    terms, wanted = _harmonics(area.normals), values[usable] - middle
    fitted_terms = terms[usable]
    fitted = np.zeros_like(wanted)
    coefficients = np.zeros((terms.shape[-1], 3), np.float32)
    deviations = _FIRST_DEVIATIONS
    for _ in range(_ITERATIONS):
        squared = (((wanted - fitted) / deviations) ** 2).sum(1)
        weighted = fitted_terms / (1 + squared[:, None]) ** 2
        coefficients = np.linalg.solve(weighted.T @ fitted_terms + _RIDGE, weighted.T @ wanted)
        fitted = fitted_terms @ coefficients
        deviations = np.maximum(0.85 * deviations, _LAST_DEVIATIONS)
    light, red, blue = np.moveaxis(terms @ coefficients + middle, -1, 0)
    green = light - (red - blue) / 3
    return np.stack([green + red, green, green - blue], -1)


def _tints_as_bright(predicted: Colours, smooth: Colours) -> Float[np.ndarray, "height width 2"]:
    """The tints of skin that is as bright as the pixel: in shade, or under a highlight of white."""
    skin, seen = np.exp(predicted) - _DARK, np.exp(smooth) - _DARK
    mean_skin, mean_seen = np.maximum(skin @ _THIRDS, 1e-3)[..., None], (seen @ _THIRDS)[..., None]
    lit = skin * np.minimum(1, mean_seen / mean_skin) + np.maximum(0, mean_seen - mean_skin)
    return _tints(np.log(np.maximum(lit, 0) + _DARK))


def _lightness(logarithm: Colours) -> Map:
    # Several times as fast as the mean over a short axis.
    return logarithm @ _THIRDS


def _tints(logarithm: Colours) -> Float[np.ndarray, "height width 2"]:
    return logarithm[..., :2] - logarithm[..., 1:]


def _deviation(absolute: Float[np.ndarray, "pixel 2"]) -> Float[np.ndarray, "2"]:
    """Standard deviations from absolute departures, by their median, within limits."""
    if not len(absolute):
        return np.full(2, _TINT_DEVIATION[1], np.float32)
    return np.clip(1.4826 * np.median(absolute, 0), *_TINT_DEVIATION)


def _harmonics(normals: Colours) -> Float[np.ndarray, "height width 9"]:
    x, y, z = np.moveaxis(normals, -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)
