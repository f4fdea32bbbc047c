"""Values known at some places of a mesh, spread smoothly over all of it: no UV seam is in the way."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int
from scipy.sparse.linalg import splu


def edge_laplacian(triangles: Int[np.ndarray, "triangle 3"], vertex_count: int) -> sparse.csc_matrix:
    """The graph Laplacian of the mesh: the number of neighbours on the diagonal, -1 for each neighbour."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.concatenate([edges, edges[:, ::-1]]).T
    adjacency = sparse.coo_matrix((np.ones(ends.shape[1]), ends), shape=(vertex_count, vertex_count)).tocsr()
    adjacency.data[:] = 1
    degrees = np.asarray(adjacency.sum(1)).ravel()
    return (sparse.diags(degrees) - adjacency).tocsc()


def spread(
    triangles: Int[np.ndarray, "triangle 3"],
    places: sparse.csr_matrix,
    values: Float[np.ndarray, "place channel"],
    weights: Float[np.ndarray, " place"],
    membrane: float,
    bending: float,
) -> Float[np.ndarray, "vertex channel"]:
    """Vertex values x that come close to `values` at some places of the mesh and are smooth everywhere.

    Minimises sum weights |places x - values|^2 + membrane x'Lx + bending |Lx|^2, where `places` (place,
    vertex) holds the weights of the vertices at each place and L is the graph Laplacian. The membrane keeps
    what is extended between its data's least and greatest value; bending goes through the data without
    peaks. Parts of the mesh without data get zero.
    """
    count = places.shape[1]
    laplacian = edge_laplacian(triangles, count)
    smoothness = membrane * laplacian + bending * (laplacian @ laplacian)
    weighted = places.T @ sparse.diags(weights)
    # A trace of a pull to zero makes parts without data solvable.
    trace = 1e-9 * max(float(weights.max(initial=0)), 1e-12)
    system = weighted @ places + smoothness + trace * sparse.identity(count)
    solver = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solver.solve(np.asarray(weighted @ values, np.float64))
