"""Lamps as in DECA's released code: points and directions, for pictures that need no measured light."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize


def released_point_shading(
    points: Float[Tensor, "point 3"],
    normals: Float[Tensor, "point 3"],
    positions: Float[Tensor, "lamp 3"],
    colours: Float[Tensor, "lamp 3"],
) -> Float[Tensor, "point 3"]:
    """RGB shading by lamps at `positions` (head frame, metres): the mean over the lamps of n . l times their
    colour.

    A lamp behind the surface darkens it: n . l is not clamped.
    """
    facing = [(normalize(position - points, dim=-1) * normals).sum(-1) for position in positions]
    return torch.stack(facing, -1) @ colours / len(colours)


def released_directional_shading(
    normals: Float[Tensor, "point 3"],
    directions: Float[Tensor, "lamp 3"],
    colours: Float[Tensor, "lamp 3"],
) -> Float[Tensor, "point 3"]:
    """RGB shading by lamps so far away that all points see them in one direction (head frame, any length).

    The mean over the lamps of n . l, between 0 and 1, times the lamp's colour.
    """
    facing = (normals @ normalize(directions, dim=-1).mT).clamp(0, 1)
    return facing @ colours / len(colours)
