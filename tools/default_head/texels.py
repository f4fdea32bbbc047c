"""The texels of a layout: the triangle that covers each, where in it, and colours spread past the islands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt


@dataclass(frozen=True)
class Texels:
    """Row 0 is at v = 1. `triangles` and `barycentrics` are of no meaning where `layers`, the cover count, is
    0.
    """

    triangles: Int[np.ndarray, "size size"]
    barycentrics: Float[np.ndarray, "size size 3"]
    layers: Int[np.ndarray, "size size"]

    @property
    def covered(self) -> Bool[np.ndarray, "size size"]:
        """Whether a triangle covers the texel's centre."""
        return self.layers > 0

    def interpolate(
        self, values: Float[np.ndarray, "vertex channel"], triangles: Int[np.ndarray, "triangle 3"]
    ) -> Float[np.ndarray, "size size channel"]:
        """Vertex values at the texels, and those of the nearest covered texel elsewhere."""
        return self.spread((values[triangles[self.triangles]] * self.barycentrics[..., None]).sum(2))

    def spread(self, image: Float[np.ndarray, "size size channel"]) -> Float[np.ndarray, "size size channel"]:
        """The image with every texel outside the islands taking the value of the nearest one inside."""
        nearest = np.asarray(
            distance_transform_edt(~self.covered, return_distances=False, return_indices=True)
        )
        return image[nearest[0], nearest[1]]


def rasterise_layout(
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
    size: int,
) -> Texels:
    """Find the triangle under each texel's centre; a centre on a shared edge belongs to one triangle alone.

    Edges follow the top-left rule, so `layers` exceeds 1 only where triangles overlap.
    """
    found = np.zeros((size, size), np.int64)
    barycentrics = np.zeros((size, size, 3))
    layers = np.zeros((size, size), np.int64)
    # Columns to the right, rows down: a triangle counter-clockwise in (u, v) is clockwise here.
    points = (texture_vertices * [1, -1] + [0, 1]) * size
    for number, corners in enumerate(points[texture_triangles]):
        low = np.maximum(np.ceil(corners.min(0) - 0.5), 0).astype(int)
        high = np.minimum(np.floor(corners.max(0) - 0.5), size - 1).astype(int)
        if (low > high).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1) + 0.5, np.arange(low[1], high[1] + 1) + 0.5)
        inside = np.ones(x.shape, bool)
        weights = []
        for start, stop in ((1, 2), (2, 0), (0, 1)):
            edge = corners[stop] - corners[start]
            weight = edge[1] * (x - corners[start, 0]) - edge[0] * (y - corners[start, 1])
            owns_edge = edge[1] > 0 or (edge[1] == 0 and edge[0] < 0)
            inside &= (weight > 0) | ((weight == 0) & owns_edge)
            weights.append(weight)
        total = np.sum(weights, axis=0)
        region = np.s_[low[1] : high[1] + 1, low[0] : high[0] + 1]
        layers[region] += inside
        found[region][inside] = number
        barycentrics[region][inside] = (np.stack(weights, -1) / total[..., None])[inside]
    return Texels(found, barycentrics, layers)
