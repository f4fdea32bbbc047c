"""Distances along the skin: lips are near each other in space and far apart on the face."""

from __future__ import annotations

import numpy as np
from default_head.mesh import Topology
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra


def edge_graph(vertices: Float[np.ndarray, "vertex 3"], topology: Topology) -> csr_array:
    """The skin's edges with their lengths, metres, as a (vertex, vertex) matrix."""
    skin = topology.triangles[topology.part == 0]
    edges = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    return coo_array((lengths, edges.T), shape=(len(vertices),) * 2).tocsr()


def distance_from(graph: csr_array, sources: Int[np.ndarray, " source"]) -> Float[np.ndarray, " vertex"]:
    """The length of the shortest way along the edges to the nearest source, metres; infinite off the skin."""
    return dijkstra(graph, directed=False, indices=sources, min_only=True)
