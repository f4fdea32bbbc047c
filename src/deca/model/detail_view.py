"""The detail view: a photo's skin unwrapped into UV, with what is known of the light, for the detail encoder.

A wrinkle then always lies at the same place of the picture, however the head is turned, and the network is
told how slopes become lightness there: shading changes by the gradient of the light times the tilt of the
surface.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from deca.head.albedo import resize_map
from deca.head.data import HeadData
from deca.head.detail import DetailModel, SurfaceFrames, dot
from deca.photo.sampling import LUMA
from deca.render.lighting import FACTORS, harmonics

VIEW_CROP = 448
"""Pixels a side of the crops that views are read from: a little finer than the view itself."""
# Lightness is the logarithm of the luma plus this, so that noise in the dark does not count.
_DARK = 0.03
# Texels over which the slow part of the lightness is averaged, of a map of half the size: about 12 mm.
_SLOW = 9
# What is darker or brighter still is no wrinkle.
_FAST_LIMIT = 0.6
_LEAST_SHADING = 0.15
_LEAST_ALBEDO = 0.05
# Metres that the map is wide or high at least: no texel is shorter than a fifth of a millimetre.
_LEAST_LENGTH = 0.05
# The light that a view is explained by: every so many texels are asked, which count as that many independent
# ones; deviations from the estimate are parts of its brightness, by band; texels that stand out by more than
# some deviations count less and less.
_EVERY, _INDEPENDENT, _ROUNDS = 4, 200.0, 4
_LIGHT_DEVIATIONS = (0.3, *(0.2,) * 3, *(0.12,) * 5)
_STANDS_OUT = 1.5


class DetailView(nn.Module):
    """Makes detail views of the heads of one topology, at the size of the detail model's layout."""

    region: Tensor
    albedo: Tensor

    def __init__(self, data: HeadData, detail_model: DetailModel) -> None:
        super().__init__()
        self.detail_model = detail_model
        self.layout = layout = detail_model.layout
        region = layout.region_mask("face") | layout.region_mask("forehead") | layout.region_mask("nose")
        for name in ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "scalp", "lips"):
            if name in data.region_names:
                region = region & ~layout.region_mask(name)
        self.register_buffer("region", region, persistent=False)
        colours = torch.from_numpy(data.albedo_mean).permute(2, 0, 1)[None]
        albedo = luma_of(resize_map(colours, layout.size))[0, 0]
        # People's skin differs in brightness above all, which the light takes up.
        self.register_buffer("albedo", albedo.clamp_min(_LEAST_ALBEDO), persistent=False)

    def forward(
        self,
        luma: Float[Tensor, "batch 1 height width"],
        vertices: Float[Tensor, "batch vertex 3"],
        vertices_image: Float[Tensor, "batch vertex 3"],
        lighting: Float[Tensor, "batch 9 3"],
    ) -> Float[Tensor, "batch 4 size size"]:
        """Views of the luma of crops, in [0, 1], of heads posed at `vertices` (head frame), seen at
        `vertices_image`.

        The channels are the lightness of the skin less the coarse surface's shading and what else is slow, as
        a logarithm; how well the skin is seen, in [0, 1]; and how much that logarithm changes where the
        displacement rises by a millimetre from texel to texel, to the right and upwards.
        """
        frames = self.detail_model.frames(vertices)
        layout = self.layout
        places = layout.to_uv(vertices_image[..., :2])
        seen = grid_sample(luma, places.permute(0, 2, 3, 1), align_corners=False)
        inside = (places.abs() <= 1).all(1, keepdim=True)
        facing = layout.image(frames.normals[:, 2:].mT)
        weights = ((facing - 0.15) / 0.3).clamp(0, 1) * inside * self.region
        estimate = luma_of(lighting.mT)[:, 0]
        luma_light = self._seen_light(layout.image(frames.normals.mT), seen, weights, estimate)
        shading = coarse_shading(frames.normals, luma_light)
        rises = lightness_by_rise(frames, luma_light, shading, layout.size)
        smooth = layout.image(shading.log()[..., None]) + (self.albedo + _DARK).log()
        lightness = (seen + _DARK).log() - smooth
        fast = (lightness - slow_part(lightness, weights)) * weights
        fast = fast.clamp(-_FAST_LIMIT, _FAST_LIMIT)
        return torch.cat([fast, weights, layout.image(rises.mT) * self.region], 1)

    def _seen_light(
        self,
        normals_uv: Float[Tensor, "batch 3 size size"],
        seen: Float[Tensor, "batch 1 size size"],
        weights: Float[Tensor, "batch 1 size size"],
        estimate: Float[Tensor, "batch 9"],
    ) -> Float[Tensor, "batch 9"]:
        """The light that explains the seen luma best, given what it was estimated to be.

        How a slope becomes lightness follows from where the light comes from, and an encoder that saw small
        pictures knows that roughly: codes of synthetic wrinkles correlate 0.25 with the truth under its
        light, 0.35 under this one and 0.40 under the true one.
        """
        values, normals, known, albedo = (
            part[..., ::_EVERY, ::_EVERY].flatten(2)
            for part in (seen, normals_uv, weights, self.albedo[None, None])
        )
        values, known = values[:, 0], known[:, 0]
        by_light = albedo[:, 0, :, None] * harmonics(normals.mT).permute(1, 2, 0)
        expected = (by_light @ estimate[..., None])[..., 0]
        scale = (known * expected * values).sum(1) / (known * expected.square()).sum(1).clamp_min(1e-6)
        estimate = estimate * scale[:, None]
        deviations = estimate.new_tensor(_LIGHT_DEVIATIONS) * estimate[:, :1].abs().clamp_min(1e-3)
        beforehand = torch.diag_embed(deviations**-2)
        off_estimate = values - (by_light @ estimate[..., None])[..., 0]
        light = estimate
        for _ in range(_ROUNDS):
            off = values - (by_light @ light[..., None])[..., 0]
            size = (known * off.abs()).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1) + 1e-4
            trust = known / (1 + (off / (_STANDS_OUT * size)).square())
            trust = trust * _INDEPENDENT / (known.sum(1, keepdim=True).clamp_min(1) * size.square())
            normal = by_light.mT @ (trust[..., None] * by_light) + beforehand
            light = estimate + torch.linalg.solve(
                normal, (by_light.mT @ (trust * off_estimate)[..., None])[..., 0]
            )
        return light


def luma_of(colours: Float[Tensor, "batch 3 *size"]) -> Float[Tensor, "batch 1 *size"]:
    """The luma of red, green and blue."""
    red, green, blue = colours.split(1, 1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def slow_part(
    values: Float[Tensor, "batch 1 size size"], weights: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch 1 size size"]:
    """Means over the weighted texels around, by two boxes one after the other, at half the size."""
    both = avg_pool2d(torch.cat([values * weights, weights], 1), 2)
    # Several times faster as a product than as pooling.
    boxes = _boxes(both.shape[-1]).to(both)
    total, weight = (boxes @ both @ boxes.T).split(1, 1)
    return interpolate(total / weight.clamp_min(1e-4), scale_factor=2, mode="bilinear", align_corners=False)


@cache
def _boxes(size: int) -> Float[Tensor, "{size} {size}"]:
    """What takes a row of texels to means by two boxes, one after the other."""
    place = torch.arange(size)
    box = ((place - place[:, None]).abs() <= _SLOW // 2).float() / _SLOW
    return box @ box


def coarse_shading(
    normals: Float[Tensor, "batch 3 texel"], luma_light: Float[Tensor, "batch 9"]
) -> Float[Tensor, "batch texel"]:
    """The light's shading of the coarse surface, as luma, and never so dark that nothing could be told."""
    shading = torch.einsum("bk,kbt->bt", luma_light, harmonics(normals.movedim(1, -1)))
    return shading.clamp_min(_LEAST_SHADING)


def lightness_by_rise(
    frames: SurfaceFrames,
    luma_light: Float[Tensor, "batch 9"],
    shading: Float[Tensor, "batch texel"],
    size: int,
) -> Float[Tensor, "batch 2 texel"]:
    """Changes of the shading's logarithm where the displacement rises by a millimetre from texel to texel of
    a map of that size, along u and along v.

    The normal of a displaced surface is N - grad D (Blinn 1978), so a slope along a tangent t changes the
    shading by -t . (gradient of the light at N).
    """
    band = (luma_light * luma_light.new_tensor(FACTORS))[:, :, None]
    x, y, z = frames.normals.unbind(1)
    gradient = torch.stack(
        [
            band[:, 1] + band[:, 4] * y + band[:, 5] * z + 2 * band[:, 7] * x,
            band[:, 2] + band[:, 4] * x + band[:, 6] * z - 2 * band[:, 7] * y,
            band[:, 3] + band[:, 5] * x + band[:, 6] * y + 6 * band[:, 8] * z,
        ],
        1,
    )
    outwards, falls = dot(frames.normals, gradient), []
    for along in (frames.along_u, frames.along_v):
        # Tangent is what is left without the part along the normal. The tangent over its squared length is
        # a slope of one over the whole map; a millimetre over a texel is the one that counts.
        leaving = dot(along, frames.normals)
        squared = dot(along, along).addcmul(leaving, leaving, value=-1)
        tilt = dot(along, gradient).addcmul(leaving, outwards, value=-1)
        falls.append(tilt / squared.clamp_min(_LEAST_LENGTH**2))
    return -torch.cat(falls, 1) * (size / 1000) / shading[:, None]
