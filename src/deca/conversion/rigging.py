"""A skeleton for heads that came without: the jaw's hinge, skinning weights, and joints from vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from deca.fitting.mesh_fields import edge_laplacian, spread

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)

# Against a weight of one where the jaw's turn moves a vertex farthest.
_BENDING, _MEMBRANE = 0.02, 1e-4
# Share of what is largest below which a vertex moves too little to tell.
_RANK = 1e-13


@dataclass(frozen=True)
class Hinge:
    """A turn about a fixed point: axis-angle, the point on the axis with x = 0, and the largest distance
    (metres) by which it misses what it was fitted to."""

    turn: Float[np.ndarray, "3"]
    point: Float[np.ndarray, "3"]
    residual: float

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The turn as a rotation matrix."""
        return Rotation.from_rotvec(self.turn).as_matrix()

    def carry(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """Points after the turn."""
        return (points - self.point) @ self.matrix.T + self.point


def fit_hinge(points: Float[np.ndarray, "point 3"], moved: Float[np.ndarray, "point 3"]) -> Hinge:
    """The turn about a left-right axis that best carries points to where they moved.

    The turn is that of Procrustes in the plane of y and z: a jaw's hinge has no other.
    """
    flat, flat_moved = points * [0, 1, 1], moved * [0, 1, 1]
    a, b = flat - flat.mean(0), flat_moved - flat_moved.mean(0)
    angle = np.arctan2((a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]).sum(), (a * b).sum())
    rotation = Rotation.from_rotvec([angle, 0, 0]).as_matrix()
    shift = flat_moved.mean(0) - rotation @ flat.mean(0)
    point = np.zeros(3)
    point[1:] = np.linalg.solve(np.eye(2) - rotation[1:, 1:], shift[1:])
    hinge = Hinge(np.array([angle, 0.0, 0.0]), point, 0.0)
    residual = float(np.linalg.norm(hinge.carry(points) - moved, axis=1).max())
    return Hinge(hinge.turn, hinge.point, residual)


def turn_shares(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    moves: Float[np.ndarray, "vertex 3"],
    hinge: Hinge,
) -> Float[np.ndarray, " vertex"]:
    """How much of a turn each vertex follows when it moves by `moves`: smooth over the mesh, in [0, 1].

    Near the hinge, where a turn hardly moves anything, the share is that of the surroundings.
    """
    whole = hinge.carry(vertices) - vertices
    squared = (whole**2).sum(1)
    share = ((moves * whole).sum(1) / np.maximum(squared, 1e-12)).clip(0, 1)
    laplacian = edge_laplacian(triangles, np.zeros(len(vertices), int))
    places = sparse.csr_matrix(sparse.identity(len(vertices)))
    smooth = spread(laplacian, places, share[:, None], squared / squared.max(), _MEMBRANE, _BENDING)
    return smooth[:, 0].clip(0, 1)


def even_weights(
    chosen: Int[np.ndarray, " chosen"],
    target: Float[np.ndarray, "3"],
    vertices: Float[np.ndarray, "vertex 3"],
) -> Float[np.ndarray, " vertex"]:
    """Weights of the chosen vertices, as even as can be, that sum to one and whose mean is the target.

    A joint regressed by them goes along with every affine change of what surrounds it.
    """
    constraints = np.concatenate([np.ones((1, len(chosen))), vertices[chosen].T])
    weights = np.zeros(len(vertices))
    even = np.full(len(chosen), 1 / len(chosen))
    weights[chosen] = nearest_solution(constraints, np.array([1.0, *target]), even)
    return weights


def nearest_solution(
    constraints: Float[np.ndarray, "constraint unknown"],
    wanted: Float[np.ndarray, "constraint *more"],
    start: Float[np.ndarray, "unknown *more"],
) -> Float[np.ndarray, "unknown *more"]:
    """The solution of linear constraints that is closest to `start`; rows that repeat others do no harm."""
    # Rows of one length, so that small displacements bind as firmly as positions.
    length = np.linalg.norm(constraints, axis=1)
    kept = length > _RANK * length.max()
    rows = constraints[kept] / length[kept][:, None]
    missing = (wanted[kept].T / length[kept]).T - rows @ start
    values, vectors = np.linalg.eigh(rows @ rows.T)
    used = values > _RANK * values.max()
    spectrum = vectors[:, used] / values[used]
    return start + rows.T @ (spectrum @ (vectors[:, used].T @ missing))


def smooth_step(values: Float[np.ndarray, "*shape"], low: float, high: float) -> Float[np.ndarray, "*shape"]:
    """A smooth step from 0 at `low` to 1 at `high`."""
    step = np.clip((values - low) / (high - low), 0, 1)
    return step * step * (3 - 2 * step)
