"""Detail normals on the CPU, without derivatives: the frames of a mesh, and the map of these in one pass."""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def put_frames(vertices, triangles, texture_triangles, vertex_of_texture, uv_areas, uv_inverse, frames):
    """Write the normals, and the moves along u and v, at the texture's vertices of one head, (vertex, 9).

    The arithmetic is that of `vertex_normals` and `DetailModel.frames`.
    """
    kind = vertices.dtype.type
    normals = np.zeros_like(vertices)
    areas = np.zeros(len(frames), vertices.dtype)
    frames[:] = kind(0)
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        x1, y1, z1 = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        x2, y2, z2 = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        x, y, z = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
        area = uv_areas[triangle]
        for corner in range(3):
            vertex, texture_vertex = triangles[triangle, corner], texture_triangles[triangle, corner]
            normals[vertex, 0] += x
            normals[vertex, 1] += y
            normals[vertex, 2] += z
            areas[texture_vertex] += area
            for axis in range(2):
                first, second = area * uv_inverse[triangle, 0, axis], area * uv_inverse[triangle, 1, axis]
                frames[texture_vertex, 3 + 3 * axis] += first * x1 + second * x2
                frames[texture_vertex, 4 + 3 * axis] += first * y1 + second * y2
                frames[texture_vertex, 5 + 3 * axis] += first * z1 + second * z2
    for vertex in range(len(normals)):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        scale = kind(1) / max(np.sqrt(x * x + y * y + z * z), kind(1e-12))
        for axis in range(3):
            normals[vertex, axis] *= scale
    for texture_vertex in range(len(frames)):
        for axis in range(3):
            frames[texture_vertex, axis] = normals[vertex_of_texture[texture_vertex], axis]
        scale = kind(1) / max(areas[texture_vertex], kind(1e-20))
        for number in range(3, 9):
            frames[texture_vertex, number] *= scale


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
@no_type_check
def draw_detail_normals(frames, corners, weights, covered, nearest, displacement, least_area, normals):
    """Write the filled map of unit normals, (3, size, size), of one head.

    `frames` holds the coarse normal and the moves along u and v at the texture's vertices, (vertex, 9);
    `corners` and `weights` are those of the covered texels, `covered` is the layout's mask and `nearest` the
    covered texel nearest to each. The arithmetic is that of `DetailModel.surface` and
    `DetailedSurface.normals`.
    """
    size = len(covered)
    kind = displacement.dtype.type
    one, tiny, whole, half = kind(1), kind(1e-24), kind(size), kind(size / 2)
    least = least_area * least_area
    point = 0
    for row in range(size):
        for column in range(size):
            if not covered[row, column]:
                continue
            a, b, c = np.uint64(corners[point, 0]), np.uint64(corners[point, 1]), np.uint64(corners[point, 2])
            of_a, of_b, of_c = weights[point, 0], weights[point, 1], weights[point, 2]
            point += 1
            n0 = of_a * frames[a, 0] + of_b * frames[b, 0] + of_c * frames[c, 0]
            n1 = of_a * frames[a, 1] + of_b * frames[b, 1] + of_c * frames[c, 1]
            n2 = of_a * frames[a, 2] + of_b * frames[b, 2] + of_c * frames[c, 2]
            scale = one / np.sqrt(max(n0 * n0 + n1 * n1 + n2 * n2, tiny))
            n0, n1, n2 = n0 * scale, n1 * scale, n2 * scale
            here = displacement[row, column]
            left = column > 0 and covered[row, column - 1]
            right = column + 1 < size and covered[row, column + 1]
            above = row > 0 and covered[row - 1, column]
            below = row + 1 < size and covered[row + 1, column]
            along_u = displacement[row, column + 1] if right else here
            along_u -= displacement[row, column - 1] if left else here
            along_v = displacement[row - 1, column] if above else here
            along_v -= displacement[row + 1, column] if below else here
            along_u *= half if left and right else whole
            along_v *= half if above and below else whole
            if along_u == 0 and along_v == 0:
                # Most of a head is smooth.
                normals[0, row, column], normals[1, row, column], normals[2, row, column] = n0, n1, n2
                continue
            u0 = of_a * frames[a, 3] + of_b * frames[b, 3] + of_c * frames[c, 3]
            u1 = of_a * frames[a, 4] + of_b * frames[b, 4] + of_c * frames[c, 4]
            u2 = of_a * frames[a, 5] + of_b * frames[b, 5] + of_c * frames[c, 5]
            v0 = of_a * frames[a, 6] + of_b * frames[b, 6] + of_c * frames[c, 6]
            v1 = of_a * frames[a, 7] + of_b * frames[b, 7] + of_c * frames[c, 7]
            v2 = of_a * frames[a, 8] + of_b * frames[b, 8] + of_c * frames[c, 8]
            area = (u1 * v2 - u2 * v1) * n0 + (u2 * v0 - u0 * v2) * n1 + (u0 * v1 - u1 * v0) * n2
            by_area = area / max(area * area, least)
            along_u, along_v = along_u * by_area, along_v * by_area
            lean0 = along_u * v0 - along_v * u0
            lean1 = along_u * v1 - along_v * u1
            lean2 = along_u * v2 - along_v * u2
            x = n0 - (lean1 * n2 - lean2 * n1)
            y = n1 - (lean2 * n0 - lean0 * n2)
            z = n2 - (lean0 * n1 - lean1 * n0)
            scale = one / np.sqrt(max(x * x + y * y + z * z, tiny))
            normals[0, row, column], normals[1, row, column], normals[2, row, column] = (
                x * scale,
                y * scale,
                z * scale,
            )
    for row in range(size):
        for column in range(size):
            if not covered[row, column]:
                pixel = nearest[row, column]
                for axis in range(3):
                    normals[axis, row, column] = normals[axis, pixel // size, pixel % size]
