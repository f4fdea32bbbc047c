"""Clay: the shape alone, under three fixed lamps and a soft sky, made to be looked at."""

from __future__ import annotations

import math
from typing import no_type_check

import numba
import numpy as np

# (direction to the lamp in the head frame, RGB strength): a warm key from the viewer's upper left, a cool
# fill from the right, and a rim from above and behind that parts the head from its background.
LAMPS = (
    ((-0.55, 0.60, 0.75), (0.78, 0.75, 0.71)),
    ((0.85, 0.05, 0.45), (0.24, 0.26, 0.30)),
    ((0.30, 0.80, -0.55), (0.22, 0.23, 0.25)),
)
SKY = (0.22, 0.23, 0.25)
GROUND = (0.14, 0.13, 0.12)
DEEPEST = 0.25
"""What is left of the light where no sky is open: inside the mouth, the nostrils and the ears."""
COLOUR = (0.80, 0.78, 0.76)
SHEEN = 0.06


def _unit(direction: np.ndarray) -> np.ndarray:
    return (direction / np.linalg.norm(direction)).astype(np.float32)


_DIRECTIONS = np.stack([_unit(np.array(direction)) for direction, _ in LAMPS])
# The light halfway between a lamp and the viewer is mirrored (Blinn 1977); only the key lamp shines.
_HALFWAY = _unit(_DIRECTIONS[0] + np.array([0.0, 0.0, 1.0]))
_STRENGTHS = np.array([strength for _, strength in LAMPS], np.float32) * np.array(COLOUR, np.float32)
_MEAN_SKY = (np.array(SKY, np.float32) + np.array(GROUND, np.float32)) / 2 * np.array(COLOUR, np.float32)
_SKY_RISE = (np.array(SKY, np.float32) - np.array(GROUND, np.float32)) / 2 * np.array(COLOUR, np.float32)


@numba.njit(cache=True, error_model="numpy", fastmath=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def clay_colour(x, y, z, openness):
    """RGB of grey clay seen along -z with the normal (x, y, z), of any length but zero, in the head frame."""
    one, zero = np.float32(1), np.float32(0)
    inverse = one / math.sqrt(max(x * x + y * y + z * z, np.float32(1e-24)))
    x, y, z = x * inverse, y * inverse, z * inverse
    shine = max(x * _HALFWAY[0] + y * _HALFWAY[1] + z * _HALFWAY[2], zero)
    shine *= shine  # the power 24 by repeated squaring
    shine *= shine
    squared = shine * shine
    sheen = np.float32(SHEEN) * squared * squared * squared
    red = _MEAN_SKY[0] + y * _SKY_RISE[0] + sheen
    green = _MEAN_SKY[1] + y * _SKY_RISE[1] + sheen
    blue = _MEAN_SKY[2] + y * _SKY_RISE[2] + sheen
    for lamp in range(len(_DIRECTIONS)):
        facing = x * _DIRECTIONS[lamp, 0] + y * _DIRECTIONS[lamp, 1] + z * _DIRECTIONS[lamp, 2]
        facing = max(facing, zero)
        red += facing * _STRENGTHS[lamp, 0]
        green += facing * _STRENGTHS[lamp, 1]
        blue += facing * _STRENGTHS[lamp, 2]
    left = np.float32(DEEPEST) + np.float32(1 - DEEPEST) * openness
    return min(red, one) * left, min(green, one) * left, min(blue, one) * left
