"""The rasteriser on the CPU: one compiled loop over the triangles, releasing the interpreter lock."""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.raster.setup import (
    BASE_LIMIT,
    COORDINATE_LIMIT,
    DEPTH_LIMIT,
    DEPTH_SCALE,
    EMPTY,
    ID_BITS,
    SLOPE_LIMIT,
    SUBPIXEL_BITS,
)

_ONE = 1 << SUBPIXEL_BITS
_HALF = _ONE // 2
_UNUSABLE = -(1 << 40)


def rasterise(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Int[Tensor, "batch {height} {width}"]:
    """Which triangle covers each pixel: its id, or -1; rules and limits as in `deca.raster.setup`."""
    vertices = vertices_image.detach().contiguous().numpy()
    corners = triangles.contiguous().numpy()
    keys = np.empty((len(vertices), height, width), np.int64)
    for face, points in enumerate(vertices):
        _draw(points, corners, keys[face])
    return torch.from_numpy(keys)


@numba.njit(cache=True, nogil=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _draw(points, triangles, keys):
    """Draw one face; the arithmetic is that of `triangle_setup`, operation by operation."""
    height, width = keys.shape
    position = np.empty((len(points), 3), np.int64)
    for vertex in range(len(points)):
        x = np.rint((np.float64(points[vertex, 0]) + 1.0) * (width * (_ONE / 2)))
        y = np.rint((np.float64(points[vertex, 1]) + 1.0) * (height * (_ONE / 2)))
        z = np.float64(points[vertex, 2]) * DEPTH_SCALE
        if abs(x) <= COORDINATE_LIMIT and abs(y) <= COORDINATE_LIMIT and z == z:
            position[vertex, 0] = np.int64(x)
            position[vertex, 1] = np.int64(y)
            position[vertex, 2] = np.int64(np.rint(min(max(z, -DEPTH_LIMIT), DEPTH_LIMIT)))
        else:
            position[vertex, 0] = _UNUSABLE
    keys[:] = EMPTY
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        x0, x1, x2 = position[a, 0], position[b, 0], position[c, 0]
        if min(x0, x1, x2) == _UNUSABLE:
            continue
        y0, y1, y2 = position[a, 1], position[b, 1], position[c, 1]
        left = max((min(x0, x1, x2) + (_HALF - 1)) >> SUBPIXEL_BITS, 0)
        right = min((max(x0, x1, x2) - _HALF) >> SUBPIXEL_BITS, width - 1)
        top = max((min(y0, y1, y2) + (_HALF - 1)) >> SUBPIXEL_BITS, 0)
        bottom = min((max(y0, y1, y2) - _HALF) >> SUBPIXEL_BITS, height - 1)
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if right < left or bottom < top or area == 0:
            continue
        z0, z1, z2 = position[a, 2], position[b, 2], position[c, 2]
        offset_x = (left << SUBPIXEL_BITS) + _HALF - x0
        offset_y = (top << SUBPIXEL_BITS) + _HALF - y0
        first_rise, second_rise = float(z1 - z0), float(z2 - z0)
        slope_x = (first_rise * float(y2 - y0) - second_rise * float(y1 - y0)) / float(area)
        slope_y = (second_rise * float(x1 - x0) - first_rise * float(x2 - x0)) / float(area)
        base = float(z0) + (slope_x * float(offset_x) + slope_y * float(offset_y))
        depth_row = np.int64(np.rint(min(max(base, -BASE_LIMIT), BASE_LIMIT)))
        depth_x = np.int64(np.rint(min(max(slope_x * _ONE, -SLOPE_LIMIT), SLOPE_LIMIT)))
        depth_y = np.int64(np.rint(min(max(slope_y * _ONE, -SLOPE_LIMIT), SLOPE_LIMIT)))
        nearest, furthest = min(z0, z1, z2), max(z0, z1, z2)

        sign = 1 if area > 0 else -1
        across0, down0 = sign * (x1 - x0), sign * (y1 - y0)
        across1, down1 = sign * (x2 - x1), sign * (y2 - y1)
        row0 = across0 * offset_y - down0 * offset_x
        row1 = across1 * (offset_y + (y0 - y1)) - down1 * (offset_x + (x0 - x1))
        # The three edge functions add up to twice the area everywhere.
        row2 = sign * area - row0 - row1
        right0, right1 = -down0 << SUBPIXEL_BITS, -down1 << SUBPIXEL_BITS
        right2 = -right0 - right1
        down_step0, down_step1 = across0 << SUBPIXEL_BITS, across1 << SUBPIXEL_BITS
        down_step2 = -down_step0 - down_step1
        for row in range(top, bottom + 1):
            edge0, edge1, edge2, depth = row0, row1, row2, depth_row
            # No branch, and columns that cannot count from the end: so the compiler draws eight at once.
            for column in range(np.uint64(left), np.uint64(right + 1)):
                key = (min(max(depth, nearest), furthest) << ID_BITS) | triangle
                # One sign bit tells whether any of the three is negative.
                key = key if (edge0 | edge1 | edge2) >= 0 else EMPTY
                keys[np.uint64(row), column] = min(keys[np.uint64(row), column], key)
                edge0 += right0
                edge1 += right1
                edge2 += right2
                depth += depth_x
            row0 += down_step0
            row1 += down_step1
            row2 += down_step2
            depth_row += depth_y
    for row in range(height):
        for column in range(width):
            key = keys[row, column]
            keys[row, column] = -1 if key == EMPTY else key & ((1 << ID_BITS) - 1)
