"""Values known at some places of a mesh, spread smoothly over all of it: no UV seam is in the way."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int
from scipy.sparse.linalg import splu


def edge_laplacian(
    triangles: Int[np.ndarray, "triangle 3"], group: Int[np.ndarray, " vertex"], between: float = 1.0
) -> sparse.csc_matrix:
    """The graph Laplacian of a mesh whose edges weigh one within a group of vertices and `between` across
    groups."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    first, second = np.concatenate([edges, edges[:, ::-1]]).T
    count = len(group)
    adjacency = (
        sparse.coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count)).tocsr().tocoo()
    )
    first, second = adjacency.coords
    weights = np.where(group[first] == group[second], 1.0, between)
    adjacency = sparse.csr_matrix((weights, (first, second)), shape=(count, count))
    return (sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsc()


class SmoothField:
    """Values known at some places of a mesh, spread over it; what follows from the places is solved once.

    `places` (place, vertex) holds the weights of the vertices at each place, `weights` how much each counts.
    """

    def __init__(
        self,
        laplacian: sparse.csc_matrix,
        places: sparse.csr_matrix,
        weights: Float[np.ndarray, " place"],
        membrane: float,
        bending: float,
    ) -> None:
        smoothness = membrane * laplacian + bending * (laplacian @ laplacian)
        self._weighted = places.transpose() @ sparse.diags(weights)
        # A trace of a pull to zero makes parts without data solvable.
        trace = 1e-9 * max(float(weights.max(initial=0)), 1e-12)
        system = self._weighted @ places + smoothness + trace * sparse.identity(len(laplacian.indptr) - 1)
        options = {"SymmetricMode": True}
        self._solver = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options=options)

    def __call__(self, values: Float[np.ndarray, "place channel"]) -> Float[np.ndarray, "vertex channel"]:
        """Vertex values x that come close to `values` at the places and are smooth everywhere.

        Minimises sum weights |places x - values|^2 + membrane x'Lx + bending |Lx|^2, L the mesh's
        `edge_laplacian`. The membrane keeps what is carried on between its data's least and greatest value;
        bending goes through the data without peaks. Parts of the mesh without data get zero.
        """
        return self._solver.solve(np.asarray(self._weighted @ values, np.float64))


def spread(
    laplacian: sparse.csc_matrix,
    places: sparse.csr_matrix,
    values: Float[np.ndarray, "place channel"],
    weights: Float[np.ndarray, " place"],
    membrane: float,
    bending: float,
) -> Float[np.ndarray, "vertex channel"]:
    """What SmoothField makes of values that are spread only once."""
    return SmoothField(laplacian, places, weights, membrane, bending)(values)
