"""Pixels of a photo taken through an affine map: bilinear as it is, or without aliasing when it shrinks."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 luma of red, green and blue: the one channel that JPEG keeps at full resolution."""
Photo = UInt8[np.ndarray, "_height _width 3"]
Affine = Float[np.ndarray, "3 3"]


def translation(x: float, y: float) -> Affine:
    """The map that adds (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(factor: float) -> Affine:
    """The map that multiplies x and y by `factor`."""
    return np.diag([factor, factor, 1.0])


def similarity_scale(T: Affine) -> float:
    """By how much a similarity enlarges lengths."""
    return float(np.sqrt(abs(np.linalg.det(T[:2, :2]))))


def transform_points(T: Affine, points: Float[np.ndarray, "*batch axes"]) -> Float[np.ndarray, "*batch axes"]:
    """Points (x, y) or (x, y, z) moved by a similarity of the picture plane; z is scaled with it."""
    moved = points.astype(np.float64)
    moved[..., :2] = points[..., :2] @ T[:2, :2].T + T[:2, 2]
    if points.shape[-1] == 3:
        moved[..., 2] *= similarity_scale(T)
    return moved


def sample(photo: Photo, T_photo_target: Affine, height: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """The photo at the target's pixel centres, bilinear, in [0, 1]; zero outside the photo.

    Pixel centres lie at half-integers on both sides. Nothing is smoothed, so a map that shrinks aliases.
    """
    return _sample(photo, T_photo_target, height, width) / np.float32(255)


def _sample(
    photo: Photo | Float[np.ndarray, "_h _w"], T_photo_target: Affine, height: int, width: int
) -> Float[np.ndarray, "*target"]:
    """As `sample`, of one channel too, in the photo's own range."""
    # OpenCV counts pixel centres as integers.
    T = translation(-0.5, -0.5) @ T_photo_target @ translation(0.5, 0.5)
    return cv2.warpAffine(
        photo.astype(np.float32),
        T[:2],
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )


def sample_smoothly(
    photo: Photo, T_photo_target: Affine, height: int, width: int
) -> Float[np.ndarray, "h w 3"]:
    """As `sample`, but a target pixel that covers many photo pixels is their mean, not one of them.

    Where much shrinking is to do, the photo is first shrunk by half of it (block means); the rest is the mean
    of samples on a grid so fine that none is farther than a pixel from the next.
    """
    part, T_part_target = _shrunk_part(photo, T_photo_target, height, width)
    return _mean_samples(part, T_part_target, height, width)


def sample_luma_smoothly(
    photo: Photo, T_photo_target: Affine, height: int, width: int
) -> Float[np.ndarray, "h w"]:
    """The luma of what `sample_smoothly` gives, in a third of its time."""
    part, T_part_target = _shrunk_part(photo, T_photo_target, height, width)
    # Not rounded to whole steps.
    luma = cv2.transform(part.astype(np.float32), np.array([LUMA], np.float32))
    return _mean_samples(luma, T_part_target, height, width)


def _mean_samples(
    part: UInt8[np.ndarray, "_h _w 3"] | Float[np.ndarray, "_h _w"],
    T_part_target: Affine,
    height: int,
    width: int,
) -> Float[np.ndarray, "*target"]:
    # A hair less, so that a scale of exactly one is not taken for one just above.
    fine = max(1, math.ceil(similarity_scale(T_part_target) - 1e-6))
    samples = _sample(part, T_part_target @ scaling(1 / fine), fine * height, fine * width)
    return cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)


def _shrunk_part(photo: Photo, T_photo_target: Affine, height: int, width: int) -> tuple[Photo, Affine]:
    """The part of the photo that the target sees, as means over blocks of pixels, and the map to it from the
    target."""
    block = max(1, int(similarity_scale(T_photo_target) / 2))
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    corners = transform_points(T_photo_target, corners)
    margin = 2 * block
    limit = np.array([photo.shape[1], photo.shape[0]])
    first = np.clip(np.floor(corners.min(0)) - margin, 0, limit - 1).astype(int)
    last = np.clip(np.ceil(corners.max(0)) + margin, first + 1, limit).astype(int)
    part = photo[first[1] : last[1], first[0] : last[0]]
    if block > 1:
        part_height, part_width = -(-part.shape[0] // block), -(-part.shape[1] // block)
        fill_y, fill_x = part_height * block - part.shape[0], part_width * block - part.shape[1]
        # Half a block at the photo's edge is half outside, and outside is zero.
        part = cv2.copyMakeBorder(part, 0, fill_y, 0, fill_x, cv2.BORDER_CONSTANT)
        part = cv2.resize(part, (part_width, part_height), interpolation=cv2.INTER_AREA)
    return part, scaling(1 / block) @ translation(-float(first[0]), -float(first[1])) @ T_photo_target
