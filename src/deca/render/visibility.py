"""Which points of a head can be seen from the camera."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.raster.fragments import Fragments
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
    hidden = _hidden(points_image, surface.fragments, surface.depth, tolerance)
    within = (points_image[..., :2].abs() < 1).all(-1)
    # The camera looks along -z of the head frame.
    return within & (normals[..., 2] > 0) & ~hidden


def _hidden(
    points_image: Float[Tensor, "batch point 3"],
    covered: Fragments,
    depth: Float[Tensor, "pixel 1"],
    tolerance: float,
) -> Bool[Tensor, "batch point"]:
    """Points with a surface in front of them; points outside the image are taken at its border."""
    height, width = covered.triangle_ids.shape[1:]
    image = covered.image(depth, background=float("inf"))[:, 0]
    size = points_image.new_tensor([width, height])
    column, row = torch.floor((points_image[..., :2] + 1) / 2 * size).long().unbind(-1)
    flat = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return image.flatten(1).gather(1, flat) < points_image[..., 2] - tolerance
