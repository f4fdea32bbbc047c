"""Detail: the normals of the surface that a displacement map makes of a smooth head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.raster.gather import weighted_corners


class DetailModel(nn.Module):
    """Displacement maps to normal maps on the heads of one topology (DECA, section 4.2).

    The detailed surface is M + D N and has normals N'. The coarse surface M is taken as smooth, with its
    interpolated vertex normals N: to first order in the displacement D the displaced surface's normal is then
    N - grad D, normalised (Blinn 1978). So facets never show, and D = 0 gives N exactly. Slopes are taken
    inside an island only, never across a seam of the map.
    """

    triangles: Tensor
    texture_triangles: Tensor
    uv_areas: Tensor
    uv_inverse: Tensor
    texture_corners: Tensor
    right: Tensor
    down: Tensor
    right_count: Tensor
    down_count: Tensor

    def __init__(self, data: HeadData, layout: UVLayout) -> None:
        super().__init__()
        self.layout = layout
        self.texture_count = len(data.texture_vertices)
        texture_triangles = torch.from_numpy(data.texture_triangles)
        corners = torch.from_numpy(data.texture_vertices)[texture_triangles]
        sides = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)
        areas = torch.linalg.det(sides.double()).abs()
        flat = areas < 1e-12
        sides = torch.where(flat[:, None, None], torch.eye(2), sides)
        mask = layout.mask
        right, down = mask[:, 1:] & mask[:, :-1], mask[1:] & mask[:-1]
        pad = torch.nn.functional.pad
        for name, tensor in (
            ("triangles", torch.from_numpy(data.triangles)),
            ("texture_triangles", texture_triangles),
            ("uv_areas", torch.where(flat, 0, areas).float()),
            ("uv_inverse", torch.linalg.inv(sides)),
            ("texture_corners", texture_triangles[layout.triangle_ids.flatten()[layout.texel]]),
            ("right", right),
            ("down", down),
            ("right_count", (pad(right, (0, 1)).int() + pad(right, (1, 0)).int()).clamp_min(1)),
            ("down_count", (pad(down, (0, 0, 0, 1)).int() + pad(down, (0, 0, 1, 0)).int()).clamp_min(1)),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def forward(
        self, vertices: Float[Tensor, "batch vertex 3"], displacement: Float[Tensor, "batch 1 size size"]
    ) -> Float[Tensor, "batch 3 size size"]:
        """Unit detail normals in the head frame, as filled UV maps; displacement in metres."""
        normals, along_u, along_v = self._frames(vertices)
        detailed = self._tilted(normals, along_u, along_v, displacement)
        return self.layout.fill(self.layout.image(detailed))

    def tangent_normals(
        self, vertices: Float[Tensor, "batch vertex 3"], displacement: Float[Tensor, "batch 1 size size"]
    ) -> Float[Tensor, "batch 3 size size"]:
        """Detail normals along u, along v and outwards, filled: a normal map as in glTF 2.0."""
        normals, along_u, along_v = self._frames(vertices)
        detailed = self._tilted(normals, along_u, along_v, displacement)
        tangent = _without(along_u, normals)
        tangent = torch.nn.functional.normalize(tangent, dim=-1)
        bitangent = torch.linalg.cross(normals, tangent)
        bitangent = bitangent * (bitangent * along_v).sum(-1, keepdim=True).sign()
        local = torch.stack([(detailed * axis).sum(-1) for axis in (tangent, bitangent, normals)], -1)
        return self.layout.fill(self.layout.image(local))

    def slopes(
        self, displacement: Float[Tensor, "batch 1 size size"]
    ) -> tuple[Float[Tensor, "batch texel"], Float[Tensor, "batch texel"]]:
        """Derivatives along u and v at the covered texels, metres for the whole map's width.

        Central differences; one-sided beside the border of an island; zero on an island one texel wide.
        """
        values = displacement[:, 0]
        pad = torch.nn.functional.pad
        right = (values[:, :, 1:] - values[:, :, :-1]) * self.right
        down = (values[:, 1:] - values[:, :-1]) * self.down
        along_u = (pad(right, (0, 1)) + pad(right, (1, 0))) / self.right_count
        along_v = (pad(down, (0, 0, 0, 1)) + pad(down, (0, 0, 1, 0))) / self.down_count
        texel, size = self.layout.texel, self.layout.size
        return along_u.flatten(1)[:, texel] * size, along_v.flatten(1)[:, texel] * -size

    def _frames(self, vertices: Float[Tensor, "batch vertex 3"]) -> tuple[Tensor, Tensor, Tensor]:
        """At the covered texels: unit normals, and how the position moves along u and along v (metres)."""
        normals = self.layout.at_texels(vertex_normals(vertices, self.triangles))
        batch = len(vertices)
        points = vertices.transpose(0, 1).contiguous()
        first, second, third = (points.index_select(0, corner) for corner in self.triangles.unbind(1))
        sides = torch.stack([second - first, third - first], -1)
        moves = sides @ self.uv_inverse[:, None] * self.uv_areas[:, None, None, None]
        # Averaged at the corners, so that the frame is as smooth as the normal.
        weighted = torch.cat([moves.flatten(1), self.uv_areas[:, None]], 1)
        total = weighted.new_zeros(self.texture_count, weighted.shape[1])
        for corner in self.texture_triangles.unbind(1):
            total = total.index_add_(0, corner, weighted)
        smooth = total[:, :-1] / total[:, -1:].clamp_min(1e-20)
        found = weighted_corners(smooth, self.texture_corners, self.layout.barycentrics)
        found = found.view(-1, batch, 3, 2).transpose(0, 1)
        return torch.nn.functional.normalize(normals, dim=-1), found[..., 0], found[..., 1]

    def _tilted(
        self, normals: Tensor, along_u: Tensor, along_v: Tensor, displacement: Tensor
    ) -> Float[Tensor, "batch texel 3"]:
        """The normal minus the displacement's gradient on the surface, normalised."""
        slope_u, slope_v = self.slopes(displacement)
        along_u, along_v = _without(along_u, normals), _without(along_v, normals)
        uu, uv, vv = (
            (a * b).sum(-1) for a, b in ((along_u, along_u), (along_u, along_v), (along_v, along_v))
        )
        # The gradient is the tangent vector whose products with the two moves are the two slopes.
        determinant = (uu * vv - uv * uv).clamp_min(1e-12)
        by_u, by_v = (slope_u * vv - slope_v * uv) / determinant, (slope_v * uu - slope_u * uv) / determinant
        gradient = by_u[..., None] * along_u + by_v[..., None] * along_v
        return torch.nn.functional.normalize(normals - gradient, dim=-1)


def displaced_positions(
    layout: UVLayout,
    vertices: Float[Tensor, "batch vertex 3"],
    normals: Float[Tensor, "batch vertex 3"],
    displacement: Float[Tensor, "batch 1 size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """The detailed surface in UV, M + D N, metres, zero beside the islands (DECA, equation 6)."""
    directions = torch.nn.functional.normalize(layout.to_uv(normals), dim=1)
    return layout.to_uv(vertices) + displacement * directions


def _without(
    vectors: Float[Tensor, "*batch 3"], normals: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Vectors less their part along unit normals."""
    return vectors - (vectors * normals).sum(-1, keepdim=True) * normals
