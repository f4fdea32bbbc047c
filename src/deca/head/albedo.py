"""The albedo model: colour of the skin in UV, a mean and components."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.head.data import HeadData


class AlbedoModel(nn.Module):
    """sRGB albedo maps, mean + coefficients @ basis, at any size; row 0 at v = 1. Values are not clipped."""

    mean: Tensor
    basis: Tensor

    def __init__(self, data: HeadData, size: int) -> None:
        super().__init__()
        # The mean is brought to size once; what varies is summed at the basis's own, smaller size first.
        mean = torch.from_numpy(data.albedo_mean).permute(2, 0, 1)[None]
        self.register_buffer("mean", resize_map(mean, size), persistent=False)
        # Laid out once as it is summed: a copy at every sum would cost thirty times the sum.
        basis = torch.from_numpy(data.albedo_basis).permute(0, 3, 1, 2).contiguous()
        self.register_buffer("basis", basis, persistent=False)
        self.size = size

    def forward(self, albedo: Float[Tensor, "batch albedo"]) -> Float[Tensor, "batch 3 height width"]:
        """Albedo maps of coefficients."""
        change = (albedo @ self.basis.flatten(1)).view(len(albedo), *self.basis.shape[1:])
        return self.mean + resize_map(change, self.size)


def resize_map(
    values: Float[Tensor, "batch channel height width"], size: int
) -> Float[Tensor, "batch channel {size} {size}"]:
    """Resample UV maps to `size` texels a side: areas averaged when smaller, bilinear when larger."""
    if values.shape[-2:] == (size, size):
        return values
    return torch.nn.functional.interpolate(
        values, (size, size), mode="bilinear", align_corners=False, antialias=min(values.shape[-2:]) > size
    )
