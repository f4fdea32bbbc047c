"""Flattening of a disc of triangles: a Tutte embedding, then distortion lowered without ever flipping one."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from scipy.sparse.linalg import splu


def reference_triangles(
    vertices: Float[np.ndarray, "vertex 3"], triangles: Int[np.ndarray, "triangle 3"]
) -> Float[np.ndarray, "triangle 2 2"]:
    """The edges 0-1 and 0-2 of each triangle as columns, laid isometrically into its own plane,
    counter-clockwise.
    """
    corners = vertices[triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.maximum(np.linalg.norm(first, axis=1), 1e-12)
    along = (first * second).sum(1) / length
    across = np.linalg.norm(np.cross(first, second), axis=1) / length
    shapes = np.zeros((len(triangles), 2, 2))
    shapes[:, 0, 0], shapes[:, 0, 1], shapes[:, 1, 1] = length, along, across
    return shapes


def tutte_embedding(
    triangles: Int[np.ndarray, "triangle 3"],
    fixed: Bool[np.ndarray, " vertex"],
    points: Float[np.ndarray, "vertex 2"],
) -> Float[np.ndarray, "vertex 2"]:
    """Every free vertex at the mean of its neighbours (Tutte 1963): no flip when the boundary is fixed and
    convex.

    `points` gives the places of the `fixed` vertices; its other rows are not read.
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.concatenate([edges, edges[:, ::-1]])
    # Both triangles at an edge name it, so it would count twice: keep each pair of neighbours once.
    first, second = np.unique(ends, axis=0).T
    adjacency = sparse.csr_matrix((np.ones(len(first)), (first, second)), shape=(len(points), len(points)))
    laplacian = (sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()
    free = ~fixed
    embedded = points.copy()
    embedded[free] = splu(laplacian[free][:, free].tocsc()).solve(-laplacian[free][:, fixed] @ points[fixed])
    return embedded


def minimise_distortion(
    points: Float[np.ndarray, "vertex 2"],
    triangles: Int[np.ndarray, "triangle 3"],
    shapes: Float[np.ndarray, "triangle 2 2"],
    weights: Float[np.ndarray, " triangle"],
    fixed: Bool[np.ndarray, "vertex 2"],
    iterations: int = 60,
) -> Float[np.ndarray, "vertex 2"]:
    """Move a flip-free map towards one in which every triangle has its reference shape.

    Lowers sum w (|J|^2 + |J^-1|^2) by reweighted least squares (Rabinovich et al. 2017, Scalable Locally
    Injective Mappings), J taking the reference triangle `shapes` to the map. `fixed` holds single coordinates
    in place, so that a vertex may slide along a straight border. The result has no flipped triangle when the
    input has none.
    """
    inverse = np.linalg.inv(shapes)
    derivative_x, derivative_y = _derivatives(triangles, inverse, len(points))
    free = np.nonzero(~fixed.T.ravel())[0]
    current = np.array(points.T.ravel())
    energy = _energy(_jacobians(current, derivative_x, derivative_y), weights)
    for _ in range(iterations):
        jacobians = _jacobians(current, derivative_x, derivative_y)
        left, stretch, right = np.linalg.svd(jacobians)
        rotations = left @ right
        near_one = np.abs(stretch - 1) < 1e-6
        ratio = (stretch - stretch**-3) / np.where(near_one, 1, stretch - 1)
        reweighting = np.sqrt(np.where(near_one, 4, ratio) * weights[:, None])
        metric = (left * reweighting[:, None]) @ left.transpose(0, 2, 1)
        target = metric @ rotations
        system = sparse.vstack(
            [
                sparse.hstack([sparse.diags(metric[:, row, 0]) @ d, sparse.diags(metric[:, row, 1]) @ d])
                for row in (0, 1)
                for d in (derivative_x, derivative_y)
            ]
        ).tocsc()
        right_side = np.concatenate([target[:, row, column] for row in (0, 1) for column in (0, 1)])
        part = system[:, free]
        normal = part.T @ part
        damping = 1e-6 * normal.diagonal().mean() * sparse.identity(len(free))
        step = np.zeros_like(current)
        step[free] = splu((normal + damping).tocsc()).solve(part.T @ (right_side - system @ current))
        length = min(1.0, 0.8 * _first_flip(jacobians, _jacobians(step, derivative_x, derivative_y)))
        before = energy
        while length > 1e-9:
            candidate = current + length * step
            energy = _energy(_jacobians(candidate, derivative_x, derivative_y), weights)
            if energy < before:
                current = candidate
                break
            length *= 0.5
        if before - energy < 1e-7 * before:
            break
    return current.reshape(2, -1).T


def _derivatives(triangles, inverse, count) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Per-triangle derivatives of a vertex function along the axes of the reference triangle."""
    rows = np.repeat(np.arange(len(triangles)), 3)
    matrices = []
    for axis in (0, 1):
        second, third = inverse[:, 0, axis], inverse[:, 1, axis]
        values = np.stack([-second - third, second, third], 1)
        matrices.append(
            sparse.csr_matrix((values.ravel(), (rows, triangles.ravel())), shape=(len(triangles), count))
        )
    return matrices[0], matrices[1]


def _jacobians(flat, derivative_x, derivative_y) -> Float[np.ndarray, "triangle 2 2"]:
    half = len(flat) // 2
    u, v = flat[:half], flat[half:]
    return np.stack([derivative_x @ u, derivative_y @ u, derivative_x @ v, derivative_y @ v], 1).reshape(
        -1, 2, 2
    )


def _energy(jacobians, weights) -> float:
    determinant = np.linalg.det(jacobians)
    if (determinant <= 0).any():
        return np.inf
    squared = (jacobians**2).sum((1, 2))
    return float((weights * squared * (1 + determinant**-2)).sum())


def _first_flip(jacobians, steps) -> float:
    """The smallest positive length at which a triangle loses its area, a root of det(J + length * step)."""
    a = np.linalg.det(steps)
    c = np.linalg.det(jacobians)
    b = (
        jacobians[:, 0, 0] * steps[:, 1, 1]
        + jacobians[:, 1, 1] * steps[:, 0, 0]
        - jacobians[:, 0, 1] * steps[:, 1, 0]
        - jacobians[:, 1, 0] * steps[:, 0, 1]
    )
    discriminant = b * b - 4 * a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    # The stable form of the quadratic's roots: one division by a, one by the sum that does not cancel.
    q = -0.5 * (b + np.where(b >= 0, root, -root))
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([q / a, c / q])
    valid = np.isfinite(roots) & (roots > 0) & (discriminant >= 0)
    return float(roots[valid].min()) if valid.any() else np.inf
