"""The tongue: at rest behind the lower incisors, and put out over the lower lip."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.spatial import KDTree

# The source's tongue fills the mouth up to the lips; at rest the tip lies behind and below the lower
# incisors' edge. Metres.
LENGTH, REST = 0.03, (0.0, -0.0045, -0.0045)
# Its middle line as (up, forward) from the lower lip's crest at the seam, root first, millimetres: at rest,
# and put out over the lower incisors and the lip, where it hangs down before the chin.
MIDDLE_REST = np.array(
    [(-6, -76), (3.2, -51), (3.7, -42), (2.7, -36), (0.7, -32), (-2.3, -28.6), (-5.9, -25.2), (-9.5, -22)]
)
MIDDLE_OUT = np.array(
    [(-6, -76), (3.5, -50), (5, -30), (5.8, -14), (4.6, -6), (1.8, 0), (-2.4, 4.3), (-8, 7.5), (-14, 9)]
)
# Thickness and width of the tongue put out, as parts of those at rest, by the share of its length.
THICKNESS = ((0, 1), (0.35, 1), (0.7, 0.5), (1, 0.6))
WIDTH = ((0, 1), (0.35, 1), (0.7, 0.8), (1, 0.9))
# The tip is rounded: its sides, so far from the middle (metres), stay behind by this part of the length.
SIDE, SIDE_BEHIND = 0.012, 0.07
SAMPLES = 2000


def tongue_offsets(tongue: Float[np.ndarray, "tongue 3"]) -> Float[np.ndarray, "tongue 3"]:
    """What brings the source's tongue to rest: its front lowered and drawn back, its root left in place."""
    forward = tongue[:, 2] - tongue[:, 2].max() + LENGTH
    share = np.clip(forward / LENGTH, 0, 1)
    return (share**2 * (3 - 2 * share))[:, None] * np.array(REST)


def tongue_out(
    tongue: Float[np.ndarray, "tongue 3"], lip_crest: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "tongue 3"]:
    """What puts the resting tongue out over a lower lip with its crest at `lip_crest`, metres.

    The middle line of the side view is bent and stretched; what lies around it goes with its nearest point.
    """
    rest, out = _curve(MIDDLE_REST, lip_crest), _curve(MIDDLE_OUT, lip_crest)
    nearest = KDTree(rest).query(tongue[:, 1:])[1]
    # Behind the line's start the root stays.
    root = nearest == 0
    offset = ((tongue[:, 1:] - rest[nearest]) * _normals(rest)[nearest]).sum(1)
    share = nearest / (SAMPLES - 1)
    behind = SIDE_BEHIND * share**3 * np.minimum(np.square(tongue[:, 0] / SIDE), 1)
    place = np.rint((share - behind).clip(0, 1) * (SAMPLES - 1)).astype(int)
    beyond = ((tongue[:, 1:] - rest[nearest]) * _tangents(rest)[nearest]).sum(1) * (nearest == SAMPLES - 1)
    thickness, width = (np.interp(share, *np.transpose(table)) for table in (THICKNESS, WIDTH))
    moved = out[place] + (thickness * offset)[:, None] * _normals(out)[place]
    moved += beyond[:, None] * _tangents(out)[place]
    put_out = np.concatenate([(width * tongue[:, 0])[:, None], moved], 1)
    return np.where(root[:, None], 0, put_out - tongue)


def _curve(points, lip_crest) -> Float[np.ndarray, "sample 2"]:
    """A smooth line (y, z) through points given from the lip's crest, in even steps of its length."""
    line = lip_crest[1:] + 0.001 * points
    dense = PchipInterpolator(np.arange(len(line)), line)(np.linspace(0, len(line) - 1, SAMPLES))
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    even = np.linspace(0, along[-1], SAMPLES)
    return np.stack([np.interp(even, along, dense[:, axis]) for axis in range(2)], 1)


def _tangents(curve: Float[np.ndarray, "sample 2"]) -> Float[np.ndarray, "sample 2"]:
    tangent = np.gradient(curve, axis=0)
    # Averaged over a few millimetres, so that the tongue's sides bend as smoothly as its middle.
    kernel = np.ones(SAMPLES // 12) / (SAMPLES // 12)
    ends = len(kernel) // 2, len(kernel) - 1 - len(kernel) // 2
    padded = np.pad(tangent, (ends, (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in range(2)], 1)
    return smooth / np.linalg.norm(smooth, axis=1, keepdims=True)


def _normals(curve: Float[np.ndarray, "sample 2"]) -> Float[np.ndarray, "sample 2"]:
    """Upward where the curve runs forward."""
    return _tangents(curve)[:, ::-1] * [1, -1]
