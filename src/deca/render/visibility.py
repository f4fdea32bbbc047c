"""What can be seen of a head: from the camera, and of the sky."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.geometry import vertex_normals
from deca.raster.fragments import Fragments, fragments
from deca.render.surface import Surface

_VIEWS = 48
_VIEW_SIZE = 128
# Three pixels' depth, so that a slanting surface does not hide itself.
_VIEW_TOLERANCE = 6 / _VIEW_SIZE


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


def openness(
    vertices: Float[Tensor, "batch vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "batch vertex 1"]:
    """How much of the sky over each vertex is open, 0 to 1, weighed by the cosine: soft shade for pictures.

    The head is looked at from all sides (ambient occlusion: Zhukov et al. 1998); no gradient runs through it.
    """
    vertices = vertices.detach()
    normals = vertex_normals(vertices, triangles)
    centred = vertices - vertices.mean(1, keepdim=True)
    radius = centred.norm(dim=-1).amax(1)[:, None, None]
    seen, possible = torch.zeros_like(vertices[..., :1]), torch.zeros_like(vertices[..., :1])
    for axes in _views(vertices):
        view = centred @ axes.T / radius
        covered = fragments(view, triangles, _VIEW_SIZE, _VIEW_SIZE)
        hidden = _hidden(view, covered, covered.interpolate(view[..., 2:]), _VIEW_TOLERANCE)
        cosine = (normals @ -axes[2]).clamp_min(0)[..., None]
        seen, possible = seen + cosine * ~hidden[..., None], possible + cosine
    return seen / possible.clamp_min(1e-6)


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


def _views(like: Tensor) -> list[Float[Tensor, "3 3"]]:
    """Axes (right, down, away) of viewers spread evenly round the head, on a golden spiral."""
    index = torch.arange(_VIEWS, dtype=like.dtype, device=like.device) + 0.5
    z, angle = 1 - 2 * index / _VIEWS, math.pi * (1 + math.sqrt(5)) * index
    ring = (1 - z * z).sqrt()
    away = torch.stack([ring * angle.cos(), ring * angle.sin(), z], -1)
    steep = (z.abs() > 0.9)[:, None]
    other = torch.where(steep, like.new_tensor([1.0, 0.0, 0.0]), like.new_tensor([0.0, 0.0, 1.0]))
    right = torch.nn.functional.normalize(torch.linalg.cross(other, away), dim=-1)
    return list(torch.stack([right, torch.linalg.cross(away, right), away], 1))
