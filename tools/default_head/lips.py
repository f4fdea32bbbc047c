"""The mouth of the mean head, closed: the base mesh leaves a slit of half a millimetre between its lips."""

from __future__ import annotations

import numpy as np
from default_head.frame import smooth_step
from default_head.mesh import Topology
from jaxtyping import Float
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

# How far each lip is moved up, and the distance along the skin over which that fades, metres.
UPPER_SHIFT, LOWER_SHIFT, FADE = -0.0002, 0.0004, 0.012


def with_closed_lips(
    vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Float[np.ndarray, "vertex 3"]:
    """The head with its lips in touch; a little overlap keeps them so when shape coefficients move them
    apart."""
    skin = topology.triangles[topology.part == 0]
    edges = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    graph = coo_matrix((lengths, edges.T), shape=(len(vertices),) * 2).tocsr()
    upper, lower = _rims(vertices, topology, graph)
    corner = np.abs(vertices[np.concatenate([upper, lower]), 0]).max()
    to_upper, to_lower = (
        dijkstra(graph, directed=False, indices=rim, min_only=True, limit=2 * FADE) for rim in (upper, lower)
    )
    shift = np.where(to_upper < to_lower, UPPER_SHIFT, np.where(to_lower < to_upper, LOWER_SHIFT, 0))
    fade = 1 - smooth_step(np.minimum(to_upper, to_lower), 0.3 * FADE, FADE)
    within = 1 - smooth_step(np.abs(vertices[:, 0]), 0.92 * corner, 1.02 * corner)
    moved = shift * fade * within
    return vertices + np.stack([0 * moved, moved, 0 * moved], 1)


def _rims(vertices, topology: Topology, graph):
    """The hidden rim of the mouth cavity, cut at its two corners into an upper and a lower half."""
    outside = topology.triangles[(topology.part == 0) & (topology.cavity == 0)]
    rim = np.intersect1d(topology.triangles[topology.cavity == 1], outside)
    corners = rim[[vertices[rim, 0].argmin(), vertices[rim, 0].argmax()]]
    inner = np.setdiff1d(rim, corners)
    steps = dijkstra(graph[inner][:, inner], directed=False, indices=int(vertices[inner, 1].argmax()))
    first = np.isfinite(steps)
    return inner[first], inner[~first]
