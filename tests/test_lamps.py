"""Point and directional lamps against values by hand."""

from __future__ import annotations

import torch

from deca.render.lamps import released_directional_shading, released_point_shading

UP = torch.tensor([[0.0, 0.0, 1.0]])


def test_a_point_lamp_shines_by_its_angle_whatever_its_distance() -> None:
    origin = torch.zeros(1, 3)
    positions = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 90.0]])
    colours = torch.tensor([[1.0, 0.5, 0.0], [0.2, 0.2, 1.0]])
    # The mean of 0.8 and 1 times each lamp's colour.
    expected = (0.8 * colours[0] + colours[1]) / 2
    torch.testing.assert_close(released_point_shading(origin, UP, positions, colours)[0], expected)


def test_a_point_lamp_behind_darkens_and_a_directional_one_does_not() -> None:
    behind, white = torch.tensor([[0.0, 0.0, -2.0]]), torch.ones(1, 3)
    assert torch.equal(released_point_shading(torch.zeros(1, 3), UP, behind, white), -torch.ones(1, 3))
    assert torch.equal(released_directional_shading(UP, behind, white), torch.zeros(1, 3))


def test_directional_lamps_are_averaged() -> None:
    directions = torch.tensor([[0.0, 0.0, 7.0], [0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    shading = released_directional_shading(UP, directions, torch.full((3, 3), 1.5))
    torch.testing.assert_close(shading, torch.full((1, 3), 1.5 * (1 + 0.5**0.5 + 0) / 3))


def test_normals_may_exceed_one_but_a_directional_lamp_stays_within() -> None:
    shading = released_directional_shading(3 * UP, torch.tensor([[0.0, 0.0, 1.0]]), torch.ones(1, 3))
    assert torch.equal(shading, torch.ones(1, 3))
