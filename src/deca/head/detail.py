"""Detail: the normals of the surface that a displacement map makes of a smooth head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.detail_cpu import draw_detail_normals, put_frames
from deca.head.uv import UVLayout
from deca.raster.gather import weighted_corners

# Square metres that the map covers at least, where anything is displaced.
_LEAST_AREA = 1e-6


@dataclass(frozen=True)
class SurfaceFrames:
    """The coarse surface of a batch of heads at the covered texels of a layout, head frame.

    `normals` are unit vectors; `along_u` and `along_v` say how the position moves along u and v over the
    whole map (metres). They are smoothed as normals are, so they leave the tangent plane a little.
    """

    normals: Float[Tensor, "batch 3 texel"]
    along_u: Float[Tensor, "batch 3 texel"]
    along_v: Float[Tensor, "batch 3 texel"]


@dataclass(frozen=True)
class DetailedSurface:
    """The detailed surface of a batch of heads at the covered texels of a layout.

    `gradient` is the displacement's on the coarse surface, in the head frame, metres a metre.
    """

    layout: UVLayout
    coarse: SurfaceFrames
    gradient: Float[Tensor, "batch 3 texel"]

    def normals(self) -> Float[Tensor, "batch 3 size size"]:
        """Unit detail normals in the head frame, as filled UV maps."""
        return self.layout.filled(_unit(self.coarse.normals - self.gradient))

    def tangent_normals(self) -> Float[Tensor, "batch 3 size size"]:
        """Detail normals along u, across it towards v, and outwards, filled: a normal map as in glTF 2.0."""
        tilt = self.tangent_tilt()
        # Exactly (0, 0, 1) where nothing is displaced.
        return self.layout.filled(_unit(torch.cat([tilt, torch.ones_like(tilt[:, :1])], 1)))

    def tangent_tilt(self) -> Float[Tensor, "batch 2 texel"]:
        """x / z and y / z of those normals at the covered texels: linear in the displacement, so that the
        tilts of reliefs add up."""
        normals = self.coarse.normals
        right = _unit(_less_along(self.coarse.along_u, normals))
        upwards = _unit(_less_along(_less_along(self.coarse.along_v, normals), right))
        return torch.cat([-dot(right, self.gradient), -dot(upwards, self.gradient)], 1)


class DetailModel(nn.Module):
    """Displacement maps to normal maps on the heads of one topology (DECA, section 4.2).

    The detailed surface is M + D N and has normals N'. The coarse surface M is taken as smooth, with its
    interpolated vertex normals N: to first order in the displacement D the displaced surface's normal is then
    N - grad D, normalised (Blinn 1978). So facets never show, and D = 0 gives N exactly. Slopes are taken
    inside an island only, never across a seam of the map.
    """

    triangles: Tensor
    texture_triangles: Tensor
    vertex_of_texture: Tensor
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
        texture_triangles = torch.from_numpy(data.texture_triangles)
        corners = torch.from_numpy(data.texture_vertices)[texture_triangles]
        sides = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)
        areas = torch.linalg.det(sides.double()).abs()
        flat = areas < 1e-12
        sides = torch.where(flat[:, None, None], torch.eye(2), sides)
        vertex_of_texture = np.zeros(len(data.texture_vertices), np.int64)
        vertex_of_texture[data.texture_triangles] = data.triangles
        mask = layout.mask
        right, down = mask[:, 1:] & mask[:, :-1], mask[1:] & mask[:-1]
        pad = torch.nn.functional.pad
        for name, tensor in (
            ("triangles", torch.from_numpy(data.triangles)),
            ("texture_triangles", texture_triangles),
            ("vertex_of_texture", torch.from_numpy(vertex_of_texture)),
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
        if not _compiled(vertices, displacement):
            return self.surface(vertices, displacement).normals()
        layout = self.layout
        normals = torch.empty(len(vertices), 3, layout.size, layout.size, dtype=vertices.dtype)
        for face, frames in enumerate(self._compiled_frames(vertices)):
            draw_detail_normals(
                frames.numpy(),
                self.texture_corners.numpy(),
                layout.barycentrics.numpy(),
                layout.mask.numpy(),
                layout.nearest.view(layout.size, -1).numpy(),
                displacement[face, 0].detach().contiguous().numpy(),
                frames.numpy().dtype.type(_LEAST_AREA),
                normals[face].numpy(),
            )
        return normals

    def surface(
        self, vertices: Float[Tensor, "batch vertex 3"], displacement: Float[Tensor, "batch 1 size size"]
    ) -> DetailedSurface:
        """The surface displaced along its normals, at the covered texels; displacement in metres."""
        frames = self.frames(vertices)
        slope_u, slope_v = self.slopes(displacement)
        u, v, normal = (vectors.unbind(1) for vectors in (frames.along_u, frames.along_v, frames.normals))
        # The tangent vector whose products with u and v are the two slopes is
        # (slope_u v - slope_v u) x N / (u x v . N), whatever u and v have along N.
        weight = dot(torch.stack(_cross(u, v), 1), frames.normals)[:, 0]
        weight = weight / weight.square().clamp_min(_LEAST_AREA**2)
        rises, falls = weight * slope_u, weight * slope_v
        leaning = tuple(rises * v[axis] - falls * u[axis] for axis in range(3))
        return DetailedSurface(self.layout, frames, torch.stack(_cross(leaning, normal), 1))

    def frames(self, vertices: Float[Tensor, "batch vertex 3"]) -> SurfaceFrames:
        """The coarse surface's normals and tangents."""
        normals, along_u, along_v = self._at_texels(vertices)
        return SurfaceFrames(_unit(normals), along_u, along_v)

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
        slope_u, slope_v = (slope.flatten(1).index_select(1, texel) for slope in (along_u, along_v))
        return slope_u * size, slope_v * -size

    def _at_texels(self, vertices: Float[Tensor, "batch vertex 3"]) -> Float[Tensor, "3 batch 3 texel"]:
        """Normals, and how the position moves along u and along v (metres), neither unit nor orthogonal."""
        values = self._at_texture_vertices(vertices)
        found = weighted_corners(values, self.texture_corners, self.layout.barycentrics)
        # One coordinate after the other: what follows then runs over whole rows, several times as fast.
        return torch.stack(found.unbind(1)).view(3, len(vertices), 3, -1)

    def _at_texture_vertices(
        self, vertices: Float[Tensor, "batch vertex 3"]
    ) -> Float[Tensor, "texture_vertex kind_batch_axis"]:
        """The same three at the texture's vertices, those of all heads side by side."""
        if _compiled(vertices, self.uv_inverse):
            frames = self._compiled_frames(vertices).unflatten(2, (3, 3))
            return frames.permute(1, 2, 0, 3).flatten(1)
        normals = vertex_normals(vertices, self.triangles).transpose(0, 1)
        points = vertices.transpose(0, 1).contiguous()
        first, second, third = (points.index_select(0, corner) for corner in self.triangles.unbind(1))
        side1, side2 = second - first, third - first
        inverse = (self.uv_inverse * self.uv_areas[:, None, None])[..., None, None]
        moves = [side1 * inverse[:, 0, axis] + side2 * inverse[:, 1, axis] for axis in range(2)]
        # Averaged at the texture's vertices by area in the map, so that the frame is as smooth as the normal.
        weighted = torch.cat([torch.stack(moves, 1).flatten(1), self.uv_areas[:, None]], 1)
        total = weighted.new_zeros(len(self.vertex_of_texture), weighted.shape[1])
        for corner in self.texture_triangles.unbind(1):
            total = total.index_add_(0, corner, weighted)
        smooth = total[:, :-1] / total[:, -1:].clamp_min(1e-20)
        return torch.cat([normals.index_select(0, self.vertex_of_texture).flatten(1), smooth], 1)

    def _compiled_frames(
        self, vertices: Float[Tensor, "batch vertex 3"]
    ) -> Float[Tensor, "batch texture_vertex 9"]:
        frames = torch.empty(len(vertices), len(self.vertex_of_texture), 9, dtype=vertices.dtype)
        for face, points in enumerate(vertices.detach().contiguous()):
            put_frames(
                points.numpy(),
                self.triangles.numpy(),
                self.texture_triangles.numpy(),
                self.vertex_of_texture.numpy(),
                self.uv_areas.numpy(),
                self.uv_inverse.numpy(),
                frames[face].numpy(),
            )
        return frames


def _compiled(*values: Tensor) -> bool:
    """Whether the compiled passes, which have no derivatives, may be taken."""
    wanted = torch.is_grad_enabled() and any(each.requires_grad for each in values)
    return not wanted and all(each.device.type == "cpu" for each in values)


def displaced_positions(
    layout: UVLayout,
    vertices: Float[Tensor, "batch vertex 3"],
    normals: Float[Tensor, "batch vertex 3"],
    displacement: Float[Tensor, "batch 1 size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """The detailed surface in UV, M + D N, metres, zero beside the islands (DECA, equation 6)."""
    directions = torch.nn.functional.normalize(layout.to_uv(normals), dim=1)
    return layout.to_uv(vertices) + displacement * directions


def dot(
    a: Float[Tensor, "batch 3 texel"], b: Float[Tensor, "batch 3 texel"]
) -> Float[Tensor, "batch 1 texel"]:
    """Products of the vectors at texels."""
    return (a[:, :1] * b[:, :1]).addcmul(a[:, 1:2], b[:, 1:2]).addcmul(a[:, 2:], b[:, 2:])


def _cross(
    a: Sequence[Float[Tensor, "batch texel"]], b: Sequence[Float[Tensor, "batch texel"]]
) -> tuple[Float[Tensor, "batch texel"], ...]:
    """The cross product of vectors given by coordinates: an order of magnitude faster than that of whole
    tensors."""
    return tuple(torch.addcmul(a[i] * b[j], a[j], b[i], value=-1) for i, j in ((1, 2), (2, 0), (0, 1)))


def _less_along(
    vectors: Float[Tensor, "batch 3 texel"], unit: Float[Tensor, "batch 3 texel"]
) -> Float[Tensor, "batch 3 texel"]:
    """The part of vectors that is orthogonal to unit vectors."""
    return vectors - dot(vectors, unit) * unit


def _unit(vectors: Float[Tensor, "batch 3 texel"]) -> Float[Tensor, "batch 3 texel"]:
    return vectors * dot(vectors, vectors).clamp_min(1e-24).rsqrt()
