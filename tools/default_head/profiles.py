"""Cuts through the skin beside mouth and eyes: profiles that start in the cavity and run outward over the
rim."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from default_head.mesh import Topology
from jaxtyping import Float, Int

# A lip or lid turns outward within this length of its hidden rim, metres.
RIM_LENGTH = 0.007


def profiles(
    vertices: Float[np.ndarray, "vertex 3"], topology: Topology, cavity: int, across: float
) -> tuple[Float[np.ndarray, "upper 3"], Float[np.ndarray, "lower 3"]]:
    """The upper and the lower profile in the plane x = `across`, from the cavity's hidden rim outward.

    `cavity` is an entry of mesh.CAVITIES. A plane that misses the rim is a ValueError.
    """
    outside = topology.triangles[(topology.part == 0) & (topology.cavity == 0)]
    rim = np.intersect1d(topology.triangles[topology.cavity == cavity], outside)
    segments = _segments(vertices, outside, across)
    links: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, segment in enumerate(segments):
        for edge in segment:
            links[edge].append(index)
    starts = [edge for edge, used in links.items() if len(used) == 1 and np.isin(edge, rim).all()]
    if len(starts) < 2:
        raise ValueError(f"the plane x = {across:.4f} does not cut the rim of cavity {cavity} twice")
    chains = [
        np.array([_point(vertices, edge, across) for edge in _chain(start, segments, links)])
        for start in starts
    ]
    chains.sort(key=lambda chain: chain[min(12, len(chain) - 1), 1])
    return chains[-1], chains[0]


def arc_lengths(line: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, " point"]:
    """Length along a polyline from its start to each point."""
    return np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def point_at(line: Float[np.ndarray, "point 3"], length: float) -> Float[np.ndarray, "3"]:
    """The point of a polyline at a length from its start."""
    along = arc_lengths(line)
    return np.array([np.interp(length, along, line[:, axis]) for axis in range(3)])


def parting_length(line: Float[np.ndarray, "point 3"], side: int) -> float:
    """The length along an upper (side 1) or lower (-1) profile where it parts from what it covers, seen from
    ahead."""
    along = arc_lengths(line)
    height = np.where(along < RIM_LENGTH, side * line[:, 1], np.inf)
    # Of the points within a third of a millimetre of the edge, the foremost.
    edge = np.flatnonzero(height < height.min() + 0.0003)
    return float(along[edge[line[edge, 2].argmax()]])


def midline_profile(
    vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Int[np.ndarray, " vertex"]:
    """The vertices of the midline of the outer skin, from the chin's underside to the crown."""
    outside = np.unique(topology.triangles[(topology.part == 0) & (topology.cavity == 0)])
    middle = outside[(np.abs(vertices[outside, 0]) < 1e-9) & (vertices[outside, 2] > 0.03)]
    return middle[np.argsort(vertices[middle, 1])]


def _segments(vertices, triangles, across):
    """For each triangle that the plane cuts, the two edges it cuts, as sorted vertex pairs."""
    # Vertices exactly on the plane count as left of it.
    left = vertices[:, 0] <= across
    segments = []
    for triangle in triangles[left[triangles].any(1) & ~left[triangles].all(1)].tolist():
        edges = [(triangle[i], triangle[(i + 1) % 3]) for i in range(3)]
        segments.append([(min(edge), max(edge)) for edge in edges if left[edge[0]] != left[edge[1]]])
    return segments


def _chain(start, segments, links):
    edges, used = [start], set()
    while True:
        onward = [index for index in links[edges[-1]] if index not in used]
        if not onward:
            return edges
        used.add(onward[0])
        first, second = segments[onward[0]]
        edges.append(second if first == edges[-1] else first)


def _point(vertices, edge, across):
    first, second = vertices[edge[0]], vertices[edge[1]]
    return first + (second - first) * (across - first[0]) / (second[0] - first[0])
