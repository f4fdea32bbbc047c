"""Which points of a head the camera sees, by the depth in front of them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.render.surface import Surface


def visible_points(
    points_image: Float[Tensor, "batch point 3"],
    normals: Float[Tensor, "batch point 3"],
    surface: Surface,
    tolerance: float,
) -> Bool[Tensor, "batch point"]:
    """Points on the head that face the camera and have no surface in front of them.

    `surface` is the same head, rasterised in the same image frame; `tolerance` is in its unit, and ought to
    be a few pixels: two millimetres times the camera's scale serve at 512 pixels. Points outside the image
    are not seen.
    """
    height, width = surface.fragments.triangle_ids.shape[1:]
    depth = surface.fragments.image(surface.depth, background=float("inf"))[:, 0]
    size = points_image.new_tensor([width, height])
    index = torch.floor((points_image[..., :2] + 1) / 2 * size).long()
    within = ((index >= 0) & (index < size)).all(-1)
    column, row = index.clamp_min(0).unbind(-1)
    flat = row.clamp_max(height - 1) * width + column.clamp_max(width - 1)
    in_front = depth.flatten(1).gather(1, flat) < points_image[..., 2] - tolerance
    # The camera looks along -z of the head frame.
    return within & (normals[..., 2] > 0) & ~in_front
