"""The detail decoder F_d: detail code, expression and jaw to a displacement map (DECA, section 4.2)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

MAP_SIZE = 256
"""Texels a side of the decoders' maps."""
DEEPEST = 0.01
_FIRST_SIDE = 8
_CHANNELS = (128, 128, 64, 64, 32, 16)
# Published weights were trained with this epsilon in every batch norm but the first: it belongs to them.
_EPSILON = 0.8


class UpBlock(nn.Module):
    """Twice the size: bilinear, 3x3 convolution, batch norm, leaky ReLU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.convolution = nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON)
        self.activation = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: Float[Tensor, "batch _ height width"]) -> Float[Tensor, "batch _ _ _"]:
        """The map at twice its height and width."""
        return self.activation(self.norm(self.convolution(self.enlarge(x))))


class DetailDecoder(nn.Module):
    """`inputs` numbers (jaw, expression, detail code) to a displacement map of 256 x 256 texels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        first, *others = _CHANNELS
        self.first = nn.Linear(inputs, first * _FIRST_SIDE**2)
        self.first_norm = nn.BatchNorm2d(first)
        self.blocks = nn.Sequential(
            *(UpBlock(channels, out) for channels, out in zip(_CHANNELS, others, strict=False))
        )
        self.last = nn.Conv2d(others[-1], 1, 3, padding=1)

    def forward(self, code: Float[Tensor, "batch input"]) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement along the normals in UV, metres, within 10 mm."""
        x = self.first(code).unflatten(1, (-1, _FIRST_SIDE, _FIRST_SIDE))
        return DEEPEST * self.last(self.blocks(self.first_norm(x))).tanh()


def enlarged(
    displacement: Float[Tensor, "batch 1 small small"], size: int
) -> Float[Tensor, "batch 1 {size} {size}"]:
    """Displacement maps at more texels, their slopes smooth (bicubic)."""
    # OpenCV's is the same cubic as PyTorch's, in a third of the time.
    maps = [
        cv2.resize(each, (size, size), interpolation=cv2.INTER_CUBIC) for each in displacement[:, 0].numpy()
    ]
    return torch.from_numpy(np.stack(maps)[:, None])
