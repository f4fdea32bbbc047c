"""The teeth: two arches with single teeth, modelled on the bands that the MakeHuman mesh has in their
place."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from default_head.makehuman import MakeHuman
from jaxtyping import Bool, Float, Int

# Mesio-distal widths from the midline back, millimetres (Wheeler's Dental Anatomy, chapter 1): incisors,
# canine, premolars, two molars.
TOOTH_WIDTHS = {"upper": (8.5, 6.5, 7.5, 7, 7, 10, 9), "lower": (5, 5.5, 7, 7, 7, 11, 10.5)}
# Where along a tooth its columns stand (0 is the gap before it), and the rows along the profile: 0 and 1
# are the gum, 2 is the biting edge, 3 the inner side.
TOOTH_COLUMNS = (0.0, 0.2, 0.8)
PROFILE = (0.0, 0.7, 1.0, 1.4, 1.8, 2.0, 2.15, 2.5, 3.0)
GROOVE = 0.0009
# The source's arches stand too high: a smile hardly showed teeth. Judged on fitted smiles; metres.
LOWERED = {"upper": 0.0033, "lower": 0.0028}
BAND_COLUMNS, BAND_ROWS = 17, 4


@dataclass(frozen=True)
class Arch:
    """One dental arch as weights on the vertices of its band in the base mesh, plus the relief of the
    teeth."""

    helpers: Int[np.ndarray, " helper"]
    weights: Float[np.ndarray, "tooth helper"]
    relief: Float[np.ndarray, "tooth 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    mirror: Int[np.ndarray, " tooth"]


def arch_carrier(data: MakeHuman, name: str) -> Arch:
    """The `upper` or `lower` arch: the band, refined along Catmull-Rom curves, with grooves between the
    teeth."""
    band = data.joint_vertices[f"helper-{name}-teeth"]
    grid = _band_grid(data, name)
    edge = data.vertices[grid[2]]
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
    bounds = np.concatenate([[0], np.cumsum(TOOTH_WIDTHS[name])])
    bounds = bounds / bounds[-1] * along[-1] / 2
    half = [
        start + column * (stop - start)
        for start, stop in itertools.pairwise(bounds)
        for column in TOOTH_COLUMNS
    ]
    half_positions = np.array([*half, bounds[-1]])
    positions = along[-1] / 2 + np.concatenate([-half_positions[:0:-1], half_positions])
    is_gap = between_teeth(name)
    columns = _catmull_rom(np.interp(positions, along, np.arange(BAND_COLUMNS)), BAND_COLUMNS)
    rows = _catmull_rom(np.array(PROFILE), BAND_ROWS)
    weights = np.zeros((len(PROFILE), len(positions), len(data.vertices)))
    for row in range(BAND_ROWS):
        for column in range(BAND_COLUMNS):
            weights[:, :, grid[row, column]] += rows[:, row, None] * columns[None, :, column]
    weights = weights.reshape(-1, len(data.vertices))[:, band]
    surface = (weights @ data.vertices[band]).reshape(len(PROFILE), len(positions), 3)
    triangles = _grid_triangles(len(PROFILE), len(positions))
    index = np.arange(len(PROFILE) * len(positions)).reshape(len(PROFILE), -1)
    outward = _outward(surface)
    if (np.cross(surface[0, 1] - surface[0, 0], surface[1, 0] - surface[0, 0]) * outward[0, 0]).sum() < 0:
        triangles = triangles[:, ::-1]
    # Gaps are grooves on the crown alone: none on the gum, and none on the inner side.
    crown = np.interp(PROFILE, [0.9, 1.2, 2.2, 2.4], [0, 1, 1, 0])
    relief = -GROOVE * (crown[:, None] * is_gap)[..., None] * outward
    return Arch(
        helpers=band,
        weights=weights,
        relief=relief.reshape(-1, 3) - [0, LOWERED[name], 0],
        triangles=triangles,
        mirror=index[:, ::-1].reshape(-1),
    )


def between_teeth(name: str) -> Bool[np.ndarray, " column"]:
    """Which columns of an arch's grid, from right to left, stand between two teeth."""
    left = np.array([column == 0 for _ in TOOTH_WIDTHS[name] for column in TOOTH_COLUMNS] + [True])
    return np.concatenate([left[:0:-1], left])


def _band_grid(data: MakeHuman, name: str) -> Int[np.ndarray, "4 17"]:
    """The band's vertices as rows (outer gum, gum line, biting edge, inner side) of columns from right to
    left."""
    quads = data.quads(f"helper-{name}-teeth")
    edges: dict[int, set[int]] = {}
    for quad in quads.tolist():
        for first, second in zip(quad, quad[1:] + quad[:1], strict=True):
            edges.setdefault(first, set()).add(second)
            edges.setdefault(second, set()).add(first)
    corners = [vertex for vertex, around in edges.items() if len(around) == 2]
    position = data.vertices
    rightmost = [vertex for vertex in corners if position[vertex, 0] < 0]
    # The gum's edge is the outer, wider side of the band; the inner side ends nearer to the midline.
    start, stop = sorted(rightmost, key=lambda vertex: position[vertex, 0])
    column = [start]
    while column[-1] != stop:
        column.append(_next_on_border(column, edges, position))
    grid = [column]
    for _ in range(BAND_COLUMNS - 1):
        used = {vertex for previous in grid for vertex in previous}
        grid.append([min(edges[vertex] - used, key=lambda v: -position[v, 0]) for vertex in grid[-1]])
    return np.array(grid).T


def _next_on_border(column, edges, position):
    """The next vertex of the band's right end: the neighbour that is not yet taken and nearest to that end's
    plane."""
    free = [vertex for vertex in edges[column[-1]] if vertex not in column]
    return min(free, key=lambda vertex: (len(edges[vertex]) > 3, position[vertex, 2]))


def _catmull_rom(at: Float[np.ndarray, " sample"], count: int) -> Float[np.ndarray, "sample knot"]:
    """Weights on `count` knots at 0, 1, ... of the Catmull-Rom curve at the given parameters."""
    knot = np.clip(np.floor(at).astype(int), 0, count - 2)
    t = at - knot
    basis = np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], 1
    )
    weights = np.zeros((len(at), count))
    for offset in range(4):
        index = knot + offset - 1
        inside = (index >= 0) & (index < count)
        weights[np.flatnonzero(inside), index[inside]] += basis[inside, offset] / 2
        # Beyond an end the curve goes on along a straight line through the last two knots.
        for sample in np.flatnonzero(~inside):
            end, before = (0, 1) if index[sample] < 0 else (count - 1, count - 2)
            weights[sample, end] += basis[sample, offset]
            weights[sample, before] -= basis[sample, offset] / 2
    return weights


def _outward(surface: Float[np.ndarray, "row column 3"]) -> Float[np.ndarray, "row column 3"]:
    """Horizontal unit normals of an arch, away from the mouth's middle."""
    tangent = np.gradient(surface.mean(0), axis=0)
    normal = np.stack([-tangent[:, 2], 0 * tangent[:, 0], tangent[:, 0]], 1)
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return np.broadcast_to(normal, surface.shape)


def _grid_triangles(rows: int, columns: int) -> Int[np.ndarray, "triangle 3"]:
    """Triangles of a grid, cut in mirror image left and right of the middle column."""
    index = np.arange(rows * columns).reshape(rows, columns)
    triangles = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            a, b = index[row, column], index[row, column + 1]
            c, d = index[row + 1, column + 1], index[row + 1, column]
            triangles += [[a, b, c], [a, c, d]] if column < columns // 2 else [[a, b, d], [b, c, d]]
    return np.array(triangles)
