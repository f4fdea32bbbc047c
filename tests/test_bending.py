"""Changes of normals by moved parts, against normals computed anew."""

from __future__ import annotations

import numpy as np
import torch

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.io.bending import normal_changes


def test_changes_are_those_of_normals_computed_anew(small_head: HeadData) -> None:
    generator = np.random.default_rng(0)
    vertices, triangles = small_head.template_vertices, small_head.triangles
    moves = 0.01 * generator.standard_normal((4, *vertices.shape)).astype(np.float32)
    moves[1, 5:] = 0
    moves[2, :-3] = 0
    moves[3] = 0
    found = normal_changes(vertices, triangles, moves)
    rest, corners = torch.from_numpy(vertices)[None], torch.from_numpy(triangles)
    expected = vertex_normals(rest + torch.from_numpy(moves), corners) - vertex_normals(rest, corners)
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)
    assert not found[3].any()
