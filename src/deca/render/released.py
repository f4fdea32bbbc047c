"""Pictures and masks as DECA's released code makes them, on the project's own surfaces.

The default pictures are `deca.render.renderer` and `deca.render.pictures`; visibility by what hides what is
`deca.render.visibility`, and textures are completed in `deca.fitting.texture`.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.head.released_detail import released_vertex_normals
from deca.photo.crop import Crop
from deca.photo.released_crop import integer_centred
from deca.render.camera import to_photo_frame
from deca.render.lamps import released_directional_shading
from deca.render.surface import Surface

# Limits on z of a normal in the image frame, where 1 points away from the viewer and -1 towards them.
LANDMARK_LIMIT = 0.1
TEXEL_LIMIT = -0.05
SHAPE_LIMIT = 0.15
"""The shape pictures leave out what is turned away further, such as the inside of the head."""
UNTEXTURED = 0.7
"""The grey that surrounds the photo's colours in a texture where no albedo model is at hand."""
SHAPE_GREY = 180 / 255
SHAPE_LAMPS = ((-1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, 1.0), (0.0, 0.0, 1.0))
SHAPE_STRENGTH = 1.7


def image_normals(
    vertices_image: Float[Tensor, "batch vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "batch vertex 3"]:
    """Vertex normals in the image frame, outwards: z is negative on what faces the viewer.

    Two of the frame's axes are flipped, which is a rotation, so outwards stays outwards.
    """
    return released_vertex_normals(vertices_image, triangles)


def released_visible(normals_image: Float[Tensor, "*batch 3"], limit: float) -> Bool[Tensor, "*batch"]:
    """Whether landmarks, texels or pixels are taken as visible: by their normal alone, whatever hides them.

    `limit` is one of the three above.
    """
    return normals_image[..., 2] < limit


def released_shape_alpha(
    surface: Surface, normals_image: Float[Tensor, "batch vertex 3"]
) -> Float[Tensor, "batch 1 height width"]:
    """Where a shape picture shows the head: its surface, where not turned away beyond the limit."""
    facing = released_visible(surface.fragments.interpolate(normals_image), SHAPE_LIMIT)
    return surface.fragments.image(facing[:, None].float())


def released_shape_image(
    surface: Surface, normals: Float[Tensor, "pixel 3"], alpha: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """The grey shape picture under five lamps, zero where `alpha` is.

    `normals` (head frame) are the surface's own, or sampled from a map of detail normals.
    """
    lamps = normals.new_tensor(SHAPE_LAMPS)
    shading = released_directional_shading(normals, lamps, torch.full_like(lamps, SHAPE_STRENGTH))
    return surface.fragments.image(SHAPE_GREY * shading) * alpha


def released_depth_image(
    surface: Surface, vertices_image: Float[Tensor, "batch vertex 3"]
) -> Float[Tensor, "batch 1 height width"]:
    """Nearness: 1 at the head's nearest vertex, 0 at its furthest and where no head is."""
    z = vertices_image[..., 2]
    nearest, furthest = z.amin(1), z.amax(1)
    nearness = (furthest[surface.fragments.face] - surface.depth[:, 0]) / (furthest - nearest)[
        surface.fragments.face
    ]
    return surface.fragments.image(nearness[:, None])


def over(
    image: Float[Tensor, "batch 3 height width"],
    alpha: Float[Tensor, "batch 1 height width"],
    background: Float[Tensor, "#batch 3 height width"],
) -> Float[Tensor, "batch 3 height width"]:
    """A picture that is zero where alpha is, laid over another."""
    return image + (1 - alpha) * background


def released_photo_frame(
    vertices_image: Float[Tensor, "batch vertex 3"], crop: Crop, photo_height: int, photo_width: int
) -> Float[Tensor, "batch vertex 3"]:
    """Points of the crop's image frame in that of the photo, [-1, 1] over all of it; depth is kept.

    A map between pixel centres at integers is used here for points that are counted from the pixels' corner,
    so all lies off by the difference of half a crop pixel and half a photo pixel; `to_photo_frame` with the
    crop's own map is exact.
    """
    T_photo_crop = torch.linalg.inv(torch.from_numpy(integer_centred(crop)))
    T = T_photo_crop.to(vertices_image)[None]
    return to_photo_frame(vertices_image, T, crop.size, photo_height, photo_width)


def released_texture(
    image: Float[Tensor, "batch 3 height width"],
    vertices_image_uv: Float[Tensor, "batch 3 size size"],
    elsewhere: Float[Tensor, "#batch 3 size size"],
    mask: Float[Tensor, "size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """A texture whose masked texels take the photo's colour where they lie in it, seen or hidden.

    `vertices_image_uv` are the vertices in the crop's image frame as UV maps; outside the mask the texture
    is `elsewhere`: the shaded albedo, or `UNTEXTURED`.
    """
    grid = vertices_image_uv[:, :2].permute(0, 2, 3, 1)
    colours = torch.nn.functional.grid_sample(image, grid, padding_mode="zeros", align_corners=False)
    return colours * mask + elsewhere * (1 - mask)
