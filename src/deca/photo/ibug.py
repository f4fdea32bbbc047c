"""The 68 points of the iBUG scheme, read off the 468 of the face mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

# One row a point: two mesh points and the weight of the second, by the scheme's meaning (Sagonas et al.,
# 300 Faces in-the-Wild, 2013). Points that the scheme names (corners, tips, middles) are mesh points; those
# that it spaces evenly along a line lie at equal steps of the mesh's line, seen from the front of the face.
_JAW = (
    (127, 127, 0.0),
    (234, 93, 0.17),
    (93, 132, 0.29),
    (132, 58, 0.34),
    (58, 172, 0.41),
    (172, 136, 0.80),
    (150, 149, 0.41),
    (176, 148, 0.36),
    (152, 152, 0.0),
    (400, 377, 0.36),
    (379, 378, 0.41),
    (397, 365, 0.80),
    (288, 397, 0.41),
    (361, 288, 0.34),
    (323, 361, 0.29),
    (454, 323, 0.17),
    (356, 356, 0.0),
)
_RIGHT_BROW = ((70, 70, 0.0), (63, 105, 0.21), (105, 66, 0.26), (66, 107, 0.17), (107, 107, 0.0))
_LEFT_BROW = ((336, 336, 0.0), (296, 336, 0.17), (334, 296, 0.26), (293, 334, 0.21), (300, 300, 0.0))
_NOSE_BRIDGE = ((168, 168, 0.0), (6, 197, 0.60), (195, 5, 0.40), (4, 4, 0.0))
_NOSE_BASE = ((98, 98, 0.0), (97, 97, 0.0), (2, 2, 0.0), (326, 326, 0.0), (327, 327, 0.0))
_RIGHT_EYE = (
    (33, 33, 0.0),
    (160, 159, 0.18),
    (158, 157, 0.14),
    (133, 133, 0.0),
    (153, 154, 0.04),
    (144, 145, 0.13),
)
_LEFT_EYE = (
    (362, 362, 0.0),
    (385, 384, 0.14),
    (387, 386, 0.18),
    (263, 263, 0.0),
    (373, 374, 0.13),
    (380, 381, 0.04),
)
_OUTER_LIPS = (
    (61, 61, 0.0),
    (40, 39, 0.46),
    (37, 37, 0.0),
    (0, 0, 0.0),
    (267, 267, 0.0),
    (270, 269, 0.46),
    (291, 291, 0.0),
    (321, 405, 0.21),
    (405, 314, 0.68),
    (17, 17, 0.0),
    (181, 84, 0.68),
    (91, 181, 0.21),
)
_INNER_LIPS = (
    (78, 78, 0.0),
    (80, 81, 0.82),
    (13, 13, 0.0),
    (310, 311, 0.82),
    (308, 308, 0.0),
    (402, 402, 0.0),
    (14, 14, 0.0),
    (178, 178, 0.0),
)
_ROWS = np.array(
    _JAW
    + _RIGHT_BROW
    + _LEFT_BROW
    + _NOSE_BRIDGE
    + _NOSE_BASE
    + _RIGHT_EYE
    + _LEFT_EYE
    + _OUTER_LIPS
    + _INNER_LIPS
)
DENSE_INDICES = _ROWS[:, :2].astype(np.int64)
SECOND_WEIGHTS = _ROWS[:, 2]


def _mirror() -> Int[np.ndarray, "68"]:
    # Lines from the subject's right to left turn round; eyes and lips run round, each from another corner.
    rows = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    rows += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    rows += [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
    return np.array(rows)


MIRROR = _mirror()
"""The mirror image of each of the 68 points."""


def ibug68(dense: Float[np.ndarray, "468 axes"]) -> Float[np.ndarray, "68 axes"]:
    """The 68 iBUG points of one face given by its 468 points, in the same frame."""
    first, second = dense[DENSE_INDICES[:, 0]], dense[DENSE_INDICES[:, 1]]
    return first + SECOND_WEIGHTS[:, None] * (second - first)
