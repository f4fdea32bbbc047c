"""Wrinkles of one person under any expression: the reconstructed ones, and what the expression changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from deca.model.detail_decoder import MAP_SIZE, enlarged
from deca.model.networks import decoder_input
from deca.model.small_detail import SmallDetailDecoder
from deca.parameters import Parameters

DecodeDetail = Callable[[Parameters], Float[Tensor, "batch 1 256 256"]]
"""A detail decoder: displacement in UV, metres, of detail code, expression and jaw."""
# Millimetres by which a texel of a fitted relief differs from what the best code makes of it; neighbours
# differ alike, so it is several times what one texel alone would say.
_DEVIATION = 0.5


@dataclass(frozen=True)
class Wrinkles:
    """A person's displacement under any expression (DECA, section 4.2, on top of a reconstruction).

    `reconstructed` is the displacement (metres) under jaw and expression of `parameters`, a batch of one.
    Another expression changes it by as much as it changes what `decode` makes of the person's detail code;
    so where a reconstruction was decoded itself, the result is exactly what the decoder says. Without a
    decoder it stays as it is.
    """

    reconstructed: Float[Tensor, "1 1 size size"]
    parameters: Parameters
    decode: DecodeDetail | None

    def under(self, parameters: Parameters) -> Float[Tensor, "batch 1 size size"]:
        """The displacement under jaw and expression of `parameters`, metres."""
        return self.reconstructed + self.change(parameters)

    def change(self, parameters: Parameters) -> Float[Tensor, "batch 1 size size"]:
        """What is added to the reconstructed displacement, metres; the rest of `parameters` is not read."""
        size = self.reconstructed.shape[-1]
        if self.decode is None:
            return self.reconstructed.new_zeros(parameters.batch, 1, size, size)
        code = self.parameters.detail.expand(parameters.batch, -1)
        change = self.decode(parameters.replace(detail=code)) - self._decoded
        return enlarged(change, size)

    @cached_property
    def _decoded(self) -> Float[Tensor, "1 1 256 256"]:
        assert self.decode is not None
        return self.decode(self.parameters)


def explaining_code(
    displacements: Float[Tensor, "photo 1 size size"], parameters: Parameters, decoder: SmallDetailDecoder
) -> Float[Tensor, "1 detail"]:
    """The most likely detail code of a person whose displacements (metres) under some expressions are known.

    `parameters` hold a face for each displacement. Displacements are linear in the code, and codes are
    standard normal over people: a least squares problem.
    """
    reliefs, weight = decoder.reliefs.weight, decoder.person.weight
    # All reliefs against each other first: codes are shorter than maps.
    products = reliefs.mT @ reliefs
    precision, right = torch.eye(weight.shape[1], device=weight.device), weight.new_zeros(weight.shape[1])
    small = interpolate(displacements, size=(MAP_SIZE, MAP_SIZE), mode="area").flatten(1) * 1000
    openness = decoder.openness(decoder_input(parameters)[:, : decoder.moves])
    for relief, opened in zip(small, openness, strict=True):
        seen = opened[:, None] * products * opened
        precision = precision + weight.mT @ seen @ weight / _DEVIATION**2
        right = (
            right + weight.mT @ (opened * (reliefs.mT @ relief) - seen @ decoder.person.bias) / _DEVIATION**2
        )
    return torch.linalg.solve(precision, right)[None]
