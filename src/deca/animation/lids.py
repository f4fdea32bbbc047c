"""Closed eyes in a video: the landmark network sees them half open, the white that has gone shows them."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from deca.fitting.eyes import LEFT_RIM, RIGHT_RIM
from deca.photo.sampling import Photo

# Skin below each eye, that its white is compared with.
_BELOW = ((347, 348, 329, 330), (118, 119, 100, 101))
# Landmarks of the middles of both lids, and of the eye's corners.
_LIDS = ((386, 374, 263, 362), (159, 145, 33, 133))
# The picture of an eye and what is below it, the place of its middle there, and how wide it is.
_SIZE, _MIDDLE, _WIDTH = (64, 80), (32, 28), 40
# A clip shows its person with open eyes in one frame of five at least.
_OPEN = 0.8
# White that is left of an open eye's, from which on lids close and at which they are closed.
_CLOSING, _CLOSED = 0.7, 0.05
# Lids that keep their usual gap are covered or in shade, not closed; one that winks goes a tenth nearer.
_GAP = 0.95
_LEAST_WHITE = 0.12
"""Eyes that never show more white say nothing: behind dark glasses, or too small."""


def eye_whites(photo: Photo, landmarks_photo: Float[np.ndarray, "468 axes"]) -> Float[np.ndarray, "2 2"]:
    """For the left and right eye, how white what the lids leave free is, and how far they are apart.

    The first is the mean share of colour that the opening lacks against the skin below it (0 for skin, 1
    for grey), the second the lids' distance over the eye's width; landmarks are the 468 in the photo's
    pixels.
    """
    measured = []
    for rim, below, lids in zip((LEFT_RIM, RIGHT_RIM), _BELOW, _LIDS, strict=True):
        points = landmarks_photo[list(rim), :2]
        scale = _WIDTH / max(1e-3, float(np.ptp(points[:, 0])))
        shift = np.array(_MIDDLE) - scale * points.mean(0)
        T_picture_photo = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        picture = cv2.warpAffine(photo, T_picture_photo, _SIZE, flags=cv2.INTER_LINEAR)
        opening = np.zeros(_SIZE[::-1], np.uint8)
        cv2.fillPoly(opening, [np.round((points * scale + shift) * 16).astype(np.int32)], 1, shift=4)
        columns, rows = np.round(landmarks_photo[list(below), :2] * scale + shift).astype(int).T
        patch = picture[rows.clip(0, _SIZE[1] - 1), columns.clip(0, _SIZE[0] - 1)]
        colourful = max(0.02, float(_saturation(np.median(patch, 0)[None])[0]))
        white = np.clip(1 - _saturation(picture[opening > 0].astype(np.float64)) / colourful, 0, 1)
        top, bottom, *corners = (landmarks_photo[index, :2] for index in lids)
        gap = np.linalg.norm(top - bottom) / max(1e-3, float(np.linalg.norm(corners[0] - corners[1])))
        measured.append((white.mean() if white.size else 0.0, gap))
    return np.array(measured)


def closed_lids(whites: Float[np.ndarray, "frame 2 2"]) -> Float[np.ndarray, "frame 2"]:
    """How far each eye is closed in each frame of one person, from 0 to 1, by what `eye_whites` gave.

    Zero unless the white has gone and the lids have come nearer, both against the person's own open eyes.
    """
    white, gap = whites[..., 0], whites[..., 1]
    open_white, open_gap = np.quantile(white, _OPEN, 0), np.quantile(gap, _OPEN, 0)
    left = white / np.maximum(open_white, _LEAST_WHITE)
    closed = np.clip((_CLOSING - left) / (_CLOSING - _CLOSED), 0, 1)
    return closed * (gap < _GAP * open_gap) * (open_white >= _LEAST_WHITE)


def _saturation(colour: Float[np.ndarray, "pixel 3"]) -> Float[np.ndarray, " pixel"]:
    """How much redder than blue: skin of every tone is, the white of an eye is not."""
    return (colour[..., 0] - colour[..., 2]) / (colour.sum(-1) + 30)
