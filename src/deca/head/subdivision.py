"""Loop subdivision of a triangle mesh as constant sparse matrices (Loop 1987)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import sparse


@dataclass(frozen=True)
class Split:
    """A mesh with each triangle cut into four: the old vertices first, then the middle of every edge.

    The fine triangles of a coarse one come in the same order whatever the vertices are called, so two meshes
    that correspond triangle by triangle, such as the surface and its UV layout, still do after the cut.
    """

    triangles: Int[np.ndarray, "fine 3"]
    edges: Int[np.ndarray, "edge 2"]
    edge_of_side: Int[np.ndarray, "triangle 3"]


def split(triangles: Int[np.ndarray, "triangle 3"], vertex_count: int) -> Split:
    """Cut triangles at the middles of their edges; side k of a triangle runs from corner k to the next."""
    following = np.roll(triangles, -1, 1)
    lower, higher = np.minimum(triangles, following), np.maximum(triangles, following)
    # One number for each side: sorting pairs takes five times as long.
    keys, edge_of_side = np.unique(lower * vertex_count + higher, return_inverse=True)
    edges, edge_of_side = np.stack(np.divmod(keys, vertex_count), -1), edge_of_side.reshape(-1, 3)
    a, b, c = triangles.T
    ab, bc, ca = (edge_of_side + vertex_count).T
    fine = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], 1).reshape(-1, 3)
    return Split(fine, edges, edge_of_side)


def midpoint_matrix(cut: Split, vertex_count: int) -> sparse.csr_matrix:
    """Old vertices as they are, new ones in the middle of their edge."""
    count = len(cut.edges)
    rows = np.repeat(np.arange(count), 2)
    middles = sparse.csr_matrix((np.full(2 * count, 0.5), (rows, cut.edges.ravel())), (count, vertex_count))
    return sparse.csr_matrix(sparse.vstack([sparse.identity(vertex_count), middles]))


def loop_matrix(triangles: Int[np.ndarray, "triangle 3"], cut: Split, vertex_count: int) -> sparse.csr_matrix:
    """Old and new vertices by Loop's weights, with his rules for the border of an open mesh."""
    sides_of_edge = np.bincount(cut.edge_of_side.ravel(), minlength=len(cut.edges))
    inner = sides_of_edge == 2
    old = _old_vertices(cut.edges, inner, vertex_count)
    new = _new_vertices(triangles, cut, inner, vertex_count)
    return sparse.csr_matrix(sparse.vstack([old, new]))


def _new_vertices(
    triangles: np.ndarray, cut: Split, inner: np.ndarray, vertex_count: int
) -> sparse.csr_matrix:
    """3/8 of both ends and 1/8 of both opposite corners; the plain middle on a border."""
    edge_count = len(cut.edges)
    own = np.where(inner, 3 / 8, 1 / 2)
    opposite = np.roll(triangles, 1, 1).ravel()
    rows = np.concatenate([np.repeat(np.arange(edge_count), 2), cut.edge_of_side.ravel()])
    columns = np.concatenate([cut.edges.ravel(), opposite])
    weights = np.concatenate([np.repeat(own, 2), np.where(inner, 1 / 8, 0)[cut.edge_of_side.ravel()]])
    return sparse.csr_matrix((weights, (rows, columns)), (edge_count, vertex_count))


def _old_vertices(edges: np.ndarray, inner: np.ndarray, vertex_count: int) -> sparse.csr_matrix:
    """Pulled towards the neighbours; on a border towards its two border neighbours; elsewhere left alone."""
    both_ways = np.concatenate([edges, edges[:, ::-1]])
    on_border = np.concatenate([~inner, ~inner])
    valence = np.bincount(both_ways[:, 0], minlength=vertex_count)
    border_valence = np.bincount(both_ways[on_border, 0], minlength=vertex_count)
    smooth = (border_valence == 0) & (valence >= 3)
    pull = np.where(smooth, np.where(valence == 3, 3 / 16, 3 / (8 * np.maximum(valence, 1))), 0.0)
    border_pull = np.where(border_valence == 2, 1 / 8, 0.0)
    weights = np.where(on_border, border_pull[both_ways[:, 0]], pull[both_ways[:, 0]])
    neighbours = sparse.csr_matrix((weights, both_ways.T), (vertex_count, vertex_count))
    rest = 1 - np.asarray(neighbours.sum(1)).ravel()
    return sparse.csr_matrix(neighbours + sparse.diags(rest))
