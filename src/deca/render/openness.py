"""How much of the sky is open over each vertex: the soft shade in mouths, nostrils and ears."""

from __future__ import annotations

import math
from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.data import HeadData

_DIRECTIONS = 24
"""The head is looked at along each of these from both ends."""
_SIZE = 128
# Three pixels' depth, so that a slanting surface does not hide itself.
_TOLERANCE = 6 / _SIZE


def openness(
    vertices: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    coarse: Int[Tensor, "edge 2"] | None = None,
) -> Float[Tensor, "batch vertex 1"]:
    """How much of the sky over each vertex is open, 0 to 1, weighed by the cosine: soft shade for pictures.

    The head is looked at from all sides (ambient occlusion: Zhukov et al. 1998); on the CPU, and without a
    gradient. Of `coarse` edges the middle is looked at too, and lends both ends what it has more.
    """
    vertices = vertices.detach()
    directions = vertex_normals(vertices, triangles)
    centred = vertices - vertices.mean(1, keepdim=True)
    # Half a pixel of the picture is left free at its border.
    points = centred * ((1 - 1 / _SIZE) / centred.norm(dim=-1).amax(1)[:, None, None])
    count = vertices.shape[1]
    if coarse is not None:
        points, directions = (
            torch.cat([values, values[:, coarse].mean(2)], 1) for values in (points, directions)
        )
    corners = triangles.numpy().astype(np.uint32)
    faces = [
        _openness(face.numpy(), normals.numpy(), corners, _views())
        for face, normals in zip(points, directions, strict=True)
    ]
    found = torch.from_numpy(np.stack(faces)[..., None])
    if coarse is None:
        return found
    ends = coarse.flatten()[None, :, None].expand(len(vertices), -1, -1)
    between = found[:, count:].repeat_interleave(2, 1)
    return found[:, :count].scatter_reduce(1, ends, between, "amax")


def shown_openness(
    data: HeadData, vertices: Float[Tensor, "batch vertex 3"]
) -> Float[Tensor, "batch vertex 1"]:
    """The openness of a head in a picture.

    Teeth are drawn by triangles from the gums to their edge: lips hide both ends and leave the middle free.
    """
    coarse = None
    if "teeth" in data.region_names:
        corners = data.triangles[data.region("teeth")]
        edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1)
        coarse = torch.from_numpy(np.unique(edges, axis=0)).long()
    return openness(vertices, torch.from_numpy(data.triangles), coarse)


def _views() -> Float[np.ndarray, "view 3 3"]:
    """Axes (right, down, away) of viewers spread evenly over half a sphere, on a golden spiral."""
    index = np.arange(_DIRECTIONS) + 0.5
    z, angle = 1 - index / _DIRECTIONS, math.pi * (1 + math.sqrt(5)) * index
    ring = np.sqrt(1 - z * z)
    away = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1)
    other = np.where((z > 0.9)[:, None], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    right = np.cross(other, away)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(away, right), away], 1).astype(np.float32)


@numba.njit(cache=True, error_model="numpy", nogil=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _openness(points, normals, triangles, views):
    """Of points within the unit ball; each view serves both ends of its axis, by two pictures of depth."""
    count = len(points)
    seen, possible = np.zeros(count, np.float32), np.zeros(count, np.float32)
    nearest, furthest = np.empty((_SIZE, _SIZE), np.float32), np.empty((_SIZE, _SIZE), np.float32)
    turned = np.empty((count, 3), np.float32)
    half, tolerance = np.float32(_SIZE / 2), np.float32(_TOLERANCE)
    for view in range(len(views)):
        right, down, away = views[view, 0], views[view, 1], views[view, 2]
        for i in range(count):
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            turned[i, 0] = (x * right[0] + y * right[1] + z * right[2] + np.float32(1)) * half
            turned[i, 1] = (x * down[0] + y * down[1] + z * down[2] + np.float32(1)) * half
            turned[i, 2] = x * away[0] + y * away[1] + z * away[2]
        _draw_depths(turned, triangles, nearest, furthest)
        for i in range(count):
            row, column = np.uint32(turned[i, 1]), np.uint32(turned[i, 0])
            cosine = normals[i, 0] * away[0] + normals[i, 1] * away[1] + normals[i, 2] * away[2]
            possible[i] += abs(cosine)
            if cosine < 0:
                if nearest[row, column] >= turned[i, 2] - tolerance:
                    seen[i] -= cosine
            elif furthest[row, column] <= turned[i, 2] + tolerance:
                seen[i] += cosine
    return seen / np.maximum(possible, np.float32(1e-6))


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _draw_depths(points, triangles, nearest, furthest):
    """The smallest and the largest depth at each pixel centre; shade needs no exact edges."""
    nearest[:], furthest[:] = np.inf, -np.inf
    half, one = np.float32(0.5), np.float32(1)
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        x0, x1, x2 = points[a, 0], points[b, 0], points[c, 0]
        # Rounded up and down to pixel centres; all coordinates are positive.
        left, right = np.int32(min(x0, x1, x2) + half), np.int32(max(x0, x1, x2) + half)
        if left == right:
            continue
        y0, y1, y2 = points[a, 1], points[b, 1], points[c, 1]
        top, bottom = np.int32(min(y0, y1, y2) + half), np.int32(max(y0, y1, y2) + half)
        x1, x2, y1, y2 = x1 - x0, x2 - x0, y1 - y0, y2 - y0
        area = x1 * y2 - y1 * x2
        if top == bottom or area == 0:
            continue
        inverse = one / area
        z0 = points[a, 2]
        rise1, rise2 = points[b, 2] - z0, points[c, 2] - z0
        for row in range(np.uint32(top), np.uint32(bottom)):
            y = np.float32(row) + half - y0
            for column in range(np.uint32(left), np.uint32(right)):
                x = np.float32(column) + half - x0
                second, third = (x * y2 - y * x2) * inverse, (x1 * y - y1 * x) * inverse
                inside = min(min(second, third), one - second - third) >= 0
                depth = z0 + second * rise1 + third * rise2
                # No branch: half of the pixels of a box are outside, and no guess would be right.
                near, far = nearest[row, column], furthest[row, column]
                nearest[row, column] = depth if inside and depth < near else near
                furthest[row, column] = depth if inside and depth > far else far
