"""The skin of a photo in UV, as relief is read from it: lightness, and what is hair, spectacles or beard."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.line_filters import Map, bands, blurred
from deca.fitting.observation import Observation
from deca.fitting.relief_region import ReliefRegion, smooth_step, texel_millimetres
from deca.photo.sampling import LUMA
from deca.render.lighting import shade

# Lightness is the logarithm of the encoded luma plus this, so that noise in the dark does not count.
_DARK = 0.03
_LUMA = np.array(LUMA, np.float32)
# Slow changes of the lightness are means over this many millimetres.
_SLOW = 8.0


@dataclass(frozen=True)
class SkinPhoto:
    """Skin in UV: the photo's lightness less the light's, its tint (red against blue), both as logarithms.

    `weights` in [0, 1] say where the skin is seen and may have relief; a texel and a pixel of the photo are
    `texel` and `pixel` millimetres long there.
    """

    lightness: Map
    tint: Map
    weights: Map
    texel: float
    pixel: float

    def without(self, covered: Map) -> SkinPhoto:
        """The same, with less weight where something covers the skin."""
        return replace(self, weights=self.weights * (1 - covered))

    def mean(self, values: Map, deviation: float) -> Map:
        """Gaussian mean over the skin alone; the deviation is in millimetres."""
        return self._mean(values, (self.weights > 0.3).astype(np.float32), deviation)

    def detail(self) -> Map:
        """The lightness without its slow changes.

        The slow part is a mean that passes over what departs far from it: no halo stands beside dark parts.
        """
        slow = self._mean(self.lightness, self.weights, _SLOW)
        for _ in range(2):
            weights = self.weights * np.exp(-(((self.lightness - slow) / 0.25) ** 2))
            slow = self._mean(self.lightness, weights, _SLOW)
        return self.lightness - slow

    def _mean(self, values: Map, weights: Map, deviation: float) -> Map:
        texels = deviation / self.texel
        return blurred(values * weights, texels) / np.maximum(blurred(weights, texels), 1e-4)


def read_skin(observation: Observation, lighting: Float[Tensor, "1 9 3"], weights: Map) -> SkinPhoto:
    """The skin that an observation shows; some weight must exceed a half."""
    colour = observation.colour[0].permute(1, 2, 0).numpy()
    inside = weights > 0.5
    texel = texel_millimetres(observation.positions[0].numpy() * 1000, inside)
    footprint = float(np.median(observation.pixels_per_texel[0, 0].numpy()[inside]))
    pixel = texel / max(footprint, 1e-6)
    return SkinPhoto(
        lightness=np.log(colour @ _LUMA + _DARK) - log_shading(observation.normals, lighting)[0, 0].numpy(),
        tint=np.log((colour[..., 0] + _DARK) / (colour[..., 2] + _DARK)),
        # A pixel beside the eyes or lips is mixed with them.
        weights=cv2.erode(weights, _disc(1.5 * pixel / texel)),
        texel=texel,
        pixel=pixel,
    )


def log_shading(
    normals: Float[Tensor, "1 3 size size"], lighting: Float[Tensor, "1 9 3"]
) -> Float[Tensor, "1 1 size size"]:
    """The logarithm of the luma of the light's shading, never of less than a tenth of full light."""
    shading = shade(normals[0].flatten(1).mT, lighting[0]) @ torch.from_numpy(_LUMA)
    return shading.clamp_min(0.1).log().view(1, 1, *normals.shape[2:])


def covered_by_hair(
    photo: SkinPhoto,
    observation: Observation,
    predicted: Float[Tensor, "1 3 size size"],
    region: ReliefRegion,
) -> Map:
    """How surely hair, a beard or cloth covers the skin, in [0, 1].

    Shadows and folds are much darker than the `predicted` colour too, and must pass. Hair is darker still, of
    another tint, or dark and full of fine streaks; a pale beard has so many streaks that they tell it alone.
    """
    inside = photo.weights > 0.5
    departure = np.log((observation.colour[0].numpy() + _DARK) / (predicted[0].numpy().clip(0) + _DARK))
    departure = np.stack([photo.mean(part, 1.0) for part in departure])
    departure -= np.median(departure[:, inside], axis=1)[:, None, None]
    lightness = departure.mean(0)
    tint = np.linalg.norm(departure - lightness, axis=0)
    streaks = np.sqrt(photo.mean((photo.lightness - photo.mean(photo.lightness, 1.2)) ** 2, 3.0).clip(0))
    hairy = smooth_step(streaks, 0.045, 0.075) * smooth_step(-lightness, 0.1, 0.3)
    hairy = np.maximum(hairy, smooth_step(streaks, 0.075, 0.11)) * (1 - region.eyes[0, 0].numpy())
    hairy = np.maximum.reduce([hairy, smooth_step(-lightness, 0.5, 0.8), smooth_step(tint, 0.2, 0.35)])
    bare = 1 - np.maximum(hairy, _hanging(photo, hairy, streaks, region))
    # A fold between two cheeks goes with the cheeks; skin between strands goes with the hair.
    bare = cv2.morphologyEx(bare.astype(np.float32), cv2.MORPH_CLOSE, _disc(2.5 / photo.texel))
    bare = cv2.morphologyEx(bare, cv2.MORPH_OPEN, _disc(6.0 / photo.texel))
    return 1 - blurred(cv2.erode(bare, _disc(2.0 / photo.texel)), 1.0 / photo.texel)


def covered_by_things(photo: SkinPhoto, region: ReliefRegion) -> Map:
    """How surely something thin covers the skin, in [0, 1]: very dark parts, grey strands, spectacles."""
    detail = photo.detail()
    dark = smooth_step(np.abs(blurred(detail * photo.weights, 0.8 / photo.texel)), 0.4, 0.65)
    # Hair, grey or black, is less red than the skin around; shadows and furrows are redder.
    tint = blurred(photo.tint, 1.5 / photo.texel)
    inside = photo.weights > 0.5
    grey = smooth_step(np.median(tint[inside]) - tint, 0.3, 0.5) if inside.any() else np.zeros_like(tint)
    things = np.maximum.reduce([dark, grey, _frames(photo, detail, region)]).astype(np.float32)
    grown = cv2.dilate(things, _disc(1.2 / photo.texel))
    return blurred(grown, max(0.8 / photo.texel, 0.5)).clip(0, 1)


def _hanging(photo: SkinPhoto, hairy: Map, streaks: Map, region: ReliefRegion) -> Map:
    """Hair over the forehead: it hangs from above, upright where wrinkles lie; all above its start is
    hair."""
    forehead = region.forehead[0, 0].numpy()
    fine = blurred(photo.lightness, 0.6 / photo.texel)
    across, down = (photo.mean(cv2.Sobel(fine, cv2.CV_32F, *axes) ** 2, 3.0) for axes in ((1, 0), (0, 1)))
    upright = smooth_step(across / (across + down + 1e-9), 0.55, 0.75) * smooth_step(streaks, 0.025, 0.04)
    hair = np.maximum.reduce([hairy, upright, smooth_step(streaks, 0.05, 0.08)]) * forehead
    above = np.maximum.accumulate(hair[::-1], axis=0)[::-1] * forehead
    # Its edge throws a shadow on the skin.
    return cv2.dilate(above.astype(np.float32), _disc(5.0 / photo.texel))


def _frames(photo: SkinPhoto, detail: Map, region: ReliefRegion) -> Map:
    """Frames of spectacles: where a line crosses the root of the nose, all strong lines round the eyes."""
    # Here the nose, where relief counts little, counts fully.
    seen = (8 * photo.weights).clip(0, 1)
    thin, wide = bands(detail * seen, np.array([3.5, 6.0]) / photo.texel, 12)
    dark = (-np.real(thin.responses)).clip(0)
    steep = np.abs(np.sin(thin.angles)) > 0.7
    crossing = thin.enlarged(dark[steep].max(0))
    bridge = region.bridge[0, 0].numpy()
    columns = bridge.any(0)
    if not columns.any():
        return np.zeros_like(detail)
    across = np.where(bridge, crossing, 0).max(0)[columns]
    worn = smooth_step(float(np.quantile(across, 0.3)), 0.018, 0.028)
    contrast = np.maximum(*(band.enlarged(np.abs(band.responses).max(0)) for band in (thin, wide)))
    # Frames throw shadows and lenses distort: what is left between the frames is believed less.
    strength = np.maximum(cv2.dilate(smooth_step(contrast, 0.012, 0.024), _disc(1.5 / photo.texel)), 0.6)
    return worn * strength * region.spectacles[0, 0].numpy()


def _disc(radius: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(radius)) + 1,) * 2)
