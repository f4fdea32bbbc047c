"""A mouth's corners, where the line between the lips ends.

The landmark network puts the corners where the red of the lips ends. The line between closed lips goes on
from there, by a twentieth of the mouth's width or so, and it is this end of it that a slight smile lifts.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d

from deca.photo.mouth import MOUTH_CORNERS, SMALLEST_MOUTH
from deca.photo.sampling import Affine, Photo, sample_luma_smoothly, transform_points

# Each corner is seen in a picture with the mouth so many pixels wide; x leads out of the mouth, y down.
_MOUTH = 108
# The line is followed from so far inside of the network's corner to so far outside, and so far up and down.
_INSIDE, _OUTSIDE, _ASIDE = 12, 24, 30
_ROWS, _COLUMNS = 2 * _ASIDE + 1, _INSIDE + _OUTSIDE + 1
# A line is darker than what lies so far to both its sides, for one of the directions that a line may have.
_DISTANCES, _SLOPES = (3, 5, 7), (-50, -25, 0, 25, 50)
_MARGIN = max(_DISTANCES)
# So far from the straight way to the middle of the lips it is first sought.
_START = 6
# Lumas here are shares of that of the skin around. What a step up or down costs a line:
_BEND = 0.015
# It ends where it is less dark than this share of what it is inside, or than this share of the skin ...
_END, _FAINT = 0.6, 0.12
# ... but by and by, between these parts of that: some noise must not move the corner.
_SOFT = (0.8, 1.2)
# So many columns, and rows to each side, are averaged along the line.
_ALONG, _ACROSS = 5, 2
# Points nearer to a corner than this share of the mouth's width move with it, the less the farther.
_REACH = 0.3


def with_corners(
    photo: Photo, landmarks_photo: Float[np.ndarray, "468 axes"]
) -> Float[np.ndarray, "468 axes"]:
    """The landmarks, in the photo's pixels, with the mouth's corners moved out to the ends of its line.

    What lies around a corner moves with it. A corner stays where the photo shows no line, or so few pixels
    that none could be seen.
    """
    points = landmarks_photo[:, :2]
    across = points[MOUTH_CORNERS[1]] - points[MOUTH_CORNERS[0]]
    width = float(np.linalg.norm(across))
    if width < SMALLEST_MOUTH:
        return landmarks_photo
    across /= width
    moved = landmarks_photo.copy()
    for corner, outward in zip(MOUTH_CORNERS, (-across, across), strict=True):
        T_photo_side = _side(points[corner], outward, np.array([-across[1], across[0]]), width / _MOUTH)
        step = T_photo_side[:2, :2] @ _step(photo, T_photo_side, points[[13, 14]].mean(0))
        nearness = np.clip(1 - np.linalg.norm(points - points[corner], axis=1) / (_REACH * width), 0, 1)
        moved[:, :2] += (nearness**2 * (3 - 2 * nearness))[:, None] * step
    return moved


def _side(
    corner: Float[np.ndarray, " 2"],
    outward: Float[np.ndarray, " 2"],
    down: Float[np.ndarray, " 2"],
    scale: float,
) -> Affine:
    """The map to the photo from the picture of one corner, which lies at the centre of a pixel."""
    T_photo_side = np.eye(3)
    T_photo_side[:2, :2] = np.stack([outward, down], 1) * scale
    T_photo_side[:2, 2] = corner - T_photo_side[:2, :2] @ (np.array([_INSIDE, _ASIDE]) + _MARGIN + 0.5)
    return T_photo_side


def _step(
    photo: Photo, T_photo_side: Affine, middle_photo: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, " 2"]:
    """From the network's corner to the end of the line, (x outward, y down) in pixels of the side's picture;
    the middle of the lips tells where the line comes from."""
    picture = sample_luma_smoothly(photo, T_photo_side, _ROWS + 2 * _MARGIN, _COLUMNS + 2 * _MARGIN)
    dark = _lines(picture) / max(float(np.median(picture)), 1 / 255)
    middle = transform_points(np.linalg.inv(T_photo_side), middle_photo) - _MARGIN - 0.5
    straight = _ASIDE + (middle[1] - _ASIDE) * _INSIDE / max(_INSIDE - middle[0], 1.0)
    rows = _followed(dark, round(float(np.clip(straight, _START, _ROWS - 1 - _START))))
    # Along the line: how dark it is, and its height between the rows.
    near = rows + np.arange(-_ACROSS, _ACROSS + 1)[:, None]
    inside = (near >= 0) & (near < _ROWS)
    weights = np.where(inside, dark[near.clip(0, _ROWS - 1), np.arange(_COLUMNS)], 0) + 1e-6
    heights = uniform_filter1d((near * weights).sum(0) / weights.sum(0), _ALONG, mode="nearest") - _ASIDE
    darkness = uniform_filter1d(dark[rows, np.arange(_COLUMNS)], _ALONG, mode="nearest")
    end = max(_END * float(np.median(darkness[:_INSIDE])), _FAINT)
    seen = np.clip((darkness / end - _SOFT[0]) / (_SOFT[1] - _SOFT[0]), 0, 1)
    seen = np.minimum.accumulate(seen[_INSIDE:])
    length = float(seen[1:].sum())
    return np.array([length, seen[0] * np.interp(length, np.arange(_OUTSIDE + 1), heights[_INSIDE:])])


def _lines(picture: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "rows columns"]:
    """By how much each pixel is darker than both its sides."""
    height, width = picture.shape
    middle = picture[_MARGIN : height - _MARGIN, _MARGIN : width - _MARGIN]
    darker = np.zeros_like(middle)
    for slope in np.radians(_SLOPES):
        for distance in _DISTANCES:
            x, y = round(-distance * np.sin(slope)), round(distance * np.cos(slope))
            one, other = (
                picture[_MARGIN + dy : height - _MARGIN + dy, _MARGIN + dx : width - _MARGIN + dx]
                for dx, dy in ((x, y), (-x, -y))
            )
            np.maximum(darker, np.minimum(one, other) - middle, out=darker)
    return darker


def _followed(dark: Float[np.ndarray, "rows columns"], start: int) -> np.ndarray:
    """The row, column by column, of the darkest line from about a row of the first column on."""
    total = np.full(_ROWS + 2, -np.inf)
    first = slice(start - _START + 1, start + _START + 2)
    total[first] = dark[start - _START : start + _START + 1, 0]
    steps = np.zeros((_COLUMNS, _ROWS), np.int64)
    for column in range(1, _COLUMNS):
        ways = np.stack([total[:-2] - _BEND, total[1:-1], total[2:] - _BEND])
        steps[column] = ways.argmax(0) - 1
        total[1:-1] = ways.max(0) + dark[:, column]
    rows = np.empty(_COLUMNS, np.int64)
    rows[-1] = int(total[1:-1].argmax())
    for column in range(_COLUMNS - 1, 0, -1):
        rows[column - 1] = rows[column] + steps[column, rows[column]]
    return rows
