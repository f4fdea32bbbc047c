"""Optimal-step non-rigid ICP: a mesh bent onto a set of points, by an affine map at each vertex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree

# Stiffness of the step that keypoints alone decide, and of the three stages after it.
_KEYPOINT_STIFFNESS, _STIFFNESS, _STAGES = 150.0, 50.0, 3
# How much the columns of an affine map (x, y, z, shift) count in the first step's stiffness.
_KEYPOINT_COLUMNS = (2.0, 2.0, 3.0, 2.0)
_KEYPOINT_WEIGHT, _MOST_KEYPOINT_STEPS = 50.0, 11
# A stage is over where the maps of two steps differ by less, in the Frobenius norm.
_LARGEST_CHANGE = 1.0
# Correspondences farther than twice their mean, and than this, are left out.
_FARTHEST = 1.0


@dataclass(frozen=True)
class Keypoints:
    """Vertices of the bent mesh, and where they are to come."""

    vertices: Int[np.ndarray, " keypoint"]
    targets: Float[np.ndarray, "keypoint 3"]


@dataclass(frozen=True)
class Bent:
    """The bent vertices, and how many linear systems were solved for them."""

    vertices: Float[np.ndarray, "vertex 3"]
    solves: int


def bend(
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    points: Float[np.ndarray, "point 3"],
    keypoints: Keypoints | None,
) -> Bent:
    """Bend a mesh onto points (Amberg et al. 2007), on the schedule of REALY (Chai et al. 2022).

    Each step gives every vertex an affine map of the place where the step before left it, such that mapped
    vertices lie on their nearest points and neighbours are mapped alike. Keypoints, where given, first
    decide alone, then count less from step to step. Lengths mean what they do in REALY, whose unit is about
    a centimetre.
    """
    system = _System.of(len(vertices), triangles)
    tree = KDTree(points)
    solves = 0
    # Neither has been an affine map yet: the first step always counts as a change.
    before, maps = np.zeros((4 * len(vertices), 3)), np.ones((4 * len(vertices), 3))
    if keypoints is not None:
        before, maps = (
            maps,
            system.solve(vertices, _KEYPOINT_STIFFNESS, _KEYPOINT_COLUMNS, [(keypoints, _KEYPOINT_WEIGHT)]),
        )
        vertices, solves = _mapped(vertices, maps), 1
    for stage in range(_STAGES):
        for _ in _steps(keypoints is not None):
            if np.linalg.norm(maps - before) <= _LARGEST_CHANGE * 0.5**stage:
                break
            away, nearest = tree.query(vertices)
            counted = np.flatnonzero(away < max(2 * away.mean(), _FARTHEST))
            wanted = [(Keypoints(counted, points[np.asarray(nearest)[counted]]), 1.0)]
            if keypoints is not None:
                wanted.append((keypoints, _KEYPOINT_WEIGHT / 10 * np.exp(-0.9 * solves)))
            before, maps = maps, system.solve(vertices, _STIFFNESS * np.exp(-0.5 * stage), (1.0,) * 4, wanted)
            vertices, solves = _mapped(vertices, maps), solves + 1
    return Bent(vertices, solves)


def _steps(limited: bool) -> Iterator[int]:
    step = 0
    while not limited or step < _MOST_KEYPOINT_STEPS:
        yield step
        step += 1


def _mapped(
    vertices: Float[np.ndarray, "vertex 3"], maps: Float[np.ndarray, "row 3"]
) -> Float[np.ndarray, "vertex 3"]:
    return np.einsum("vk,vkc->vc", _homogeneous(vertices), maps.reshape(-1, 4, 3))


def _homogeneous(vertices: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "vertex 4"]:
    """Rounded to single precision, as the official program keeps them: now and then a nearest point turns on
    it, and with that a neighbourhood by tenths of a millimetre."""
    rounded = vertices.astype(np.float32).astype(np.float64)
    return np.concatenate([rounded, np.ones((len(vertices), 1))], 1)


@dataclass(frozen=True)
class _System:
    """The normal equations of a mesh: `laplacian` is the sum of squared differences over its edges."""

    laplacian: sparse.csr_matrix

    @classmethod
    def of(cls, count: int, triangles: Int[np.ndarray, "triangle 3"]) -> _System:
        sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
        edges = np.unique(sides, axis=0)
        rows = np.repeat(np.arange(len(edges)), 2)
        signs = np.tile([1.0, -1.0], len(edges))
        incidence = sparse.csr_matrix((signs, (rows, edges.ravel())), (len(edges), count))
        return cls((incidence.T @ incidence).tocsr())

    def solve(
        self,
        vertices: Float[np.ndarray, "vertex 3"],
        stiffness: float,
        columns: tuple[float, ...],
        wanted: list[tuple[Keypoints, float]],
    ) -> Float[np.ndarray, "row 3"]:
        """Four rows of an affine map for each vertex, so that the weighted squares are least."""
        matrix = sparse.kron(self.laplacian, sparse.diags(np.square(stiffness * np.array(columns))))
        places = _homogeneous(vertices)
        # Of each vertex its own 4 x 4 block, the sum over what is wanted of it.
        blocks, right = np.zeros((len(vertices), 4, 4)), np.zeros((len(vertices), 4, 3))
        for keypoints, weight in wanted:
            at = places[keypoints.vertices]
            np.add.at(blocks, keypoints.vertices, weight**2 * at[:, :, None] * at[:, None])
            np.add.at(right, keypoints.vertices, weight**2 * at[:, :, None] * keypoints.targets[:, None])
        count = np.arange(len(vertices))
        diagonal = sparse.bsr_matrix((blocks, count, np.arange(len(vertices) + 1)), matrix.shape)
        # Symmetric and positive: no pivoting, and an order for such.
        factor = splu(
            (matrix + diagonal).tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return factor.solve(right.reshape(-1, 3))
