"""The lips of the mean head: closed at rest, where the base mesh leaves a slit of half a millimetre, and
round when they open."""

from __future__ import annotations

import numpy as np
from default_head.distances import distance_from, edge_graph
from default_head.frame import smooth_step
from default_head.mesh import Topology
from jaxtyping import Float
from scipy.sparse.csgraph import dijkstra

# How far each lip is moved up, and the distance along the skin over which that fades, metres.
UPPER_SHIFT, LOWER_SHIFT, FADE = -0.0002, 0.0004, 0.012
# An open mouth's outline between its middle (0) and its corners (1): fuller than a parabola, less than an
# ellipse; and the distances from a lip's rim within which the skin follows it, metres.
OUTLINE_POWER, FOLLOW = 0.65, (0.006, 0.024)


def with_closed_lips(
    vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Float[np.ndarray, "vertex 3"]:
    """The head with its lips in touch; a little overlap keeps them so when shape coefficients move them
    apart."""
    graph = edge_graph(vertices, topology)
    upper, lower = _rims(vertices, topology, graph)
    corner = np.abs(vertices[np.concatenate([upper, lower]), 0]).max()
    to_upper, to_lower = distance_from(graph, upper), distance_from(graph, lower)
    shift = np.where(to_upper < to_lower, UPPER_SHIFT, np.where(to_lower < to_upper, LOWER_SHIFT, 0))
    fade = 1 - smooth_step(np.minimum(to_upper, to_lower), 0.3 * FADE, FADE)
    within = 1 - smooth_step(np.abs(vertices[:, 0]), 0.92 * corner, 1.02 * corner)
    moved = shift * fade * within
    return vertices + np.stack([0 * moved, moved, 0 * moved], 1)


def rounded_opening(
    field: Float[np.ndarray, "vertex 3"],
    source: Float[np.ndarray, "vertex 3"],
    vertices: Float[np.ndarray, "vertex 3"],
    topology: Topology,
) -> Float[np.ndarray, "vertex 3"]:
    """A mirror-symmetric field, changed so that it opens the mouth round rather than as a diamond.

    The lips' middle and corners are displaced as in `source`; their rims' displacement between is an outline
    of OUTLINE_POWER, and the skin follows its lip.
    """
    graph = edge_graph(vertices, topology)
    result = field.copy()
    rims = _rims(vertices, topology, graph)
    distances = [distance_from(graph, rim) for rim in rims]
    for rim, to_lip, to_other in zip(rims, distances, distances[::-1], strict=True):
        side = rim[vertices[rim, 0] > -1e-9]
        side = side[np.argsort(vertices[side, 0])]
        corner = vertices[side[-1], 0]
        share = np.abs(vertices[:, 0]) / corner
        outline = (1 - share.clip(0, 1) ** 2) ** OUTLINE_POWER
        follows = (1 - smooth_step(to_lip, *FOLLOW)) * (to_lip < to_other)
        for axis in (1, 2):
            middle, end = source[side[[0, -1]], axis]
            wanted = end + (middle - end) * outline
            found = np.interp(share * corner, vertices[side, 0], field[side, axis])
            result[:, axis] += follows * (wanted - found)
    return result


def _rims(vertices, topology: Topology, graph):
    """The hidden rim of the mouth cavity, cut at its two corners into an upper and a lower half."""
    outside = topology.triangles[(topology.part == 0) & (topology.cavity == 0)]
    rim = np.intersect1d(topology.triangles[topology.cavity == 1], outside)
    corners = rim[[vertices[rim, 0].argmin(), vertices[rim, 0].argmax()]]
    inner = np.setdiff1d(rim, corners)
    steps = dijkstra(graph[inner][:, inner], directed=False, indices=int(vertices[inner, 1].argmax()))
    first = np.isfinite(steps)
    return inner[first], inner[~first]
