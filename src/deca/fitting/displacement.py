"""Fine relief from one photo: wrinkles and folds as a displacement map, told from the shading of the skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deca.fitting.bare_skin import SkinPhoto, covered_by_hair, covered_by_things, log_shading, read_skin
from deca.fitting.line_filters import Band, Map, bands, blurred, coherence
from deca.fitting.observation import Observation
from deca.fitting.relief_region import ReliefRegion, smooth_step

_LIMIT = 0.01


@dataclass(frozen=True)
class DisplacementConfig:
    """How shading is read as relief. Lengths in millimetres on the skin, contrasts in natural logarithms."""

    wavelengths: tuple[float, ...] = (1.6, 2.5, 4.0, 6.4, 10.0)
    """Centres of the bands that may hold relief; longer waves are the coarse head's."""
    orientations: int = 12
    cavity: float = 0.12
    """Contrast by which a furrow is darker than its surroundings for each unit of slope, in any light."""
    light_trust: float = 0.6
    """Share of the fitted light's directional shading that is believed."""
    least_contrast: float = 0.004
    """Lines weaker than this are taken for texture of the skin."""
    noise_factor: float = 0.6
    """Lines weaker than this many times the band's median amplitude are taken for noise."""
    pixels_per_wave: tuple[float, float] = (3.0, 6.0)
    """Bands with fewer photo pixels in a wave are left out; from the second figure on they count fully."""
    line_coherence: tuple[float, float] = (0.2, 0.5)
    """Coherence up to which a band's energy is a spot or noise, and from which on it is a line."""
    largest_contrast: float = 0.3
    """Bands are compressed towards this contrast: more is a cast shadow or another material."""
    recovered: float = 0.65
    """Share of a line's height that is left by all that is held back, measured on rendered heads."""
    largest_depth: float = 1.5
    ridge_share: float = 0.6
    """Ridges are lowered to this share: beside a furrow's true walls they are mostly sheen."""
    mirrored_share: float = 0.7
    """Share of the other side's relief that a hidden place takes."""


def fit_displacement(
    observation: Observation,
    predicted: Float[Tensor, "1 3 size size"],
    lighting: Float[Tensor, "1 9 3"],
    region: ReliefRegion,
    config: DisplacementConfig | None = None,
) -> Float[Tensor, "1 1 size size"]:
    """Displacement along the normal, metres in [-0.01, 0.01], zero outside the region.

    `predicted` are the colours that the fitted albedo and light give; `region` is of the observation's
    size. The photo's lightness, freed of its slow changes, is split into bands by wavelength and
    orientation. What is a line, by the coherence of its orientation, is turned into height wave by wave, by
    the least-squares inverse of contrast = cavity * slope + (change of the light's shading with the normal)
    . slope: furrows are darker ("dark is deep": Glencross et al. 2008; Beeler et al. 2010, section 6), and
    slopes towards the light are brighter. Spots, hair, frames of spectacles and the texture of the photo
    itself are left out. Places that the head hides take the other side's relief, weakened. Raises
    ValueError when the sizes of observation and region differ.
    """
    config = config or DisplacementConfig()
    size = observation.colour.shape[-1]
    if region.weights.shape[-1] != size:
        raise ValueError(f"the region has {region.weights.shape[-1]} texels a side, the observation {size}")
    seen, allowed = _seen(observation), region.weights[0, 0].numpy()
    if not (seen * allowed > 0.5).any():
        return torch.zeros(1, 1, size, size)
    photo = read_skin(observation, lighting, seen * allowed)
    # In a very small photo every pixel of skin is mixed with something else.
    if not (photo.weights > 0.5).any():
        return torch.zeros(1, 1, size, size)
    hair = covered_by_hair(photo, observation, predicted, region)
    photo = photo.without(np.maximum(hair, covered_by_things(photo, region)))
    relief = _relief(photo, observation, lighting, config) * photo.weights
    relief = np.where(relief > 0, config.ridge_share * relief, relief) / config.recovered
    relief = config.largest_depth * np.tanh(relief / config.largest_depth)
    if region.symmetric:
        relief = relief + (1 - seen) * allowed * config.mirrored_share * relief[:, ::-1]
    metres = np.clip(relief / 1000, -_LIMIT, _LIMIT).astype(np.float32)
    return torch.from_numpy(metres)[None, None]


def _seen(observation: Observation) -> Map:
    """How well each texel is seen, in [0, 1]: visible, and not at a grazing angle."""
    visible = cv2.erode(observation.visible[0, 0].numpy().astype(np.float32), np.ones((3, 3)))
    return visible * smooth_step(observation.facing[0, 0].numpy(), 0.15, 0.5)


@dataclass(frozen=True)
class _Surface:
    """What the relief lies on: the derivative of the log shading by the normal, and the way to the next
    texel.

    `light` is along the axes of the head frame; `moves` go to the next column and to the next row, in
    texels of the middle length.
    """

    light: Float[np.ndarray, "height width 3"]
    moves: Float[np.ndarray, "2 height width 3"]

    @staticmethod
    def of(observation: Observation, lighting: Float[Tensor, "1 9 3"], texel: float) -> _Surface:
        step = 0.05
        changes = []
        for offset in torch.eye(3)[:, :, None, None] * step:
            above, below = (
                log_shading(
                    torch.nn.functional.normalize(observation.normals + side * offset, dim=1), lighting
                )
                for side in (1, -1)
            )
            changes.append((above - below)[0, 0] / (2 * step))
        positions = observation.positions[0].permute(1, 2, 0).numpy() * (1000 / texel)
        moves = np.stack([np.gradient(positions, axis=1), np.gradient(positions, axis=0)])
        return _Surface(torch.stack(changes, -1).numpy(), moves.astype(np.float32))

    def reduced(self, band: Band) -> _Surface:
        def maps(vectors: np.ndarray) -> np.ndarray:
            return np.stack([band.reduced(np.ascontiguousarray(vectors[..., axis])) for axis in range(3)], -1)

        return _Surface(maps(self.light), np.stack([maps(move) for move in self.moves]))

    def across(self, angle: float) -> tuple[Map, Map]:
        """Derivative of the log shading by a tilt of the normal along a direction, and a texel's length
        there."""
        tangent = np.cos(angle) * self.moves[0] + np.sin(angle) * self.moves[1]
        length = np.maximum(np.linalg.norm(tangent, axis=-1), 1e-3)
        return (self.light * tangent).sum(-1) / length, length


def _relief(
    photo: SkinPhoto,
    observation: Observation,
    lighting: Float[Tensor, "1 9 3"],
    config: DisplacementConfig,
) -> Map:
    """Height in millimetres: the sum over the bands that photo and map resolve."""
    resolved = [
        wave
        for wave in config.wavelengths
        if wave / photo.texel >= 2.5 and wave / photo.pixel > config.pixels_per_wave[0]
    ]
    surface = _Surface.of(observation, lighting, photo.texel)
    relief = np.zeros_like(photo.lightness)
    lengths = np.array(resolved) / photo.texel
    for wave, band in zip(
        resolved, bands(photo.detail() * photo.weights, lengths, config.orientations), strict=True
    ):
        share = smooth_step(wave / photo.pixel, *config.pixels_per_wave)
        relief += share * band.enlarged(_band_relief(band, wave, photo, surface.reduced(band), config))
    return relief


def _band_relief(
    band: Band, wave: float, photo: SkinPhoto, surface: _Surface, config: DisplacementConfig
) -> Map:
    """The height of one band at its own size, millimetres; `wave` is its wavelength, millimetres."""
    length = wave / photo.texel / band.reduction
    amplitude = np.abs(band.responses)
    inside = band.reduced(photo.weights) > 0.8
    noise = float(np.median(np.sqrt((amplitude**2).sum(0))[inside])) if inside.any() else 0.0
    least = max(config.least_contrast, config.noise_factor * noise)
    height = np.zeros(inside.shape, np.float32)
    for response, size, angle in zip(band.responses, amplitude, band.angles, strict=True):
        towards_light, texel = surface.across(angle)
        # The contrast of a wave of height is wavenumber * gain * height: dark furrows, and a quarter wave
        # off, slopes that look to the light.
        gain = config.cavity - 1j * config.light_trust * towards_light
        wavenumber = 2 * np.pi / (wave * texel)
        aligned = response * np.conj(gain) / np.abs(gain)
        kept = (1 - (least / np.maximum(size, 1e-9)) ** 2).clip(0) * _furrowness(aligned, size, length, wave)
        compressed = (
            np.tanh(size / config.largest_contrast) * config.largest_contrast / np.maximum(size, 1e-9)
        )
        height += np.real(aligned) * kept * compressed / (wavenumber * np.abs(gain))
    return height * smooth_step(coherence(band, 0.6 * length), *config.line_coherence)


def _furrowness(
    aligned: Complex[np.ndarray, "height width"], amplitude: Map, length: float, wave: float
) -> Map:
    """How far a band's energy peaks where its phase is that of a furrow, in [0, 1].

    On an edge of colour or of a cast shadow the phase at the peak is a quarter wave off, on a bright streak
    half a wave. Long waves, where folds look like edges, are judged less strictly. `length` is the wave's
    in texels.
    """
    deviation = max(0.35 * length, 0.5)
    dark = -blurred(amplitude * np.real(aligned), deviation) / (blurred(amplitude**2, deviation) + 1e-9)
    long = np.clip((wave - 4) / 6, 0, 1)
    return (1 - long) * smooth_step(dark, -0.1, 0.35) + long * smooth_step(dark, -1.0, 0.1)
