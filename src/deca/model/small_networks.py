"""SmallNetworks: coarse encoder, detail encoder and detail decoder for processors, browsers and the default
head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.model.detail_decoder import DEEPEST, MAP_SIZE
from deca.model.networks import NetworkSizes, decoder_input, read_outputs
from deca.model.small_backbone import (
    IMAGE_SIZE,
    MIXED_FEATURES,
    POINT_FEATURES,
    SeparableBlock,
    SmallBackbone,
)
from deca.parameters import Parameters

# Channels of the detail view from 64 texels a side down to 8.
_VIEW_CHANNELS = (48, 96, 128, 160)
_LAST_CHANNELS = 48
_MOVEMENTS = 128
_GATES = 512
# Millimetres.
_FIRST_RELIEF = 0.005
# Makes responses of about unit size.
_RESPONSE = 100.0
RELIEFS = 96
"""How many reliefs a displacement is the sum of."""
_HIDDEN = 512
VIEW_CHANNELS = 4


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


class DetailViewEncoder(nn.Module):
    """A detail view (`deca.model.detail_view`), 256 x 256, to a detail code: where a wrinkle lies is kept."""

    def __init__(self, detail: int) -> None:
        super().__init__()
        first, *others = _VIEW_CHANNELS
        # Where wrinkles are and how they run, at a quarter of the size: finer maps would cost more than all
        # that follows.
        self.first = nn.Conv2d(VIEW_CHANNELS, first, 7, 4, 3)
        self.first_norm = nn.BatchNorm2d(first)
        self.first_activation = nn.PReLU(first)
        blocks: list[nn.Module] = [SeparableBlock(first, first), SeparableBlock(first, first)]
        channels = first
        for out in others:
            blocks += [SeparableBlock(channels, out, 2), nn.BatchNorm2d(out)]
            blocks += [SeparableBlock(out, out), SeparableBlock(out, out)]
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(channels, _LAST_CHANNELS, 1)
        self.last_activation = nn.PReLU(_LAST_CHANNELS)
        # Faces are far more alike than they differ: each number less its mean over faces.
        self.last_norm = nn.BatchNorm2d(_LAST_CHANNELS * 8 * 8 + RELIEFS)
        self.output = nn.Linear(_LAST_CHANNELS * 8 * 8 + RELIEFS, detail)

    def forward(
        self, view: Float[Tensor, "batch 4 256 256"], reliefs: Float[Tensor, "texel relief"]
    ) -> Float[Tensor, "batch detail"]:
        """Detail codes of views; `reliefs` are those that the decoder adds up."""
        responses = relief_responses(view, reliefs)
        view = view.contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.first_activation(self.first_norm(self.first(view))))
        x = torch.cat([self.last_activation(self.last(x)).flatten(1), responses], 1)
        return self.output(self.last_norm(x[..., None, None]).flatten(1))


def relief_responses(
    view: Float[Tensor, "batch 4 256 256"], reliefs: Float[Tensor, "texel relief"]
) -> Float[Tensor, "batch relief"]:
    """How much of each relief a detail view shows: matched filters.

    A relief R changes the lightness by s_u dR/du + s_v dR/dv, s being how lightness follows slopes. Its
    product with the lightness that is seen, summed over the texels, is by parts the product of R with
    -d(s_u l)/du - d(s_v l)/dv; that is divided by the sum of s^2, without which strong light would seem deep.
    """
    lightness, seen, *follows = view.split(1, 1)
    along_u, along_v = (part * lightness for part in follows)
    # u grows to the right and v upwards.
    right = along_u[..., :, 2:] - along_u[..., :, :-2]
    down = along_v[..., 2:, :] - along_v[..., :-2, :]
    pad = torch.nn.functional.pad
    falls = (pad(down, (0, 0, 1, 1)) - pad(right, (1, 1))) / 2
    strength = torch.stack([(part * seen).square().sum((1, 2, 3)) for part in follows]).sum(0)
    return falls.flatten(1) @ reliefs * (_RESPONSE / (strength[:, None] + 1))


class SmallDetailDecoder(nn.Module):
    """Jaw, expression and detail code to a displacement map of 256 x 256 texels: a sum of known reliefs.

    How strong each relief is, is a product: of what the code says of the person and of how far the face
    moves, which opens and closes gates. So a wrinkle that belongs to a person comes with the expression that
    makes it, and a sum of reliefs costs a tenth of a decoder of convolutions.
    """

    def __init__(self, moves: int, detail: int) -> None:
        super().__init__()
        self.moves = moves
        self.movement = nn.Sequential(
            nn.Linear(moves, _MOVEMENTS),
            nn.PReLU(_MOVEMENTS),
            nn.Linear(_MOVEMENTS, _MOVEMENTS),
            nn.PReLU(_MOVEMENTS),
            nn.Linear(_MOVEMENTS, _GATES),
            nn.Sigmoid(),
        )
        self.person = nn.Linear(detail, _GATES)
        self.always = nn.Linear(detail, RELIEFS)
        self.together = nn.Linear(_GATES, RELIEFS, bias=False)
        self.reliefs = nn.Linear(RELIEFS, MAP_SIZE * MAP_SIZE)
        # Nearly smooth to begin with.
        nn.init.normal_(self.reliefs.weight, std=_FIRST_RELIEF)
        nn.init.zeros_(self.reliefs.bias)

    def forward(self, code: Float[Tensor, "batch input"]) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement along the normals in UV, metres, within 10 mm; inputs as `decoder_input` gives
        them."""
        moves, detail = code.split([self.moves, code.shape[1] - self.moves], 1)
        strengths = self.always(detail) + self.together(self.movement(moves) * self.person(detail))
        # Millimetres inside, so that weights and their changes are of one size throughout.
        displacement = self.reliefs(strengths) / 1000
        return displacement.clamp(-DEEPEST, DEEPEST).view(-1, 1, MAP_SIZE, MAP_SIZE)


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

    def detail_code(self, view: Float[Tensor, "batch 4 256 256"]) -> Float[Tensor, "batch detail"]:
        """Detail codes of detail views (`deca.model.detail_view`)."""
        return self.detail_encoder(view, self.detail_decoder.reliefs.weight.detach())

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
