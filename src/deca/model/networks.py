"""DECA's three networks together: a crop to Parameters, and Parameters to a displacement map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.geometry import euler_to_axis_angle
from deca.model.detail_decoder import DetailDecoder
from deca.model.encoder import Encoder
from deca.model.resnet import FEATURES, ResNet50
from deca.parameters import Parameters

IMAGE_SIZE = 224
_POSE, _CAMERA, _LIGHTING = 6, 3, 27
_JAW = 3


@dataclass(frozen=True)
class NetworkSizes:
    """How many numbers of each kind the networks estimate; by default as published.

    `eyes` is 0, or 4 for networks that also estimate how far each eye (left, right) turns about x and y.
    """

    shape: int = 100
    albedo: int = 50
    expression: int = 50
    detail: int = 128
    eyes: int = 0

    @property
    def coarse(self) -> tuple[int, ...]:
        """Lengths of the coarse encoder's outputs: shape, albedo, expression, pose, camera, lighting,
        eyes."""
        return (self.shape, self.albedo, self.expression, _POSE, _CAMERA, _LIGHTING, self.eyes)

    @property
    def decoder(self) -> int:
        """Length of the detail decoder's input."""
        return _JAW + self.expression + self.detail


@runtime_checkable
class FaceNetworks(Protocol):
    """What a face needs of the networks, whatever runs them."""

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate."""
        ...

    def encode(self, image: Float[Tensor, "batch 3 224 224"]) -> Parameters:
        """Parameters of crops, RGB in [0, 1]."""
        ...

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement in UV, metres."""
        ...


class DecaNetworks(nn.Module):
    """Coarse encoder, detail encoder and detail decoder; `eval()` it to use it, as any network with batch
    norm."""

    def __init__(self, sizes: NetworkSizes | None = None) -> None:
        super().__init__()
        self._sizes = sizes or NetworkSizes()
        self.coarse_encoder = Encoder(ResNet50(), FEATURES, sum(self.sizes.coarse))
        self.detail_encoder = Encoder(ResNet50(), FEATURES, self.sizes.detail)
        self.detail_decoder = DetailDecoder(self.sizes.decoder)

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate."""
        return self._sizes

    def coarse(
        self, image: Float[Tensor, "batch 3 224 224"], points: Float[Tensor, "batch 468 3"]
    ) -> tuple[Float[Tensor, "batch output"], None]:
        """The coarse encoder's outputs for crops, RGB in [0, 1]; as published, it sees the picture alone, and
        no points in it."""
        return self.coarse_encoder(image), None

    def encode(self, image: Float[Tensor, "batch 3 224 224"]) -> Parameters:
        """Parameters of crops, RGB in [0, 1]; neck and eyes, which nothing estimates, stay at rest."""
        return read_outputs(self.coarse_encoder(image), self.detail_encoder(image), self.sizes)

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement in UV, metres, of the detail code under this expression and jaw."""
        return self.detail_decoder(decoder_input(parameters))


class NetworksWithEulerJaw:
    """Networks that were trained to give the jaw as Euler angles: theirs is turned to axis-angle at once."""

    def __init__(self, networks: FaceNetworks) -> None:
        self._networks = networks

    @property
    def sizes(self) -> NetworkSizes:
        """How many numbers of each kind they estimate."""
        return self._networks.sizes

    def encode(self, image: Float[Tensor, "batch 3 224 224"]) -> Parameters:
        """Parameters of crops, RGB in [0, 1]."""
        return with_jaw_from_euler(self._networks.encode(image))

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement in UV, metres."""
        return self._networks.displacement(parameters)


def read_outputs(
    coarse: Float[Tensor, "batch output"], detail: Float[Tensor, "batch detail"], sizes: NetworkSizes
) -> Parameters:
    """The encoders' outputs in the published order as Parameters; the jaw is read as axis-angle."""
    shape, albedo, expression, pose, camera, lighting, eyes = coarse.split(sizes.coarse, 1)
    rest = torch.zeros_like(pose)
    turned = (
        torch.nn.functional.pad(eyes.unflatten(1, (2, -1)), (0, 1))
        if sizes.eyes
        else rest.unflatten(1, (2, 3))
    )
    return Parameters(
        shape=shape,
        expression=expression,
        pose=pose[:, :3],
        neck=rest[:, :3],
        jaw=pose[:, 3:],
        eyes=turned,
        camera=camera,
        albedo=albedo,
        lighting=lighting.unflatten(1, (9, 3)),
        detail=detail,
    )


def with_jaw_from_euler(parameters: Parameters) -> Parameters:
    """Parameters whose jaw was estimated as Euler angles, with the jaw as the axis-angle it stands for."""
    return parameters.replace(jaw=euler_to_axis_angle(parameters.jaw))


def decoder_input(parameters: Parameters) -> Float[Tensor, "batch input"]:
    """What the detail decoder reads, in the published order: jaw, expression, detail code."""
    return torch.cat([parameters.jaw, parameters.expression, parameters.detail], 1)
