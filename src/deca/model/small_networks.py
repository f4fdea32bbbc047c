"""SmallNetworks: coarse encoder, detail encoder and detail decoder for processors, browsers and the default
head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.model.networks import NetworkSizes, decoder_input, read_outputs
from deca.model.small_backbone import (
    IMAGE_SIZE,
    MIXED_FEATURES,
    POINT_FEATURES,
    SmallBackbone,
)
from deca.model.small_detail import DetailViewEncoder, SmallDetailDecoder
from deca.parameters import Parameters

_HIDDEN = 512


class PointEncoder(nn.Module):
    """A crop to coarse parameters, in their published order, by the 468 points found in it.

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
    ) -> tuple[Float[Tensor, "batch output"], Float[Tensor, "batch 468 2"]]:
        """Outputs for images of RGB in [0, 1], and the points that the encoder sees there itself.

        `points` are (x, y) in the image frame and how sure they are, 0 where none was found.
        """
        mixed, places, own = self.backbone(image, points)
        found = self.direct(places) + self.outputs(self.hidden(torch.cat([mixed, places], 1)))
        return self.mean + self.deviation * found, own


class SmallNetworks(nn.Module):
    """The three networks in a size for processors; the detail encoder sees the skin unwrapped into UV."""

    image_size = IMAGE_SIZE

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self._sizes = sizes
        mean, deviation = output_scaling(sizes)
        self.coarse_encoder = PointEncoder(mean, deviation)
        self.detail_encoder = DetailViewEncoder(sizes.detail)
        self.detail_decoder = SmallDetailDecoder(sizes.decoder - sizes.detail, sizes.detail)

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate."""
        return self._sizes

    def coarse(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> tuple[Float[Tensor, "batch output"], Float[Tensor, "batch 468 2"]]:
        """The coarse encoder's outputs for crops, RGB in [0, 1], and the points found in them, and the points
        that it sees itself (`PointEncoder`)."""
        return self.coarse_encoder(image, points)

    def encode(
        self, image: Float[Tensor, "batch 3 192 192"], points: Float[Tensor, "batch 468 3"]
    ) -> Parameters:
        """The coarse outputs as parameters; the detail code, which needs a detail view, is zero."""
        coarse, _ = self.coarse(image, points)
        return read_outputs(coarse, coarse.new_zeros(len(coarse), self.sizes.detail), self.sizes)

    def detail_code(
        self, view: Float[Tensor, "batch 4 256 256"], parameters: Parameters
    ) -> Float[Tensor, "batch detail"]:
        """Detail codes of detail views (`deca.model.detail_view`) of faces with this jaw and expression."""
        moves = decoder_input(parameters)[:, : self.detail_decoder.moves]
        return self.detail_encoder(view, self.detail_decoder, moves)

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
