"""A tree of boxes over triangles, compiled: the closest point of a surface in half the time of libigl's."""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np

# Triangles of a leaf at most.
_LEAF = 4
# Deeper than any tree of halves.
_STACK = 128


@numba.njit(cache=True, nogil=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def build_tree(vertices, triangles):
    """Boxes (node, 6), children (node, 2), and the triangles in the order of the leaves: which they are, and
    their corners (triangle, 9).

    A leaf has -1 - start and the count of its triangles in place of children.
    """
    count = len(triangles)
    low, high = np.empty((count, 3)), np.empty((count, 3))
    for triangle in range(count):
        for axis in range(3):
            a, b, c = (
                vertices[triangles[triangle, 0], axis],
                vertices[triangles[triangle, 1], axis],
                vertices[triangles[triangle, 2], axis],
            )
            low[triangle, axis], high[triangle, axis] = min(a, b, c), max(a, b, c)
    order = np.arange(count)
    boxes, children = np.empty((2 * count, 6)), np.empty((2 * count, 2), np.int64)
    parts = np.empty((_STACK, 3), np.int64)
    parts[0] = 0, 0, count
    waiting, nodes = 1, 1
    while waiting:
        waiting -= 1
        node, start, end = parts[waiting]
        for axis in range(3):
            boxes[node, axis], boxes[node, 3 + axis] = np.inf, -np.inf
        middle_low, middle_high = np.full(3, np.inf), np.full(3, -np.inf)
        for place in range(start, end):
            triangle = order[place]
            for axis in range(3):
                boxes[node, axis] = min(boxes[node, axis], low[triangle, axis])
                boxes[node, 3 + axis] = max(boxes[node, 3 + axis], high[triangle, axis])
                middle = low[triangle, axis] + high[triangle, axis]
                middle_low[axis] = min(middle_low[axis], middle)
                middle_high[axis] = max(middle_high[axis], middle)
        if end - start <= _LEAF:
            children[node, 0], children[node, 1] = -1 - start, end - start
            continue
        axis = np.argmax(middle_high - middle_low)
        own = order[start:end].copy()
        order[start:end] = own[np.argsort(low[own, axis] + high[own, axis])]
        half = (start + end) // 2
        children[node, 0], children[node, 1] = nodes, nodes + 1
        parts[waiting] = nodes, start, half
        parts[waiting + 1] = nodes + 1, half, end
        waiting += 2
        nodes += 2
    corners = np.empty((count, 9))
    for place in range(count):
        for corner in range(3):
            corners[place, 3 * corner : 3 * corner + 3] = vertices[triangles[order[place], corner]]
    return boxes[:nodes], children[:nodes], order, corners


@numba.njit(cache=True, nogil=True)
@no_type_check
def find_closest(boxes, children, order, corners, points, squared, found, closest):
    """Write the squared distance of each point, its triangle and the closest point."""
    nodes, bounds = np.empty(_STACK, np.int64), np.empty(_STACK)
    candidate = np.empty(3)
    for number in range(len(points)):
        x, y, z = points[number, 0], points[number, 1], points[number, 2]
        best, best_place = np.inf, -1
        nodes[0], bounds[0], waiting = 0, 0.0, 1
        while waiting:
            waiting -= 1
            if bounds[waiting] >= best:
                continue
            node = nodes[waiting]
            left, right = children[node, 0], children[node, 1]
            if left < 0:
                for place in range(-1 - left, -1 - left + right):
                    away = _closest_of(corners[place], x, y, z, candidate)
                    if away < best:
                        best, best_place = away, place
                        closest[number] = candidate
                continue
            to_left, to_right = _to_box(boxes, left, x, y, z), _to_box(boxes, right, x, y, z)
            # The nearer one is looked into first.
            if to_left > to_right:
                left, right, to_left, to_right = right, left, to_right, to_left
            nodes[waiting], bounds[waiting] = right, to_right
            nodes[waiting + 1], bounds[waiting + 1] = left, to_left
            waiting += 2
        squared[number] = best
        # None where the point is no number.
        found[number] = order[best_place] if best_place >= 0 else -1


@numba.njit(cache=True, nogil=True)
@no_type_check
def _to_box(boxes, node, x, y, z):
    along_x = max(boxes[node, 0] - x, 0.0, x - boxes[node, 3])
    along_y = max(boxes[node, 1] - y, 0.0, y - boxes[node, 4])
    along_z = max(boxes[node, 2] - z, 0.0, z - boxes[node, 5])
    return along_x * along_x + along_y * along_y + along_z * along_z


@numba.njit(cache=True, nogil=True)
@no_type_check
def _closest_of(corners, x, y, z, closest):
    """The squared distance of a triangle, by the regions of its corners, edges and inside (Ericson 2005)."""
    ax, ay, az = corners[0], corners[1], corners[2]
    abx, aby, abz = corners[3] - ax, corners[4] - ay, corners[5] - az
    acx, acy, acz = corners[6] - ax, corners[7] - ay, corners[8] - az
    px, py, pz = x - ax, y - ay, z - az
    d1, d2 = abx * px + aby * py + abz * pz, acx * px + acy * py + acz * pz
    ab, ac = abx * abx + aby * aby + abz * abz, acx * acx + acy * acy + acz * acz
    abac = abx * acx + aby * acy + abz * acz
    d3, d4 = d1 - ab, d2 - abac
    d5, d6 = d1 - abac, d2 - ac
    v, w = 0.0, 0.0
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    else:
        vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
        if vc <= 0 and d1 >= 0 and d3 <= 0 and ab > 0:
            v = d1 / ab
        elif vb <= 0 and d2 >= 0 and d6 <= 0 and ac > 0:
            w = d2 / ac
        elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0 and d4 - d3 + d5 - d6 > 0:
            w = (d4 - d3) / (d4 - d3 + d5 - d6)
            v = 1.0 - w
        elif va + vb + vc > 0:
            v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    # From the point on, where numbers are small: distances then have all their digits.
    away_x, away_y, away_z = v * abx + w * acx - px, v * aby + w * acy - py, v * abz + w * acz - pz
    closest[0], closest[1], closest[2] = x + away_x, y + away_y, z + away_z
    return away_x * away_x + away_y * away_y + away_z * away_z
