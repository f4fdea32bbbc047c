"""The dense mesh: the head with sixteen or four triangles for one, smooth, and displaced by the detail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor, nn

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.subdivision import loop_matrix, midpoint_matrix, split
from deca.head.uv import UVLayout, sample_map

_ENOUGH = 120_000
"""Triangles that show every wrinkle of the maps; a head with a quarter of them is split once."""


@dataclass(frozen=True)
class DenseMesh:
    """Meshes of a batch, metres in the head frame; the two kinds of triangles go side by side."""

    vertices: Float[Tensor, "batch dense 3"]
    triangles: Int[Tensor, "dense_triangle 3"]
    texture_vertices: Float[Tensor, "dense_texture 2"]
    texture_triangles: Int[Tensor, "dense_triangle 3"]


class DenseModel(nn.Module):
    """Subdivides the heads of one topology and displaces them; what depends on the topology is made once.

    Loop subdivision is smooth but shrinks: the vertices it starts from are first moved out by what it takes
    away (one step of progressive interpolation, Cheng et al. 2009). On the face that brings it from 0.3 mm
    off the head's own vertices to 0.1 mm; further steps gain little and bring the mesh's own unevenness back.
    """

    triangles: Tensor
    fine_triangles: Tensor
    fine_texture_vertices: Tensor
    fine_texture_triangles: Tensor
    vertex_of_texture: Tensor
    copies: Tensor

    def __init__(self, data: HeadData, layout: UVLayout) -> None:
        super().__init__()
        self.layout = layout
        triangles, texture_triangles = data.triangles, data.texture_triangles
        count, texture_count = len(data.template_vertices), len(data.texture_vertices)
        smooth = sparse.csr_matrix(sparse.identity(count))
        texture_vertices = data.texture_vertices.astype(np.float64)
        for _ in range(1 if 4 * len(triangles) >= _ENOUGH else 2):
            cut, texture_cut = split(triangles, count), split(texture_triangles, texture_count)
            smooth = sparse.csr_matrix(loop_matrix(triangles, cut, count) @ smooth)
            texture_vertices = np.asarray(midpoint_matrix(texture_cut, texture_count) @ texture_vertices)
            count, texture_count = count + len(cut.edges), texture_count + len(texture_cut.edges)
            triangles, texture_triangles = cut.triangles, texture_cut.triangles
        vertex_of_texture = np.zeros(texture_count, np.int64)
        vertex_of_texture[texture_triangles] = triangles
        copies = np.bincount(vertex_of_texture, minlength=count).clip(1)
        for name, array in (
            ("triangles", data.triangles),
            ("fine_triangles", triangles),
            ("fine_texture_vertices", texture_vertices.astype(np.float32)),
            ("fine_texture_triangles", texture_triangles),
            ("vertex_of_texture", vertex_of_texture),
            ("copies", copies[:, None].astype(np.float32)),
        ):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self._smooth = _Rows(smooth)
        self._smooth_old = _Rows(sparse.csr_matrix(smooth[: len(data.template_vertices)]))

    def forward(
        self, vertices: Float[Tensor, "batch vertex 3"], displacement: Float[Tensor, "batch 1 size size"]
    ) -> DenseMesh:
        """Dense meshes of posed vertices, displaced along their normals by UV maps in metres."""
        normals = vertex_normals(vertices, self.triangles)
        filled = self.layout.fill(displacement)
        dense = []
        for points, directions, map_ in zip(vertices, normals, filled, strict=True):
            control = points + (points - self._smooth_old(points))
            smooth, outwards = self._smooth(torch.cat([control, directions], 1)).split(3, 1)
            dense.append(smooth + torch.nn.functional.normalize(outwards, dim=-1) * self._at_vertices(map_))
        return DenseMesh(
            torch.stack(dense), self.fine_triangles, self.fine_texture_vertices, self.fine_texture_triangles
        )

    def _at_vertices(self, displacement: Float[Tensor, "1 size size"]) -> Float[Tensor, "dense 1"]:
        """Displacement at the dense vertices; copies along a UV seam get their mean: no crack opens."""
        found = sample_map(displacement[None], self.fine_texture_vertices[None])[0]
        total = found.new_zeros(len(self.copies), 1).index_add(0, self.vertex_of_texture, found)
        return total / self.copies


class _Rows(nn.Module):
    """A constant sparse matrix times vertex values, as the gather-and-sum that PyTorch does fastest."""

    columns: Tensor
    starts: Tensor
    weights: Tensor

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        super().__init__()
        self.register_buffer("columns", torch.from_numpy(matrix.indices.astype(np.int64)), persistent=False)
        self.register_buffer(
            "starts", torch.from_numpy(matrix.indptr[:-1].astype(np.int64)), persistent=False
        )
        self.register_buffer("weights", torch.from_numpy(matrix.data.astype(np.float32)), persistent=False)

    def forward(self, values: Float[Tensor, "vertex channel"]) -> Float[Tensor, "row channel"]:
        """One row's weighted sum of vertex values each."""
        bag = torch.nn.functional.embedding_bag
        return bag(self.columns, values, self.starts, mode="sum", per_sample_weights=self.weights)
