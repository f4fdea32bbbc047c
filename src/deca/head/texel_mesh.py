"""The dense mesh of DECA's released code: one vertex for each texel of the UV layout that the head covers.

The default is `deca.head.dense`, whose triangles follow the head's own and close over the seams of the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.head.uv import UVLayout
from deca.raster.gather import weighted_corners


@dataclass(frozen=True)
class TexelTemplate:
    """Which texels are vertices, where on the head each lies, and the triangles between them.

    `texel` counts row by row through a map of `size` texels a side, `corners` are vertices of the head, and
    `triangles` index the texels in their order here.
    """

    size: int
    texel: Int[Tensor, " texel"]
    corners: Int[Tensor, "texel 3"]
    barycentrics: Float[Tensor, "texel 3"]
    triangles: Int[Tensor, "triangle 3"]


def texel_template(layout: UVLayout) -> TexelTemplate:
    """The template of a UV layout, for where the published file is missing.

    Two triangles for each square of four covered texels, cut from its lower left to its upper right; all the
    upper ones first. A square across two islands of the map gets them too, as in the published file.
    """
    size = layout.size
    index = torch.full((size * size,), -1)
    index[layout.texel] = torch.arange(len(layout.texel))
    index = index.view(size, size)
    here, right, down, across = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    whole = (here >= 0) & (right >= 0) & (down >= 0) & (across >= 0)
    triangles = torch.cat(
        [torch.stack(corners, -1)[whole] for corners in ((here, down, right), (right, down, across))]
    )
    return TexelTemplate(size, layout.texel, layout.corners, layout.barycentrics, triangles)


def published_texel_template(arrays: Mapping[str, np.ndarray]) -> TexelTemplate:
    """The template of a converted `texture_data_256.npy`: an asset of the kind dense-template."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "size"}
    return TexelTemplate(size=int(arrays["size"]), **tensors)


def texel_mesh(
    template: TexelTemplate,
    vertices: Float[Tensor, "batch vertex 3"],
    normals: Float[Tensor, "batch vertex 3"],
    displacement: Float[Tensor, "batch 1 size size"],
) -> Float[Tensor, "batch texel 3"]:
    """The texels' points on the head, displaced along the unit normal there; head frame, metres."""
    channels = torch.cat([vertices, normals], -1)
    heads = [weighted_corners(head, template.corners, template.barycentrics) for head in channels]
    points, directions = torch.stack(heads).split(3, -1)
    distance = displacement.flatten(1).index_select(1, template.texel)
    return points + distance[..., None] * torch.nn.functional.normalize(directions, dim=-1)


def texel_colours(
    template: TexelTemplate, texture: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, "batch texel 3"]:
    """The colour of each vertex: that of its texel."""
    return texture.flatten(2).index_select(2, template.texel).mT
