"""Which triangle each pixel shows under PyTorch3D's rules, in which the reference drew its training steps.

As ../shared/parity/dev/README.md states them: float32, depth z + 10 linear, a pixel is inside where all
barycentrics are positive, and 1e-8 is added to every area, so that the barycentrics of specks add up to less
than one.
"""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import torch
from torch import Tensor

from deca.raster.fragments import Fragments, fragments

MOVED_BACK = np.float32(10)
MORE_AREA = np.float32(1e-8)


def pytorch3d_triangles(vertices_image: Tensor, triangles: Tensor, height: int, width: int) -> Tensor:
    """Triangle ids of square pictures, -1 where nothing is; to stand in for `deca.raster.rasterise`."""
    assert height == width
    # To the left and up, as that library counts.
    points = vertices_image.detach().numpy().astype(np.float32) * np.array([-1, -1, 1], np.float32)
    points[..., 2] += MOVED_BACK
    ids = [_draw(face, triangles.numpy(), width) for face in points]
    return torch.from_numpy(np.stack(ids))


@numba.njit(cache=True)
def _draw(points: np.ndarray, triangles: np.ndarray, size: int) -> np.ndarray:
    ids = np.full((size, size), -1, np.int64)
    nearest = np.full((size, size), np.inf, np.float32)
    for index in range(len(triangles)):
        a, b, c = points[triangles[index, 0]], points[triangles[index, 1]], points[triangles[index, 2]]
        area = _edge(c, a, b) + MORE_AREA
        if abs(_edge(c, a, b)) <= MORE_AREA:
            continue
        low_x, high_x = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        low_y, high_y = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        first_column, last_column = _place(high_x, size) - 1, _place(low_x, size) + 1
        first_row, last_row = _place(high_y, size) - 1, _place(low_y, size) + 1
        for row in range(max(first_row, 0), min(last_row, size - 1) + 1):
            for column in range(max(first_column, 0), min(last_column, size - 1) + 1):
                p = (_centre(column, size), _centre(row, size))
                u, v, w = _edge(p, b, c) / area, _edge(p, c, a) / area, _edge(p, a, b) / area
                if u <= 0 or v <= 0 or w <= 0:
                    continue
                z = u * a[2] + v * b[2] + w * c[2]
                if z < nearest[row, column]:
                    nearest[row, column] = z
                    ids[row, column] = index
    return ids


@numba.njit(cache=True)
def _edge(p, a, b) -> np.float32:
    return (p[0] - a[0]) * (b[1] - a[1]) - (p[1] - a[1]) * (b[0] - a[0])


@numba.njit(cache=True)
def _centre(index: int, size: int) -> np.float32:
    """Of a column or row, one at the left or top edge."""
    return np.float32(1 - (2 * index + 1) / size)


@numba.njit(cache=True)
def _place(coordinate: float, size: int) -> int:
    return int(np.floor((1 - coordinate) * size / 2))


def pytorch3d_fragments(vertices_image: Tensor, triangles: Tensor, height: int, width: int) -> Fragments:
    """As `deca.raster.fragments.fragments`, with the areas of specks enlarged as well; to stand in for it."""
    covered = fragments(vertices_image, triangles, height, width)
    a, b, c = vertices_image.flatten(0, 1)[covered.corners, :2].unbind(1)
    area = _torch_edge(c, a, b)
    share = area / (area + float(MORE_AREA))
    return replace(covered, barycentrics=covered.barycentrics * share[:, None])


def _torch_edge(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (p[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]) - (p[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
