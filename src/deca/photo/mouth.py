"""What the pixels of a mouth say that the landmark network does not: closed lips, and closed teeth.

The network sees closed dark lips apart, by up to a twentieth of the face's height, and says nothing of the
teeth: whether the jaw or the lips opened the mouth is not to be told from its points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deca.photo.sampling import Photo, sample_luma_smoothly, transform_points

MOUTH_CORNERS = (61, 291)
# Rows of landmarks down the lips: the upper lip's outer and inner edge, the lower lip's inner and outer.
_ROWS = ((37, 82, 87, 84), (0, 13, 14, 17), (267, 312, 317, 314), (37, 81, 178, 84), (267, 311, 402, 314))
# The inner edges of both lips, one above the other, from corner to corner.
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
# The mouth is drawn so wide, in a square with room for an open one; along each row it is read at so many
# places.
_MOUTH, _SIZE, _PLACES = 108, 120, 41
SMALLEST_MOUTH = 20.0  # pixels of the photo: less shows no line between the lips
# Luma over that of the lips. What lies between two dark lines and is brighter than them by so much shows that
# the mouth is open, and what is darker than half of the lips, over so much of the face's height.
_BUMP, _DARK_ROWS, _DARK = (0.06, 0.12), (0.006, 0.012), 0.5
# Lips so far apart, over the face's height, are never closed ones.
_APART = (0.055, 0.075)
# So far apart are the landmarks of closed lips.
_CLOSED_GAP = 0.004
# Below the upper teeth, what has less than half of their luma and is darker than the lips, over so much of
# the face's height, is the gap that an open jaw leaves.
_JAW_ROWS, _JAW_DARK, _JAW_DARKER = (0.003, 0.015), 0.5, 0.7
# At each end of a line so many places tell the luma of the lips; dark is sought so far beyond the opening.
_EDGE, _AROUND = 5, 3
# Teeth end in so few places; what shines on a lower lip fades out over more.
_NEAR = 5


@dataclass(frozen=True)
class Mouth:
    """How open a mouth is, by its pixels.

    `lips_apart` is 0 for lips that touch and 1 where they are apart as their landmarks are; `line` is where
    between the landmarks of the inner edges, 0 for the upper to 1 for the lower, closed lips meet.
    `teeth_together` is 1 where teeth fill the opening or the lips are closed, 0 where the jaw is open or
    nothing is known.
    """

    lips_apart: float
    line: float
    teeth_together: float


UNKNOWN_MOUTH = Mouth(1.0, 0.5, 0.0)


def see_mouth(photo: Photo, landmarks_photo: Float[np.ndarray, "468 axes"]) -> Mouth:
    """How open the mouth is; the landmarks are the 468 in the photo's pixels.

    Closed lips have one dark line between them, however dark they are and whatever shines on them; teeth
    are brighter than what is above and below them. A mouth of less than 20 pixels is unknown.
    """
    points = landmarks_photo[:, :2]
    right, left = points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]]
    across = left - right
    width = float(np.linalg.norm(across))
    if width < SMALLEST_MOUTH:
        return UNKNOWN_MOUTH
    cosine, sine = across / width
    turn = np.array([[cosine, -sine], [sine, cosine]])
    centre = points[[*MOUTH_CORNERS, 13, 14]].mean(0)
    T_photo_mouth = np.eye(3)
    T_photo_mouth[:2, :2] = turn * (width / _MOUTH)
    T_photo_mouth[:2, 2] = centre - T_photo_mouth[:2, :2] @ np.full(2, _SIZE / 2)
    picture = 255 * sample_luma_smoothly(photo, T_photo_mouth, _SIZE, _SIZE)
    return _read(picture, transform_points(np.linalg.inv(T_photo_mouth), points))


@dataclass(frozen=True)
class _Row:
    """What is read along one line down the lips, in lumas of the lips and in its places."""

    bump: float
    dark: int
    gap: int
    line: float


def _read(picture: Float[np.ndarray, "size size"], points: Float[np.ndarray, "468 2"]) -> Mouth:
    """The same in the picture of a mouth, with the points in its pixels."""
    upper, inner_upper, inner_lower, lower = (points[list(row)] for row in zip(*_ROWS, strict=True))
    start, end = (upper + inner_upper) / 2, (inner_lower + lower) / 2
    places = np.linspace(0, 1, _PLACES)[:, None, None]
    luma = _bilinear(picture, start + (end - start) * places).T
    steps = np.maximum(np.linalg.norm(end - start, axis=1), 1e-6) / (_PLACES - 1)
    first, last = (np.linalg.norm(edge - start, axis=1) / steps for edge in (inner_upper, inner_lower))
    lips = max(1.0, float(np.median(np.concatenate([luma[:, :_EDGE], luma[:, -_EDGE:]], 1))))
    rows = [_row(*row, lips) for row in zip(luma, first.tolist(), last.tolist(), strict=True)]

    height = _face_height(points)
    bump = _ramp(float(np.mean([row.bump for row in rows])), _BUMP)
    dark, jaw = (
        float(np.median(counts * steps)) / height
        for counts in (np.array([row.dark for row in rows]), np.array([row.gap for row in rows]))
    )
    gap = float(np.linalg.norm(points[13] - points[14])) / height
    apart = max(bump, _ramp(dark, _DARK_ROWS), _ramp(gap, _APART))
    together = (1 - apart) + apart * bump * (1 - _ramp(jaw, _JAW_ROWS))
    return Mouth(apart, float(np.clip(np.median([row.line for row in rows]), 0, 1)), together)


def _row(luma: Float[np.ndarray, " place"], first: float, last: float, lips: float) -> _Row:
    """One line: its luma from the middle of the upper lip to that of the lower one, the places of the inner
    edges, and the luma of the lips."""
    above = np.minimum.accumulate(luma)
    padded = np.concatenate([luma, np.full(_NEAR, np.inf)])
    below = np.lib.stride_tricks.sliding_window_view(padded, _NEAR + 1).min(1)
    low = int(min(first, last, _PLACES - 2))
    high = max(low + 1, min(_PLACES, int(np.ceil(max(first, last))) + 1))
    opening = luma[low:high]
    around = slice(max(0, low - _AROUND), high + _AROUND)
    brightest = int(opening.argmax())
    black = min(_JAW_DARK * opening[brightest], _JAW_DARKER * lips)
    darkest = around.start + int(luma[around].argmin())
    return _Row(
        bump=float(np.minimum(luma - above, luma - below)[low:high].max()) / lips,
        dark=int((luma[around] < _DARK * lips).sum()),
        gap=int((opening[brightest:] < black).sum()),
        line=(darkest - first) / max(1.0, last - first),
    )


def with_lips(landmarks: Float[np.ndarray, "468 axes"], mouth: Mouth) -> Float[np.ndarray, "468 axes"]:
    """The landmarks with the lips as far apart as the mouth says, met at its line."""
    moved = landmarks.copy()
    upper, lower = landmarks[list(UPPER_LIP)], landmarks[list(LOWER_LIP)]
    across = lower - upper
    gaps = np.linalg.norm(across[:, :2], axis=1)
    closed = np.minimum(1, _CLOSED_GAP * _face_height(landmarks) / np.maximum(gaps, 1e-9))
    kept = (closed + (1 - closed) * mouth.lips_apart)[:, None]
    moved[list(UPPER_LIP)] += (1 - kept) * mouth.line * across
    moved[list(LOWER_LIP)] -= (1 - kept) * (1 - mouth.line) * across
    return moved


def _face_height(points: Float[np.ndarray, "468 axes"]) -> float:
    """From the forehead's upper edge to the chin, whichever way the face is turned in the picture."""
    return float(np.linalg.norm(points[10, :2] - points[152, :2]))


def _bilinear(
    picture: Float[np.ndarray, "h w"], points: Float[np.ndarray, "*p 2"]
) -> Float[np.ndarray, "*p"]:
    """A picture's values at points, pixel centres at half-integers."""
    height, width = picture.shape
    x, y = (points[..., axis] - 0.5 for axis in (0, 1))
    x, y = x.clip(0, width - 1.001), y.clip(0, height - 1.001)
    column, row = x.astype(int), y.astype(int)
    x, y = x - column, y - row
    top = (1 - x) * picture[row, column] + x * picture[row, column + 1]
    bottom = (1 - x) * picture[row + 1, column] + x * picture[row + 1, column + 1]
    return (1 - y) * top + y * bottom


def _ramp(value: float, limits: tuple[float, float]) -> float:
    """0 below the first limit, 1 above the second."""
    return float(np.clip((value - limits[0]) / (limits[1] - limits[0]), 0, 1))
