"""How a mesh's normals turn when a part of it moves: a pass over the moved triangles alone."""

from __future__ import annotations

import math
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int


def normal_changes(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    moves: Float[np.ndarray, "target vertex 3"],
) -> Float[np.ndarray, "target vertex 3"]:
    """What each target's moves, metres, add to the unit normals at the vertices.

    The same as `vertex_normals(vertices + moves) - vertex_normals(vertices)`, several times faster where the
    targets move small parts.
    """
    return _normal_changes(vertices, triangles, moves)


@numba.njit(cache=True, error_model="numpy")
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _normal_changes(vertices, triangles, moves):
    count = len(vertices)
    still, changes = np.zeros((count, 3), np.float32), np.zeros(moves.shape, np.float32)
    for triangle in range(len(triangles)):
        _add_cross(vertices, triangles, triangle, np.float32(1), still)
    moved, touched = np.empty(count, np.bool_), np.empty(count, np.bool_)
    bent = np.empty((count, 3), np.float32)
    for target in range(len(moves)):
        touched[:] = False
        move, sums = moves[target], changes[target]
        for vertex in range(count):
            moved[vertex] = move[vertex, 0] != 0 or move[vertex, 1] != 0 or move[vertex, 2] != 0
            for axis in range(3):
                bent[vertex, axis] = vertices[vertex, axis] + move[vertex, axis]
        for triangle in range(len(triangles)):
            a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
            if moved[a] or moved[b] or moved[c]:
                touched[a] = touched[b] = touched[c] = True
                _add_cross(bent, triangles, triangle, np.float32(1), sums)
                _add_cross(vertices, triangles, triangle, np.float32(-1), sums)
        for vertex in range(count):
            if touched[vertex]:
                x0, y0, z0 = still[vertex, 0], still[vertex, 1], still[vertex, 2]
                x1, y1, z1 = x0 + sums[vertex, 0], y0 + sums[vertex, 1], z0 + sums[vertex, 2]
                before, after = _inverse_length(x0, y0, z0), _inverse_length(x1, y1, z1)
                sums[vertex, 0] = x1 * after - x0 * before
                sums[vertex, 1] = y1 * after - y0 * before
                sums[vertex, 2] = z1 * after - z0 * before
    return changes


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _add_cross(vertices, triangles, triangle, sign, sums):
    """Add a triangle's cross product, twice its area along its normal, at its corners."""
    a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
    x0, y0, z0 = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    x1, y1, z1 = vertices[b, 0] - x0, vertices[b, 1] - y0, vertices[b, 2] - z0
    x2, y2, z2 = vertices[c, 0] - x0, vertices[c, 1] - y0, vertices[c, 2] - z0
    x, y, z = (y1 * z2 - z1 * y2) * sign, (z1 * x2 - x1 * z2) * sign, (x1 * y2 - y1 * x2) * sign
    for corner in range(3):
        vertex = triangles[triangle, corner]
        sums[vertex, 0] += x
        sums[vertex, 1] += y
        sums[vertex, 2] += z


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _inverse_length(x, y, z):
    return np.float32(1) / max(np.float32(math.sqrt(x * x + y * y + z * z)), np.float32(1e-12))
