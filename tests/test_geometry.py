from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deca.geometry import (
    axis_angle_to_matrix,
    euler_to_axis_angle,
    interpolate,
    matrix_to_axis_angle,
    vertex_normals,
)

coordinates = st.floats(-1.8, 1.8)
vectors = st.tuples(coordinates, coordinates, coordinates)


@given(vectors)
def test_rotations_agree_with_scipy(vector):
    ours = axis_angle_to_matrix(torch.tensor([vector], dtype=torch.float64))[0]
    torch.testing.assert_close(
        ours, torch.from_numpy(Rotation.from_rotvec(vector).as_matrix()), atol=1e-9, rtol=0
    )


@given(vectors)
def test_axis_angle_comes_back(vector):
    vector = torch.tensor([vector], dtype=torch.float64)
    # Beyond half a turn the shorter way round comes back.
    vector = vector * min(1.0, 3.1 / max(float(vector.norm()), 1e-12))
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=1e-7, rtol=0)


@given(vectors)
def test_euler_angles_turn_about_x_after_y_after_z(angles):
    turned = axis_angle_to_matrix(euler_to_axis_angle(torch.tensor([angles], dtype=torch.float64)))[0]
    expected = torch.from_numpy(Rotation.from_euler("XYZ", angles).as_matrix())
    torch.testing.assert_close(turned, expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.6, 0.0, 0.8)])
def test_half_turns_are_exact(axis):
    turn = math.pi * torch.tensor([axis], dtype=torch.float64)
    back = matrix_to_axis_angle(axis_angle_to_matrix(turn))
    torch.testing.assert_close(back.abs(), turn.abs(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [0.0, 1e-6, 1e-3, 2.0])
def test_rotations_have_right_derivatives_also_at_rest(length):
    vector = torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64) * length
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vector.requires_grad_(), atol=1e-4)


def test_normals_of_a_cube_s_corner_point_outwards():
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    triangles = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    normals = vertex_normals(vertices, triangles)[0]
    torch.testing.assert_close(normals[0], -torch.ones(3) / 3**0.5)
    assert float((normals * (vertices[0] - vertices[0].mean(0))).sum(1).min()) > 0


def test_points_are_weighted_means_of_their_corners():
    values = torch.arange(12.0).view(1, 4, 3)
    point = interpolate(values, torch.tensor([[0, 1, 3]]), torch.tensor([[0.5, 0.25, 0.25]]))
    torch.testing.assert_close(point[0, 0], 0.5 * values[0, 0] + 0.25 * values[0, 1] + 0.25 * values[0, 3])
