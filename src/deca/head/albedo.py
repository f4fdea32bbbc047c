"""The albedo model: colour of the skin in UV, a mean and components."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

# Components resized at once: their copies at full size would otherwise double the memory.
_CHUNK = 8


class AlbedoModel(nn.Module):
    """sRGB albedo maps, mean + coefficients @ basis, at any size; row 0 at v = 1. Values are not clipped.

    `basis` may be smaller than `mean`: what varies is then summed at its own size and enlarged after. It is
    never larger: bringing a map to another size is linear, so the components are brought down once, when the
    model is made.
    """

    mean: Tensor
    basis: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "1 3 size size"],
        basis: Float[Tensor, "albedo 3 basis_size basis_size"],
    ) -> None:
        super().__init__()
        self.size = mean.shape[-1]
        if basis.shape[-1] > self.size:
            raise ValueError(f"albedo components of {basis.shape[-1]} texels for a map of {self.size}")
        # Laid out once as it is summed: a copy at every sum would cost thirty times the sum.
        self.register_buffer("mean", mean.contiguous(), persistent=False)
        self.register_buffer("basis", basis.contiguous(), persistent=False)

    @classmethod
    def averaged(
        cls,
        mean: Float[np.ndarray, "height width 3"],
        basis: Float[np.ndarray, "albedo basis_height basis_width 3"],
        size: int,
    ) -> AlbedoModel:
        """The model at `size` texels a side, areas averaged where it shrinks: the default.

        The arrays are those of a HeadData or an albedo file.
        """
        smaller = min(size, *basis.shape[1:3])
        parts = [resize_map(_maps(part), smaller) for part in np.array_split(basis, len(basis) // _CHUNK + 1)]
        return cls(resize_map(_maps(mean[None]), size), torch.cat(parts))

    @classmethod
    def released(
        cls,
        mean: Float[np.ndarray, "height width 3"],
        basis: Float[np.ndarray, "albedo basis_height basis_width 3"],
        size: int,
    ) -> AlbedoModel:
        """The model as DECA's released code has it: every second texel of 512, and so on for other sizes.

        That aliases, and puts every map a quarter of a texel of `size` up and left.
        """
        step, rest = divmod(len(mean), size)
        if rest or mean.shape[0] != mean.shape[1] or mean.shape != basis.shape[1:]:
            raise ValueError(
                f"albedo of shape {mean.shape} with components of {basis.shape[1:]}: the released code picks "
                f"every n-th texel of squares of one size, a multiple of {size}; use AlbedoModel.averaged"
            )
        return cls(_maps(mean[None, ::step, ::step]), _maps(basis[:, ::step, ::step]))

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


def _maps(
    images: Float[np.ndarray, "map height width 3"],
) -> Float[Tensor, "map 3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32))
