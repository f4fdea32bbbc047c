"""SmallNetworks: coarse encoder, detail encoder and detail decoder for processors, browsers and the default
head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.model.detail_decoder import DEEPEST, UpBlock
from deca.model.networks import NetworkSizes, decoder_input, read_outputs
from deca.model.small_backbone import (
    IMAGE_SIZE,
    MIXED_FEATURES,
    POINT_FEATURES,
    SeparableBlock,
    SmallBackbone,
)
from deca.parameters import Parameters

# Channels of the detail view from 128 texels a side down to 8.
_VIEW_CHANNELS = (24, 32, 64, 128, 128)
_LAST_CHANNELS = 48
_DECODER_CHANNELS = (96, 64, 48, 32, 24)
_HIDDEN = 512
VIEW_CHANNELS = 4


class PointEncoder(nn.Module):
    """A crop and the 468 points found in it to coarse parameters, in their published order.

    Outputs are a mean plus deviations, so that what is learnt is of size one, whatever the unit. The places
    of the points make a first, linear estimate; two hidden layers add what points and picture say beyond it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Float[Tensor, " output"], deviation: Float[Tensor, " output"]) -> None:
        super().__init__()
        self.backbone = SmallBackbone()
        self.direct = nn.Linear(POINT_FEATURES, len(mean))
        self.hidden = nn.Sequential(
            nn.Linear(MIXED_FEATURES + POINT_FEATURES, _HIDDEN),
            nn.PReLU(_HIDDEN),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.PReLU(_HIDDEN),
        )
        self.outputs = nn.Linear(_HIDDEN, len(mean))
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> Float[Tensor, "batch output"]:
        """Outputs for images of RGB in [0, 1]; points are (x, y) in the image frame and how sure they are."""
        mixed, places = self.backbone(image, points)
        found = self.direct(places) + self.outputs(self.hidden(torch.cat([mixed, places], 1)))
        return self.mean + self.deviation * found


class DetailViewEncoder(nn.Module):
    """A detail view (`deca.model.detail_view`), 256 x 256, to a detail code: where a wrinkle lies is kept."""

    def __init__(self, detail: int) -> None:
        super().__init__()
        first, *others = _VIEW_CHANNELS
        self.first = nn.Conv2d(VIEW_CHANNELS, first, 5, 2, 2)
        self.first_activation = nn.PReLU(first)
        blocks: list[nn.Module] = [SeparableBlock(first, first)]
        channels = first
        for out in others:
            blocks += [SeparableBlock(channels, out, 2), SeparableBlock(out, out), SeparableBlock(out, out)]
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(channels, _LAST_CHANNELS, 1)
        self.last_activation = nn.PReLU(_LAST_CHANNELS)
        self.output = nn.Linear(_LAST_CHANNELS * 8 * 8, detail)

    def forward(self, view: Float[Tensor, "batch 4 256 256"]) -> Float[Tensor, "batch detail"]:
        """Detail codes of views."""
        view = view.contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.first_activation(self.first(view)))
        return self.output(self.last_activation(self.last(x)).flatten(1))


class SmallDetailDecoder(nn.Module):
    """The detail decoder with its last doubling by sub-pixels (Shi et al. 2016): three times as fast as
    published.

    `inputs` numbers (jaw, expression, detail code) become a displacement map of 256 x 256 texels.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        first, *others = _DECODER_CHANNELS
        self.first = nn.Linear(inputs, first * 8 * 8)
        self.first_norm = nn.BatchNorm2d(first)
        self.blocks = nn.Sequential(
            *(UpBlock(wide, out) for wide, out in zip(_DECODER_CHANNELS, others, strict=False))
        )
        self.last = nn.Conv2d(others[-1], 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, code: Float[Tensor, "batch input"]) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement along the normals in UV, metres, within 10 mm."""
        x = self.first(code).unflatten(1, (-1, 8, 8)).contiguous(memory_format=torch.channels_last)
        return DEEPEST * self.shuffle(self.last(self.blocks(self.first_norm(x)))).tanh()


class SmallNetworks(nn.Module):
    """The three networks in a size for processors; the detail encoder sees the skin unwrapped into UV."""

    image_size = IMAGE_SIZE

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self._sizes = sizes
        mean, deviation = output_scaling(sizes)
        self.coarse_encoder = PointEncoder(mean, deviation)
        self.detail_encoder = DetailViewEncoder(sizes.detail)
        self.detail_decoder = SmallDetailDecoder(sizes.decoder)

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate."""
        return self._sizes

    def coarse(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> Float[Tensor, "batch output"]:
        """The coarse encoder's outputs for crops, RGB in [0, 1], and the points found in them
        (`PointEncoder`)."""
        return self.coarse_encoder(image, points)

    def encode(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> Parameters:
        """The coarse outputs as parameters; the detail code, which needs a detail view, is zero."""
        coarse = self.coarse(image, points)
        return read_outputs(coarse, coarse.new_zeros(len(coarse), self.sizes.detail), self.sizes)

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement in UV, metres, of the detail code under this expression and jaw."""
        return self.detail_decoder(decoder_input(parameters))


def output_scaling(sizes: NetworkSizes) -> tuple[Float[Tensor, " output"], Float[Tensor, " output"]]:
    """Mean and deviation of the coarse encoder's outputs over faces, roughly, in their published order.

    Coefficients are those of facial actions in [0, 1]; lengths are metres and angles radians.
    """
    jaw, others = [0.05, 0.0, 0.0], [0.0] * 3
    light = torch.full((9, 3), 0.2)
    light[0] = 0.8
    white = torch.zeros(9, 3)
    white[0] = 2.75
    mean = [
        torch.zeros(sizes.shape + sizes.albedo),
        torch.full((sizes.expression,), 0.05),
        torch.tensor([*others, *jaw, 9.0, 0.0, 0.015]),
        white.flatten(),
        torch.zeros(sizes.eyes),
    ]
    deviation = [
        torch.ones(sizes.shape + sizes.albedo),
        torch.full((sizes.expression,), 0.15),
        torch.tensor([0.3, 0.5, 0.3, 0.1, 0.03, 0.03, 1.0, 0.05, 0.03]),
        light.flatten(),
        torch.full((sizes.eyes,), 0.15),
    ]
    return torch.cat(mean), torch.cat(deviation)
