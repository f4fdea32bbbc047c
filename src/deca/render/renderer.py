"""Images of heads: colours at the covered pixels, laid out as images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.render.lighting import shade
from deca.render.surface import Surface


@dataclass(frozen=True)
class Rendering:
    """Images of a batch of heads, zero where no head is.

    `alpha` is 1 where a head is; `depth` is the image frame's z, smaller nearer; `normals` are in the head
    frame; `uv` is (u, v); `triangle_ids` is -1 where no head is.
    """

    image: Float[Tensor, "batch 3 height width"]
    alpha: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    normals: Float[Tensor, "batch 3 height width"]
    uv: Float[Tensor, "batch 2 height width"]
    triangle_ids: Int[Tensor, "batch height width"]


def render_lit(
    surface: Surface, albedo_uv: Float[Tensor, "batch 3 size size"], lighting: Float[Tensor, "batch 9 3"]
) -> Rendering:
    """The coarse image: albedo times light on the surface's own normals (DECA, equation 4)."""
    colours = surface.sample(albedo_uv) * shading(surface, surface.normals, lighting)
    return rendering(surface, colours, surface.normals)


def render_detailed(
    surface: Surface,
    albedo_uv: Float[Tensor, "batch 3 size size"],
    normals_uv: Float[Tensor, "batch 3 size size"],
    lighting: Float[Tensor, "batch 9 3"],
) -> Rendering:
    """The detailed image: as `render_lit`, with the normals of a filled UV map (DECA, equation 9)."""
    albedo, normals = surface.sample(torch.cat([albedo_uv, normals_uv], 1)).split(3, 1)
    normals = torch.nn.functional.normalize(normals, dim=-1)
    return rendering(surface, albedo * shading(surface, normals, lighting), normals)


def render_texture(surface: Surface, texture_uv: Float[Tensor, "batch 3 size size"]) -> Rendering:
    """A texture as it is, with no light on it."""
    return rendering(surface, surface.sample(texture_uv), surface.normals)


def shading(
    surface: Surface, normals: Float[Tensor, "pixel 3"], lighting: Float[Tensor, "batch 9 3"]
) -> Float[Tensor, "pixel 3"]:
    """What the albedo is multiplied by at the covered pixels, each face under its own light."""
    faces = zip(normals.split(surface.fragments.counts), lighting, strict=True)
    return torch.cat([shade(face, light) for face, light in faces])


def rendering(
    surface: Surface, colours: Float[Tensor, "pixel 3"], normals: Float[Tensor, "pixel 3"]
) -> Rendering:
    """Lay out everything known about the covered pixels as images."""
    covered = surface.fragments
    layers = torch.cat([colours, surface.depth, normals, surface.uv], -1)
    image, depth, normal_image, uv = covered.image(layers).split([3, 1, 3, 2], 1)
    alpha = (covered.triangle_ids >= 0)[:, None].to(image.dtype)
    return Rendering(image, alpha, depth, normal_image, uv, covered.triangle_ids)
