"""Displacement fields of the skin made smooth, as a thin plate bends, where the source creases it."""

from __future__ import annotations

import numpy as np
from default_head.mesh import Topology
from jaxtyping import Float
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.linalg import splu

# Cotangents of needle triangles are kept from this on, so that every edge pulls its ends together.
LEAST_COTANGENT = 0.05
# A vertex whose reach is zero is held this many times more firmly than one with the longest reach: its own
# reach is then about an eighteenth of that.
FIRMEST = 1e5


def smoothed(
    fields: Float[np.ndarray, "field vertex 3"],
    reach: Float[np.ndarray, " vertex"],
    vertices: Float[np.ndarray, "vertex 3"],
    topology: Topology,
) -> Float[np.ndarray, "field vertex 3"]:
    """The fields with what is shorter than about 2 pi `reach` (metres, by vertex) taken out of them.

    Each coordinate of a field u0 becomes the u that minimises the integral of
    |u - u0|^2 + reach^4 |Laplace u|^2 over the skin (a smoothing thin plate; Botsch and Sorkine, On linear
    variational surface deformation methods, 2008, section 3.2). Where the reach is zero u0 stays, and the
    rest joins it without a crease.
    """
    skin = np.flatnonzero(topology.vertex_part == 0)
    longest = reach[skin].max()
    laplacian, areas = _laplacian(vertices[skin], topology.triangles[topology.part == 0])
    held = areas * np.minimum((longest / np.maximum(reach[skin], 1e-9)) ** 4, FIRMEST)
    bending = longest**4 * (laplacian.T @ diags(1 / areas) @ laplacian)
    solve = splu(csc_matrix(bending + diags(held))).solve
    result = fields.copy()
    for field in result:
        field[skin] = solve(held[:, None] * field[skin])
    return result


def _laplacian(vertices: Float[np.ndarray, "vertex 3"], triangles: np.ndarray):
    """The cotangent Laplacian, integrated over each vertex's area, and the areas (Meyer et al. 2003)."""
    count = len(vertices)
    corners = vertices[triangles]
    rows, columns, values = [], [], []
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    for corner in range(3):
        first, second = (corner + 1) % 3, (corner + 2) % 3
        along = ((corners[:, first] - corners[:, corner]) * (corners[:, second] - corners[:, corner])).sum(1)
        cotangent = np.maximum(along / (2 * areas), LEAST_COTANGENT)
        rows += [triangles[:, first], triangles[:, second]]
        columns += [triangles[:, second], triangles[:, first]]
        values += [cotangent / 2, cotangent / 2]
    weights = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    ).tocsr()
    laplacian = diags(np.asarray(weights.sum(1)).ravel()) - weights
    return laplacian, np.bincount(triangles.ravel(), np.repeat(areas / 3, 3), count)
