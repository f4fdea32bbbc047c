"""Fragments: the covered pixels of a batch and their barycentrics, the half before the shading."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.raster.gather import weighted_corners
from deca.raster.rasterise import rasterise

# A triangle that covers less than this many pixels is seen edge on: its barycentrics would be noise.
_LEAST_AREA = 1e-6


@dataclass(frozen=True)
class Fragments:
    """The covered pixels of a batch of images, each with its triangle and differentiable barycentrics.

    `triangle_ids` is the picture of ids, -1 where nothing is. `pixel` counts through (batch, height, width),
    so it is sorted by face; `corners` counts through (batch, vertex).
    """

    triangle_ids: Int[Tensor, "batch height width"]
    pixel: Int[Tensor, " pixel"]
    triangle: Int[Tensor, " pixel"]
    corners: Int[Tensor, "pixel 3"]
    barycentrics: Float[Tensor, "pixel 3"]

    def interpolate(self, values: Float[Tensor, "batch vertex channel"]) -> Float[Tensor, "pixel channel"]:
        """Vertex values at the covered pixels."""
        return weighted_corners(values.flatten(0, 1), self.corners, self.barycentrics)

    def interpolate_texture(
        self,
        texture_vertices: Float[Tensor, "texture_vertex 2"],
        texture_triangles: Int[Tensor, "triangle 3"],
    ) -> Float[Tensor, "pixel 2"]:
        """(u, v) at the covered pixels, of a layout that all faces share."""
        corners = texture_triangles.index_select(0, self.triangle)
        return weighted_corners(texture_vertices, corners, self.barycentrics)

    def image(
        self, values: Float[Tensor, "pixel channel"], background: float = 0.0
    ) -> Float[Tensor, "batch channel height width"]:
        """Lay pixel values out as images."""
        batch, height, width = self.triangle_ids.shape
        flat = values.new_full((batch * height * width, values.shape[1]), background)
        flat = flat.index_copy(0, self.pixel, values)
        return flat.view(batch, height, width, -1).permute(0, 3, 1, 2)

    def pixels(self, image: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "pixel channel"]:
        """The values of images at the covered pixels."""
        return image.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, self.pixel)

    @property
    def face(self) -> Int[Tensor, " pixel"]:
        """Which face of the batch each covered pixel shows."""
        return self.pixel // self.triangle_ids[0].numel()

    @property
    def counts(self) -> list[int]:
        """How many pixels each face of the batch covers."""
        return (self.triangle_ids >= 0).flatten(1).sum(1).tolist()


def fragments(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Fragments:
    """Rasterise, then compute barycentrics at the pixel centres, differentiable in x and y of the vertices.

    Which triangle covers a pixel is a constant: no gradient moves an outline (as in DECA).
    """
    triangle_ids = rasterise(vertices_image, triangles, height, width)
    batch, vertex_count, _ = vertices_image.shape
    flat_ids = triangle_ids.flatten()
    pixel = (flat_ids >= 0).nonzero()[:, 0]
    triangle = flat_ids.index_select(0, pixel)
    corners = triangles.index_select(0, triangle)
    if batch > 1:
        corners = corners + (pixel // (height * width) * vertex_count)[:, None]
    # In pixels from the pixel centre: differences of near numbers are exact, and the products stay small.
    column, row = pixel % width, pixel // width % height
    x = _corner_offsets(vertices_image[..., 0].flatten(), corners, column, width)
    y = _corner_offsets(vertices_image[..., 1].flatten(), corners, row, height)
    return Fragments(triangle_ids, pixel, triangle, corners, _barycentrics(x, y))


def _corner_offsets(
    coordinate: Float[Tensor, " vertex"],
    corners: Int[Tensor, "pixel 3"],
    index: Int[Tensor, " pixel"],
    size: int,
) -> list[Float[Tensor, " pixel"]]:
    """How far each corner lies from the pixel centre along one axis, in pixels."""
    centre = (index.to(coordinate.dtype) + 0.5) * (2 / size) - 1
    # index_select on one axis at a time is several times faster than indexing rows of two.
    return [(coordinate.index_select(0, corner) - centre) * (size / 2) for corner in corners.unbind(1)]


def _barycentrics(
    x: list[Float[Tensor, " pixel"]], y: list[Float[Tensor, " pixel"]]
) -> Float[Tensor, "pixel 3"]:
    """Weights of three corners at the origin; a third each for a triangle seen edge on."""
    areas = [x[1] * y[2] - y[1] * x[2], x[2] * y[0] - y[2] * x[0], x[0] * y[1] - y[0] * x[1]]
    total = areas[0] + areas[1] + areas[2]
    thin = total.abs() < 2 * _LEAST_AREA
    inverse = 1 / torch.where(thin, torch.ones_like(total), total)
    weights = torch.stack([area * inverse for area in areas], 1)
    return torch.where(thin[:, None], torch.full_like(weights, 1 / 3), weights)
