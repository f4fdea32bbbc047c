"""Pieces of the left half of the mesh, flattened one by one, and put together with their mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from default_head.flatten import minimise_distortion, reference_triangles, tutte_embedding
from default_head.regions import mirrored_triangles
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Chart:
    """A piece of the left half: which triangles of the head, and where in the map their corners lie."""

    triangles: Int[np.ndarray, " triangle"]
    corners: Float[np.ndarray, "triangle 3 2"]

    def placed(self, low: tuple[float, float], high: tuple[float, float]) -> Chart:
        """The chart shifted and scaled, alike in both directions, to the middle of a box of the map."""
        lowest, highest = self.corners.min((0, 1)), self.corners.max((0, 1))
        scale = ((np.array(high) - low) / (highest - lowest)).min()
        return Chart(
            self.triangles, (self.corners - (lowest + highest) / 2) * scale + (np.array(low) + high) / 2
        )


def with_mirror_images(
    charts: list[Chart], triangles: Int[np.ndarray, "triangle 3"], vertex_mirror: Int[np.ndarray, " vertex"]
) -> tuple[Float[np.ndarray, "texture_vertex 2"], Int[np.ndarray, "triangle 3"]]:
    """Texture vertices and triangles of charts and their mirror images about u = 0.5.

    Corners of one vertex at one place of the map share a texture vertex, so the map is cut only along its
    seams.
    """
    places = np.full((len(triangles), 3, 2), np.nan)
    for chart in charts:
        places[chart.triangles] = chart.corners
    image = mirrored_triangles(triangles, vertex_mirror)
    for number in np.concatenate([chart.triangles for chart in charts]):
        corner_of = {vertex: corner for corner, vertex in enumerate(triangles[number].tolist())}
        order = [corner_of[vertex] for vertex in vertex_mirror[triangles[image[number]]].tolist()]
        places[image[number]] = places[number, order] * [-1, 1] + [1, 0]
    if np.isnan(places).any():
        raise ValueError(f"{np.isnan(places).any((1, 2)).sum()} triangles lie in no chart of the layout")
    keyed = np.concatenate([triangles.reshape(-1, 1), np.round(places.reshape(-1, 2), 9)], 1)
    unique, texture_triangles = np.unique(keyed, axis=0, return_inverse=True)
    return unique[:, 1:], texture_triangles.reshape(-1, 3)


def boundary_loops(triangles: Int[np.ndarray, "triangle 3"]) -> list[list[int]]:
    """The closed loops of border edges, longest first, each in the direction in which the triangles lie to
    its left.
    """
    edges = {(a, b) for t in triangles.tolist() for a, b in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))}
    onward = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while onward:
        start, vertex = onward.popitem()
        loop = [start]
        while vertex != start:
            loop.append(vertex)
            vertex = onward.pop(vertex)
        loops.append(loop)
    return sorted(loops, key=len, reverse=True)


def along(vertices: Float[np.ndarray, "vertex 3"], path: list[int]) -> Float[np.ndarray, " point"]:
    """Fractions of the length of a path at its vertices, from 0 to 1."""
    steps = np.linalg.norm(np.diff(vertices[path], axis=0), axis=1)
    total = np.concatenate([[0], np.cumsum(steps)])
    return total / total[-1]


def round_chart(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    numbers: Int[np.ndarray, " chosen"],
) -> Chart:
    """Flatten the disc of the triangles `numbers` into a circle, the border spaced as it is on the head."""
    used, local = _localised(triangles[numbers])
    (loop,) = boundary_loops(local)
    # The highest point of the border comes to lie at the top of the circle.
    top = int(np.argmax(vertices[used[loop], 1]))
    loop = loop[top:] + loop[:top]
    angles = np.pi / 2 + 2 * np.pi * along(vertices[used], [*loop, loop[0]])[:-1]
    border = np.stack([np.cos(angles), np.sin(angles)], 1)
    return Chart(numbers, _flatten_inside(vertices[used], local, loop, border)[local])


def box_chart(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    numbers: Int[np.ndarray, " chosen"],
    width: float,
    height: float,
) -> Chart:
    """Flatten a grid-like disc into a box, its four corners the border's vertices of at most two triangles.

    The first side is the longest of the disc; sides keep their spacing.
    """
    used, local = _localised(triangles[numbers])
    (loop,) = boundary_loops(local)
    counts = np.bincount(local.ravel())
    corners = [vertex for vertex in loop if counts[vertex] <= 2]
    if len(corners) != 4:
        raise ValueError(f"a box needs a disc of four corners, this one has {len(corners)}")
    turned = loop[loop.index(corners[0]) :] + loop[: loop.index(corners[0])]
    stops = [turned.index(corner) for corner in corners] + [len(turned)]
    sides = [[*turned, turned[0]][start : stop + 1] for start, stop in pairwise(stops)]
    longest = int(
        np.argmax([np.linalg.norm(np.diff(vertices[used[side]], axis=0), axis=1).sum() for side in sides])
    )
    outline = np.array([(0, 0), (width, 0), (width, height), (0, height), (0, 0)])
    border = []
    for number in range(4):
        fractions = along(vertices[used], sides[(longest + number) % 4])[:-1, None]
        border.append(outline[number] + fractions * (outline[number + 1] - outline[number]))
    ordered = [vertex for number in range(4) for vertex in sides[(longest + number) % 4][:-1]]
    return Chart(numbers, _flatten_inside(vertices[used], local, ordered, np.concatenate(border))[local])


def _localised(triangles: Int[np.ndarray, "triangle 3"]) -> tuple[np.ndarray, np.ndarray]:
    """The vertices in use and the triangles that index them."""
    used, local = np.unique(triangles, return_inverse=True)
    return used, local.reshape(-1, 3)


def _flatten_inside(positions, local, loop, border) -> Float[np.ndarray, "vertex 2"]:
    """Relax the inside of a disc whose border is held on a convex outline."""
    points, fixed = np.zeros((len(positions), 2)), np.zeros(len(positions), bool)
    points[loop], fixed[loop] = border, True
    points = tutte_embedding(local, fixed, points)
    shapes = reference_triangles(positions, local)
    area = np.linalg.det(shapes)
    mapped = np.linalg.det(points[local][:, 1:] - points[local][:, :1])
    shapes = shapes * np.sqrt(mapped.sum() / area.sum())
    return minimise_distortion(points, local, shapes, area / area.sum(), np.repeat(fixed[:, None], 2, 1))
