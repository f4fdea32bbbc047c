"""Albedo coefficients and light from the skin that a photo shows, by robust least squares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.fitting.observation import Observation
from deca.fitting.skin import seen_weights, skin_region, skin_weights
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.render.lighting import FACTORS, harmonics, shade

# Rec. 709 luma of encoded colours.
LUMA = (0.2126, 0.7152, 0.0722)
LEAST_SHADING = 0.05


@dataclass(frozen=True)
class AppearanceConfig:
    """What is known beforehand about light and skin; deviations of light are fractions of its mean
    brightness."""

    brightness: float = 0.95
    """Shading of the face that is expected before the photo is seen."""
    brightness_deviation: float = 0.14
    direction_deviation: float = 0.35
    """Deviation of the shading's first band, by which one side is brighter than the other."""
    curvature_deviation: float = 0.12
    """Deviation of the second band."""
    colour_deviation: float = 0.06
    """How far the three colours of the light are from grey."""
    noise: float = 0.05
    """Standard deviation of a skin texel about the model, sRGB."""
    independent_texels: float = 60.0
    """Neighbouring texels err together: the whole face counts as this many independent ones."""
    iterations: int = 6


@dataclass(frozen=True)
class AppearanceFit:
    """The parameters with albedo and light, where the photo shows skin (weights in [0, 1]), and whether it
    is grey."""

    parameters: Parameters
    skin: Float[Tensor, "1 1 size size"]
    grey: bool


def fit_appearance(
    observation: Observation,
    parameters: Parameters,
    data: HeadData,
    layout: UVLayout,
    albedo_model: AlbedoModel,
    config: AppearanceConfig | None = None,
) -> AppearanceFit:
    """Albedo coefficients and spherical-harmonics light of one face.

    Albedo and light cannot be told apart by one photo; a Gaussian prior on both settles it: coefficients
    N(0, 1), light near white and of usual brightness. In between, `skin_weights` says what is skin.
    `layout` and `albedo_model` have the observation's size; 128 to 256 texels are plenty. A photo without
    colour is fitted in grey. Where hardly any skin is seen, the mean albedo in even light is what remains.
    """
    config = config or AppearanceConfig()
    geometric = skin_region(data, layout) * seen_weights(observation)
    rows, columns = (geometric[0, 0] > 0.05).nonzero().unbind(1)
    grey = is_grey(observation)
    colours = torch.tensor(LUMA).expand(3, 3) if grey else torch.eye(3)
    colour = torch.einsum("cd,bdhw->bchw", colours, observation.colour)
    target = colour[0][:, rows, columns].T
    mean = albedo_model.mean[0][:, rows, columns].T @ colours.T
    basis = _basis_at(albedo_model, rows, columns) @ colours.T
    normals = observation.normals[0][:, rows, columns].T
    share = config.independent_texels / max(1, int(skin_region(data, layout).sum()))
    problem = _Problem(target, mean, basis, harmonics(normals).mT, share, config)
    lighting = problem.even_light(geometric[0, 0][rows, columns])
    albedo = torch.zeros(len(basis))
    skin = geometric
    for iteration in range(config.iterations):
        weights = skin[0, 0][rows, columns]
        albedo, lighting = problem.step(albedo, lighting, weights)
        if iteration >= 1:
            predicted = torch.zeros_like(observation.colour)
            predicted[0][:, rows, columns] = problem.predict(albedo, lighting).T
            skin = skin_weights(colour, predicted, geometric)
    return AppearanceFit(parameters.replace(albedo=albedo[None], lighting=lighting[None]), skin, grey)


@dataclass(frozen=True)
class _Problem:
    """The bilinear problem, over the texels that may be skin; `share` is how independent one texel is."""

    target: Float[Tensor, "texel 3"]
    mean: Float[Tensor, "texel 3"]
    basis: Float[Tensor, "albedo texel 3"]
    harmonics: Float[Tensor, "texel 9"]
    share: float
    config: AppearanceConfig

    def even_light(self, weights: Float[Tensor, " texel"]) -> Float[Tensor, "9 3"]:
        """Ambient light as bright as the median texel asks for."""
        lighting = torch.zeros(9, 3)
        sure = weights > 0.5
        brightness = torch.tensor(self.config.brightness)
        if sure.any():
            brightness = (self.target[sure].mean(1) / self.mean[sure].mean(1).clamp_min(0.05)).median()
        lighting[0] = brightness / FACTORS[0]
        return lighting

    def predict(
        self, albedo: Float[Tensor, " albedo"], lighting: Float[Tensor, "9 3"]
    ) -> Float[Tensor, "texel 3"]:
        return self.albedo_at(albedo) * self.shading(lighting)

    def albedo_at(self, albedo: Float[Tensor, " albedo"]) -> Float[Tensor, "texel 3"]:
        return self.mean + (albedo @ self.basis.flatten(1)).view_as(self.mean)

    def shading(self, lighting: Float[Tensor, "9 3"]) -> Float[Tensor, "texel 3"]:
        return (self.harmonics @ lighting).clamp_min(LEAST_SHADING)

    def step(
        self, albedo: Float[Tensor, " albedo"], lighting: Float[Tensor, "9 3"], skin: Float[Tensor, " texel"]
    ) -> tuple[Float[Tensor, " albedo"], Float[Tensor, "9 3"]]:
        """One Gauss-Newton step on albedo and light together: in turns, the first would take what is the
        other's."""
        weights = self.robust(albedo, lighting, skin)
        count = len(albedo)
        shading, colour = self.shading(lighting), self.albedo_at(albedo)
        jacobian = torch.zeros(count + 27, len(self.target), 3)
        torch.mul(self.basis, shading, out=jacobian[:count])
        for channel in range(3):
            jacobian[count + channel :: 3, :, channel] = (self.harmonics * colour[:, channel, None]).T
        weighted = (jacobian * weights[:, None]).flatten(1)
        system = weighted @ jacobian.flatten(1).T
        right = weighted @ (self.target - colour * shading).flatten()
        precision, expected = self.light_prior(skin)
        right[:count] -= albedo
        right[count:] += precision @ (expected - lighting).flatten()
        system = system + torch.block_diag(torch.eye(count), precision)
        change = torch.linalg.solve(system, right)
        return albedo + change[:count], lighting + change[count:].view(9, 3)

    def light_prior(
        self, skin: Float[Tensor, " texel"]
    ) -> tuple[Float[Tensor, "light light"], Float[Tensor, "9 3"]]:
        """Precision of the 27 numbers of light (term, then colour) and what is expected: even, white light.

        How bright it is, is said of the shading of the skin that is seen; how uneven, of each term.
        """
        config = self.config
        expected = torch.zeros(9, 3)
        expected[0] = config.brightness / FACTORS[0]
        grey, tinted = torch.full((3, 3), 1 / 9), torch.eye(3) - 1 / 3
        terms = torch.tensor(FACTORS)
        uneven = torch.tensor([1.0] + 3 * [config.direction_deviation] + 5 * [config.curvature_deviation])
        precision = torch.kron(
            torch.diag((terms / uneven).square()), grey + tinted / config.colour_deviation**2
        )
        middle = (self.harmonics * skin[:, None]).sum(0) / skin.sum().clamp_min(1e-6)
        of_middle = grey / config.brightness_deviation**2 + tinted / config.colour_deviation**2
        return precision + torch.kron(torch.outer(middle, middle), of_middle), expected

    def robust(
        self, albedo: Float[Tensor, " albedo"], lighting: Float[Tensor, "9 3"], skin: Float[Tensor, " texel"]
    ) -> Float[Tensor, " texel"]:
        """Precision of each texel: less for what the model does not explain (Cauchy)."""
        departure = (self.target - self.predict(albedo, lighting)).norm(dim=1) / (2.5 * self.config.noise)
        return self.share * skin / (1 + departure.square()) / self.config.noise**2


def shading_map(
    normals: Float[Tensor, "1 3 size size"], lighting: Float[Tensor, "1 9 3"]
) -> Float[Tensor, "1 3 size size"]:
    """The light's shading of a map of unit normals in the posed head frame."""
    size = normals.shape[-1]
    return shade(normals[0].flatten(1).mT, lighting[0]).mT.reshape(1, 3, size, size)


def is_grey(observation: Observation) -> bool:
    """Whether the visible head has no colour."""
    seen = observation.colour[0][:, observation.visible[0, 0]]
    if not seen.numel():
        return False
    brightest, darkest = seen.amax(0), seen.amin(0)
    return bool(((brightest - darkest) / brightest.clamp_min(0.05)).median() < 0.03)


def _basis_at(
    albedo_model: AlbedoModel, rows: Int[Tensor, " texel"], columns: Int[Tensor, " texel"]
) -> Float[Tensor, "albedo texel 3"]:
    """The albedo components at some texels of the full map, from the nearest of their own smaller map."""
    height, width = albedo_model.basis.shape[-2:]
    rows = ((rows + 0.5) * height / albedo_model.size).long()
    columns = ((columns + 0.5) * width / albedo_model.size).long()
    return albedo_model.basis[:, :, rows, columns].transpose(1, 2)
