"""Closest points against libigl's, and where the answer is known."""

from __future__ import annotations

import igl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.evaluation.surface import Surface


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_closest_points_are_those_of_libigl(seed, count):
    random = np.random.default_rng(seed)
    vertices = random.normal(size=(count + 2, 3))
    triangles = random.integers(0, count + 2, (count, 3))  # some of them degenerate
    points = 2 * random.normal(size=(50, 3))
    distances, found, closest = Surface(vertices, triangles).closest(points)
    squared, _, _ = igl.point_mesh_squared_distance(points, vertices, triangles)
    np.testing.assert_allclose(distances, np.sqrt(squared), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(points - closest, axis=1), distances, atol=1e-12)
    # The point lies on the triangle that is named.
    for point, triangle in zip(closest, found, strict=True):
        away = Surface(vertices, triangles[triangle : triangle + 1]).closest(point[None])[0]
        assert away[0] < 1e-9


@pytest.mark.parametrize(
    ("point", "nearest"),
    [
        ([0.2, 0.3, 5.0], [0.2, 0.3, 0.0]),
        ([-1.0, -1.0, 1.0], [0.0, 0.0, 0.0]),
        ([2.0, -1.0, 0.0], [1.0, 0.0, 0.0]),
        ([-1.0, 3.0, 0.0], [0.0, 1.0, 0.0]),
        ([0.5, -2.0, 1.0], [0.5, 0.0, 0.0]),
        ([-2.0, 0.5, 1.0], [0.0, 0.5, 0.0]),
        ([1.0, 1.0, 1.0], [0.5, 0.5, 0.0]),
    ],
)
def test_the_regions_of_a_triangle(point, nearest):
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    distances, _, closest = Surface(vertices, np.array([[0, 1, 2]])).closest(np.array([point]))
    np.testing.assert_allclose(closest, [nearest], atol=1e-15)
    assert distances[0] == pytest.approx(np.linalg.norm(np.subtract(point, nearest)))


@pytest.mark.parametrize("corners", [[0, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [0, 1, 2]])
def test_degenerate_triangles_are_segments_and_points(corners):
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    distances, _, closest = Surface(vertices, np.array([corners])).closest(np.array([[0.5, 1.0, 0.0]]))
    expected = [0.0, 0, 0] if corners == [0, 0, 0] else [0.5, 0, 0]
    np.testing.assert_allclose(closest, [expected], atol=1e-15)
    assert distances[0] == pytest.approx(np.linalg.norm(np.subtract([0.5, 1.0, 0.0], expected)))
