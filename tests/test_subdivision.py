"""Loop subdivision on meshes whose answer is known."""

from __future__ import annotations

import numpy as np

from deca.head.data import HeadData
from deca.head.subdivision import loop_matrix, midpoint_matrix, split

OCTAHEDRON = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
)
CORNERS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)


def test_a_cut_surface_stays_closed(small_head: HeadData) -> None:
    cut = split(small_head.triangles, 200)
    assert len(cut.triangles) == 4 * len(small_head.triangles)
    # Euler: a closed surface like a sphere has three edges for two triangles.
    assert 2 * len(cut.edges) == 3 * len(small_head.triangles)
    directed = np.concatenate([cut.triangles[:, [0, 1]], cut.triangles[:, [1, 2]], cut.triangles[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    assert {(a, b) for a, b in directed.tolist()} == {(b, a) for a, b in directed.tolist()}


def test_midpoints_leave_the_surface_where_it_is(small_head: HeadData) -> None:
    cut = split(small_head.triangles, 200)
    points = midpoint_matrix(cut, 200) @ small_head.template_vertices
    assert np.isclose(_area(points, cut.triangles), _area(small_head.template_vertices, small_head.triangles))


def test_loop_weights_of_an_octahedron() -> None:
    cut = split(OCTAHEDRON, 6)
    points = loop_matrix(OCTAHEDRON, cut, 6) @ CORNERS
    # Valence four: 1 - 4 * 3/32 of itself, and the four neighbours cancel out.
    np.testing.assert_allclose(points[:6], CORNERS * 5 / 8)
    # An edge of two corners: 3/8 of each, the opposite two cancel out.
    np.testing.assert_allclose(points[6:], 3 / 8 * CORNERS[cut.edges].sum(1))


def test_rows_sum_to_one_and_borders_follow_the_border() -> None:
    square = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])
    cut = split(square, 5)
    matrix = loop_matrix(square, cut, 5)
    np.testing.assert_allclose(matrix.sum(1), 1)
    points = matrix @ corners
    # A corner keeps 3/4 and takes 1/8 of both neighbours on the border; border edges get their middle.
    np.testing.assert_allclose(points[0], [1 / 8, 1 / 8])
    bottom = 5 + np.flatnonzero((cut.edges == [0, 1]).all(1))[0]
    np.testing.assert_allclose(points[bottom], [0.5, 0])


def _area(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, k]].astype(np.float64) for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
