"""Furrows: curves on the face's chart, and the relief they make, drawn by one compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from deca.training.synthetic.face_chart import FaceChart

_STEP = 1.6
"""Millimetres between the points of a curve."""
# Of a texel's length: what a valley is blurred by, so that the map's grid does not show.
_TEXEL_BLUR = 0.42
_REACH = 5.0
"""Widths from its middle at which a furrow has ended."""


@dataclass(frozen=True)
class Furrow:
    """One curve along which the skin is folded; lengths in millimetres.

    `places` are points of the chart, `shape` says how deep the furrow is at each of them, about 0 to 1.
    `width` is the deviation of the valley's cross section. `shoulder` is the height of the bulges beside it,
    a share of the depth; `lean` from -1 to 1 moves them to the curve's left side. `group` names what deepens
    it; `still` is its depth on the resting face, `moved` what a full movement adds.
    """

    places: Float[np.ndarray, "point 2"]
    shape: Float[np.ndarray, " point"]
    width: float
    still: float
    moved: float
    group: str
    shoulder: float = 0.25
    lean: float = 0.0


def smooth_curve(controls: Float[np.ndarray, "control 2"]) -> Float[np.ndarray, "point 2"]:
    """A Catmull-Rom curve through at least two control points, at even steps along its length."""
    padded = np.concatenate([2 * controls[:1] - controls[1:2], controls, 2 * controls[-1:] - controls[-2:-1]])
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    dense = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    dense = np.concatenate([dense.reshape(-1, 2), controls[-1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    even = np.linspace(0, length[-1], max(4, round(length[-1] / _STEP) + 1))
    return np.stack([np.interp(even, length, dense[:, axis]) for axis in range(2)], 1)


def smooth_noise(random: np.random.Generator, count: int, spacing: float) -> Float[np.ndarray, "{count}"]:
    """Noise of about unit deviation along a curve of `count` points, `spacing` points between its knots."""
    knots = int(np.ceil(count / spacing)) + 3
    values = random.normal(size=knots)
    place = np.arange(count) / spacing + random.random()
    index = place.astype(int)
    share = place - index
    share = share * share * (3 - 2 * share)
    return values[index] * (1 - share) + values[index + 1] * share


def relief_of(
    chart: FaceChart, furrows: Sequence[Furrow], groups: Sequence[str]
) -> tuple[Float[np.ndarray, "size size"], Float[np.ndarray, "group size size"]]:
    """What the furrows make of the resting face, and what each group's full movement adds; millimetres."""
    maps = np.zeros((1 + len(groups), chart.size, chart.size), np.float32)
    if furrows:
        counts = [len(furrow.places) for furrow in furrows]
        places = np.concatenate([furrow.places for furrow in furrows])
        found = chart.at(places)
        _draw(
            maps,
            np.concatenate([[0], np.cumsum(counts)]),
            found[:, :3].astype(np.float32),
            places.astype(np.float32),
            found[:, 3:].astype(np.float32),
            np.concatenate([furrow.shape for furrow in furrows]).astype(np.float32),
            np.array(
                [
                    [furrow.width, furrow.still, furrow.moved, furrow.shoulder, furrow.lean]
                    for furrow in furrows
                ],
                np.float32,
            ),
            np.array([1 + groups.index(furrow.group) if furrow.moved else 0 for furrow in furrows]),
            chart.positions,
            chart.places,
            chart.texel,
            chart.valid,
        )
    return maps[0], maps[1:]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _draw(maps, starts, points, places, texels, shapes, numbers, groups, positions, charted, lengths, valid):
    size = maps.shape[1]
    for curve in range(len(starts) - 1):
        first, last = starts[curve], starts[curve + 1]
        width, still, moved, shoulder, lean = numbers[curve]
        left, top, right, bottom = size, size, 0, 0
        longest = np.float32(1e9)
        for point in range(first, last):
            column, row = int(texels[point, 0]), int(texels[point, 1])
            left, right = min(left, column), max(right, column)
            top, bottom = min(top, row), max(bottom, row)
            longest = min(longest, lengths[min(max(row, 0), size - 1), min(max(column, 0), size - 1)])
        margin = int(_REACH * (width + longest * _TEXEL_BLUR) / longest) + 2
        left, right = max(left - margin, 0), min(right + margin + 1, size)
        top, bottom = max(top - margin, 0), min(bottom + margin + 1, size)
        for row in range(top, bottom):
            for column in range(left, right):
                if not valid[row, column]:
                    continue
                x, y, z = positions[row, column, 0], positions[row, column, 1], positions[row, column, 2]
                texel = lengths[row, column] * _TEXEL_BLUR
                spread = (width * width + texel * texel) ** 0.5
                reach = _REACH * spread
                nearest, shape, segment = reach * reach, np.float32(0), -1
                for point in range(first, last - 1):
                    ax, ay, az = points[point, 0], points[point, 1], points[point, 2]
                    px, py, pz = x - ax, y - ay, z - az
                    # A segment is short: too far from its start is too far from all of it.
                    if abs(py) > reach + 4:
                        continue
                    bx, by, bz = (
                        points[point + 1, 0] - ax,
                        points[point + 1, 1] - ay,
                        points[point + 1, 2] - az,
                    )
                    share = (px * bx + py * by + pz * bz) / (bx * bx + by * by + bz * bz + np.float32(1e-9))
                    share = min(max(share, np.float32(0)), np.float32(1))
                    px, py, pz = px - share * bx, py - share * by, pz - share * bz
                    distance = px * px + py * py + pz * pz
                    if distance < nearest:
                        nearest, segment = distance, point
                        shape = shapes[point] * (1 - share) + shapes[point + 1] * share
                if segment < 0 or shape == 0:
                    continue
                squared = nearest / (spread * spread)
                height = -np.exp(np.float32(-0.5) * squared)
                # Beside the valley, highest at 2.3 widths, none in its middle.
                bulge = squared * np.exp(squared * np.float32(-0.19)) * np.float32(0.517)
                side = (places[segment + 1, 0] - places[segment, 0]) * (
                    charted[row, column, 1] - places[segment, 1]
                ) - (places[segment + 1, 1] - places[segment, 1]) * (
                    charted[row, column, 0] - places[segment, 0]
                )
                leaning = 1 + lean if side > 0 else 1 - lean
                height = (height + shoulder * leaning * bulge) * shape * width / spread
                maps[0, row, column] = _joined(maps[0, row, column], height * still)
                group = groups[curve]
                if group:
                    maps[group, row, column] = _joined(maps[group, row, column], height * moved)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _joined(first, second):
    """Where two furrows meet they are not as deep as both together."""
    if first * second <= 0:
        return first + second
    both = (first * first + second * second) ** np.float32(0.5)
    return both if first > 0 else -both
