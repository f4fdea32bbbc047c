"""Values spread over a mesh obey the laws of membranes and plates."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from deca.fitting.mesh_fields import edge_laplacian, spread


def strip(length: int) -> np.ndarray:
    """Triangles of a strip of squares: vertices 2 i and 2 i + 1 are its rungs."""
    corners = [[2 * i, 2 * i + 1, 2 * i + 2] for i in range(length)]
    corners += [[2 * i + 1, 2 * i + 3, 2 * i + 2] for i in range(length)]
    return np.array(corners)


def known_at(vertices: list[int], count: int) -> sparse.csr_matrix:
    rows = np.arange(len(vertices))
    return sparse.csr_matrix((np.ones(len(rows)), (rows, vertices)), shape=(len(rows), count))


def test_a_membrane_between_two_ends_is_a_ramp() -> None:
    laplacian = edge_laplacian(strip(10), np.zeros(22, int))
    values = np.array([[0.0], [0.0], [1.0], [1.0]])
    found = spread(laplacian, known_at([0, 1, 20, 21], 22), values, np.full(4, 1e6), 1.0, 0.0)
    rungs = found.reshape(11, 2).mean(1)
    np.testing.assert_allclose(rungs, np.linspace(0, 1, 11), atol=0.02)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(0.01, 100))
def test_a_membrane_stays_between_its_data(known: list[float], membrane: float) -> None:
    laplacian = edge_laplacian(strip(8), np.zeros(18, int))
    found = spread(laplacian, known_at([0, 7, 17], 18), np.array(known)[:, None], np.ones(3), membrane, 0.0)
    # Up to the trace of a pull to zero that keeps parts without data solvable.
    assert found.min() >= min(known) - 1e-5
    assert found.max() <= max(known) + 1e-5


def test_a_constant_is_kept_by_both_energies() -> None:
    laplacian = edge_laplacian(strip(8), np.zeros(18, int))
    found = spread(laplacian, known_at([3], 18), np.array([[2.5, -1.0]]), np.ones(1), 0.5, 0.5)
    np.testing.assert_allclose(found, np.tile([2.5, -1.0], (18, 1)), atol=1e-4)


def test_groups_without_a_bridge_do_not_mix() -> None:
    group = (np.arange(22) >= 10).astype(int)
    laplacian = edge_laplacian(strip(10), group, between=0.0)
    found = spread(laplacian, known_at([0, 21], 22), np.array([[1.0], [3.0]]), np.ones(2), 1.0, 0.0)
    np.testing.assert_allclose(found[group == 0], 1, atol=1e-6)
    np.testing.assert_allclose(found[group == 1], 3, atol=1e-6)


def test_parts_without_data_get_zero() -> None:
    triangles = np.concatenate([strip(3), strip(3) + 8])
    laplacian = edge_laplacian(triangles, np.zeros(16, int))
    found = spread(laplacian, known_at([0], 16), np.array([[4.0]]), np.ones(1), 1.0, 0.0)
    assert found[:8] == pytest.approx(np.full((8, 1), 4.0), abs=1e-5)
    assert found[8:] == pytest.approx(np.zeros((8, 1)))
