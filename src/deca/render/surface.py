"""The visible surface of posed heads: what every kind of shading starts from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import sample_map
from deca.raster.fragments import Fragments, fragments


@dataclass(frozen=True)
class Surface:
    """The covered pixels of a batch of images.

    Normals are in the head frame, interpolated and therefore just short of unit length; depth is the image
    frame's, smaller nearer; uv is (u, v).
    """

    fragments: Fragments
    normals: Float[Tensor, "pixel 3"]
    depth: Float[Tensor, "pixel 1"]
    uv: Float[Tensor, "pixel 2"]

    def sample(self, maps: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "pixel channel"]:
        """UV maps, one a face, at the covered pixels."""
        faces = self.uv.split(self.fragments.counts)
        return torch.cat([sample_map(map_[None], uv[None])[0] for map_, uv in zip(maps, faces, strict=True)])


class SurfaceModel(nn.Module):
    """Rasterises the heads of one topology."""

    triangles: Tensor
    texture_vertices: Tensor
    texture_triangles: Tensor

    def __init__(self, data: HeadData) -> None:
        super().__init__()
        for name in ("triangles", "texture_vertices", "texture_triangles"):
            self.register_buffer(name, torch.from_numpy(getattr(data, name)), persistent=False)

    def forward(
        self,
        vertices: Float[Tensor, "batch vertex 3"],
        vertices_image: Float[Tensor, "batch vertex 3"],
        height: int,
        width: int,
    ) -> Surface:
        """Surface of posed vertices (head frame) seen at `vertices_image` (image frame of crop or photo)."""
        covered = fragments(vertices_image, self.triangles, height, width)
        normals = vertex_normals(vertices, self.triangles)
        found = covered.interpolate(torch.cat([normals, vertices_image[..., 2:]], -1))
        uv = covered.interpolate_texture(self.texture_vertices, self.texture_triangles)
        return Surface(covered, found[:, :3], found[:, 3:], uv)
