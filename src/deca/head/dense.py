"""The dense mesh: the head with sixteen triangles for one, rounded, and displaced by the detail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import UVLayout, sample_map
from deca.raster.gather import weighted_corners

_DIVISIONS = 4
# How far points move towards the corners' tangent planes; Boubekeur and Alexa's own choice.
_ROUNDING = 0.75


@dataclass(frozen=True)
class DenseMesh:
    """Meshes of a batch, metres in the head frame; the two kinds of triangles go side by side."""

    vertices: Float[Tensor, "batch dense 3"]
    triangles: Int[Tensor, "dense_triangle 3"]
    texture_vertices: Float[Tensor, "dense_texture 2"]
    texture_triangles: Int[Tensor, "dense_triangle 3"]


class DenseModel(nn.Module):
    """Subdivides the heads of one topology and displaces them; what depends on the topology is made once.

    Flat triangles are rounded by Phong tessellation (Boubekeur and Alexa 2008): it needs the two ends of an
    edge only, so neighbours meet, and the head's own vertices stay where they are.
    """

    triangles: Tensor
    fine_triangles: Tensor
    fine_texture_vertices: Tensor
    fine_texture_triangles: Tensor
    corners: Tensor
    weights: Tensor
    vertex_of_texture: Tensor
    copies: Tensor

    def __init__(self, data: HeadData, layout: UVLayout) -> None:
        super().__init__()
        self.layout = layout
        fine, corners, weights = subdivide(data.triangles, len(data.template_vertices), _DIVISIONS)
        fine_texture, texture_corners, texture_weights = subdivide(
            data.texture_triangles, len(data.texture_vertices), _DIVISIONS
        )
        texture_vertices = (data.texture_vertices[texture_corners] * texture_weights[..., None]).sum(1)
        vertex_of_texture = np.zeros(len(texture_vertices), np.int64)
        vertex_of_texture[fine_texture] = fine
        copies = np.bincount(vertex_of_texture, minlength=len(corners)).clip(1)
        for name, array in (
            ("triangles", data.triangles),
            ("fine_triangles", fine),
            ("fine_texture_vertices", texture_vertices.astype(np.float32)),
            ("fine_texture_triangles", fine_texture),
            ("corners", corners),
            ("weights", weights.astype(np.float32)),
            ("vertex_of_texture", vertex_of_texture),
            ("copies", copies[:, None].astype(np.float32)),
        ):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(
        self, vertices: Float[Tensor, "batch vertex 3"], displacement: Float[Tensor, "batch 1 size size"]
    ) -> DenseMesh:
        """Dense meshes of posed vertices, displaced along their normals by UV maps in metres."""
        normals = vertex_normals(vertices, self.triangles)
        filled = self.layout.fill(displacement)
        dense = [self._rounded(*face) for face in zip(vertices, normals, strict=True)]
        moved = [
            points + directions * self._at_vertices(map_)
            for (points, directions), map_ in zip(dense, filled, strict=True)
        ]
        return DenseMesh(
            torch.stack(moved), self.fine_triangles, self.fine_texture_vertices, self.fine_texture_triangles
        )

    def _rounded(
        self, vertices: Float[Tensor, "vertex 3"], normals: Float[Tensor, "vertex 3"]
    ) -> tuple[Float[Tensor, "dense 3"], Float[Tensor, "dense 3"]]:
        """Dense points on the rounded surface, and their unit normals."""
        points = weighted_corners(vertices, self.corners, self.weights)
        # (p - v).n n, summed over the corners: what the points stand out of the corners' tangent planes.
        correction = torch.zeros_like(points)
        for corner, weight in zip(self.corners.unbind(1), self.weights.unbind(1), strict=True):
            normal = normals.index_select(0, corner)
            height = ((points - vertices.index_select(0, corner)) * normal).sum(-1) * weight
            correction = correction + height[:, None] * normal
        directions = torch.nn.functional.normalize(
            weighted_corners(normals, self.corners, self.weights), dim=-1
        )
        return points - _ROUNDING * correction, directions

    def _at_vertices(self, displacement: Float[Tensor, "1 size size"]) -> Float[Tensor, "dense 1"]:
        """Displacement at the dense vertices; copies along a UV seam get their mean: no crack opens."""
        found = sample_map(displacement[None], self.fine_texture_vertices[None])[0]
        total = found.new_zeros(len(self.copies), 1).index_add(0, self.vertex_of_texture, found)
        return total / self.copies


def subdivide(
    triangles: Int[np.ndarray, "triangle 3"], vertex_count: int, divisions: int
) -> tuple[Int[np.ndarray, "fine 3"], Int[np.ndarray, "point 3"], Float[np.ndarray, "point 3"]]:
    """Cut each triangle into divisions^2; edges shared by triangles share their new points.

    Returns the fine triangles, and for each of their vertices the corners of a coarse triangle it lies in and
    its weights there. The first `vertex_count` are the old vertices, whether or not a triangle uses them.
    """
    lattice = [(i, j) for i in range(divisions + 1) for j in range(divisions + 1 - i)]
    weights = np.array([(divisions - i - j, i, j) for i, j in lattice])
    edges = np.stack([triangles, np.roll(triangles, -1, 1)], -1)
    keys = edges.min(-1) * vertex_count + edges.max(-1)
    unique, edge_ids = np.unique(keys, return_inverse=True)
    edge_ids = edge_ids.reshape(keys.shape)
    first_inner = vertex_count + len(unique) * (divisions - 1)
    inner = 0
    ids = np.empty((len(triangles), len(lattice)), np.int64)
    for point, weight in enumerate(weights):
        on = np.flatnonzero(weight)
        if len(on) == 1:
            ids[:, point] = triangles[:, on[0]]
        elif len(on) == 2:
            start = on[0] if (on[0] + 1) % 3 == on[1] else on[1]
            step = weight[(start + 1) % 3]
            # Points are counted from the edge's lower vertex, whichever way this triangle runs along it.
            forward = triangles[:, start] < triangles[:, (start + 1) % 3]
            position = np.where(forward, step, divisions - step) - 1
            ids[:, point] = vertex_count + edge_ids[:, start] * (divisions - 1) + position
        else:
            ids[:, point] = first_inner + inner * len(triangles) + np.arange(len(triangles))
            inner += 1
    count = first_inner + inner * len(triangles)
    corners = np.zeros((count, 3), np.int64)
    corners[:vertex_count] = np.arange(vertex_count)[:, None]
    point_weights = np.full((count, 3), 1 / 3)
    corners[ids] = triangles[:, None]
    point_weights[ids] = weights / divisions
    index = {place: number for number, place in enumerate(lattice)}
    upright = [(index[i, j], index[i + 1, j], index[i, j + 1]) for i, j in lattice if i + j < divisions]
    turned = [
        (index[i + 1, j], index[i + 1, j + 1], index[i, j + 1]) for i, j in lattice if i + j < divisions - 1
    ]
    fine = ids[:, np.array(upright + turned)].reshape(-1, 3)
    return fine, corners, point_weights
