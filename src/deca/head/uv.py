"""The UV layout of a head model, rasterised once: from then on world-to-UV is one gather."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor, nn

from deca.head.data import HeadData, HeadError
from deca.raster.fragments import fragments
from deca.raster.gather import weighted_corners


class UVLayout(nn.Module):
    """What lies under each texel of a square map: its triangle (-1 for none) and barycentrics.

    `corners` and `barycentrics` are those of the covered texels, in the order of `texel` (row-major).
    """

    triangle_ids: Tensor
    texel: Tensor
    corners: Tensor
    barycentrics: Tensor
    nearest: Tensor
    nearest_covered: Tensor
    region_triangles: Tensor

    def __init__(self, data: HeadData, size: int) -> None:
        super().__init__()
        self.size = size
        uv = torch.from_numpy(data.texture_vertices)
        # The map's own image frame: column to the right, row down; every texel is equally near.
        flat = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.zeros(len(uv))], -1)
        covered = fragments(flat[None], torch.from_numpy(data.texture_triangles), size, size)
        if not len(covered.pixel):
            raise ValueError(f"head {data.name!r}: no triangle covers a texel of a {size} x {size} map")
        missing = (covered.triangle_ids[0] < 0).numpy()
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        rows, columns = np.asarray(nearest).astype(np.int64)
        nearest = torch.from_numpy(rows * size + columns).flatten()
        order = torch.zeros(size * size, dtype=torch.long)
        order[covered.pixel] = torch.arange(len(covered.pixel))
        triangles = torch.from_numpy(data.triangles)
        for name, tensor in (
            ("triangle_ids", covered.triangle_ids[0]),
            ("texel", covered.pixel),
            ("corners", triangles[covered.triangle]),
            ("barycentrics", covered.barycentrics),
            ("nearest", nearest),
            ("nearest_covered", order[nearest]),
        ):
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("region_triangles", torch.from_numpy(data.region_triangles), persistent=False)
        self.region_names = data.region_names

    @property
    def mask(self) -> Bool[Tensor, "size size"]:
        """The texels that lie on the head."""
        return self.triangle_ids >= 0

    def region_mask(self, name: str) -> Bool[Tensor, "size size"]:
        """The texels of one region; an unknown name is a HeadError that lists the known ones."""
        if name not in self.region_names:
            raise HeadError(f"there is no region {name!r}; the head has {', '.join(self.region_names)}")
        inside = self.region_triangles[self.region_names.index(name)]
        return inside[self.triangle_ids.clamp_min(0)] & self.mask

    def to_uv(
        self, values: Float[Tensor, "batch vertex channel"]
    ) -> Float[Tensor, "batch channel size size"]:
        """Vertex values as maps, zero beside the islands."""
        return self.image(self.at_texels(values))

    def at_texels(
        self, values: Float[Tensor, "batch vertex channel"]
    ) -> Float[Tensor, "batch texel channel"]:
        """Vertex values at the covered texels alone."""
        batch, count, channels = values.shape
        # All faces share the gather: their channels lie side by side.
        side_by_side = values.transpose(0, 1).reshape(count, batch * channels)
        found = weighted_corners(side_by_side, self.corners, self.barycentrics)
        return found.view(-1, batch, channels).transpose(0, 1)

    def image(self, values: Float[Tensor, "batch texel channel"]) -> Float[Tensor, "batch channel size size"]:
        """Values of the covered texels laid out as maps, zero beside the islands."""
        batch, _, channels = values.shape
        flat = values.new_zeros(batch, channels, self.size * self.size)
        flat = flat.index_copy(2, self.texel, values.transpose(1, 2))
        return flat.view(batch, channels, self.size, self.size)

    def filled(
        self, values: Float[Tensor, "batch channel texel"]
    ) -> Float[Tensor, "batch channel size size"]:
        """Values of the covered texels laid out as maps; texels beside the islands take their nearest's."""
        spread = values.gather(2, self.nearest_covered.expand(*values.shape[:2], -1))
        return spread.unflatten(2, (self.size, self.size))

    def fill(
        self, values: Float[Tensor, "batch channel size size"]
    ) -> Float[Tensor, "batch channel size size"]:
        """Give the texels beside the islands the value of their nearest covered texel.

        Bilinear sampling near an island's border then does not mix in what lies beside it.
        """
        return values.flatten(2).gather(2, self.nearest.expand(*values.shape[:2], -1)).view_as(values)


def sample_map(
    values: Float[Tensor, "batch channel height width"], uv: Float[Tensor, "batch point 2"]
) -> Float[Tensor, "batch point channel"]:
    """Bilinear samples of maps at (u, v); beyond the border the map's edge goes on."""
    u, v = uv.unbind(-1)
    grid = torch.stack([2 * u - 1, 1 - 2 * v], -1)[:, None]
    sampled = torch.nn.functional.grid_sample(values, grid, padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)
