"""The detail view: a photo's skin unwrapped into UV, with what is known of the light, for the detail encoder.

A wrinkle then always lies at the same place of the picture, however the head is turned, and the network is
told how slopes become lightness there: shading changes by the gradient of the light times the tilt of the
surface.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from deca.head.data import HeadData
from deca.head.detail import DetailModel, SurfaceFrames, dot
from deca.render.lighting import FACTORS, harmonics

VIEW_CROP = 352
"""Pixels a side of the crops that views are read from: about as fine as the view itself."""
# Lightness is the logarithm of the luma plus this, so that noise in the dark does not count.
_DARK = 0.03
_LUMA = (0.299, 0.587, 0.114)
# Texels over which the slow part of the lightness is averaged, of a map of half the size: about 12 mm.
_SLOW = 9
# Lightness as the network sees it is about one for a deep wrinkle.
_GAIN = 5.0
_LEAST_SHADING = 0.15


class DetailView(nn.Module):
    """Makes detail views of the heads of one topology, at the size of the detail model's layout."""

    region: Tensor

    def __init__(self, data: HeadData, detail_model: DetailModel) -> None:
        super().__init__()
        self.detail_model = detail_model
        self.layout = layout = detail_model.layout
        region = layout.region_mask("face") | layout.region_mask("forehead") | layout.region_mask("nose")
        for name in ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "scalp", "lips"):
            if name in data.region_names:
                region = region & ~layout.region_mask(name)
        self.register_buffer("region", region, persistent=False)

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        vertices: Float[Tensor, "batch vertex 3"],
        vertices_image: Float[Tensor, "batch vertex 3"],
        lighting: Float[Tensor, "batch 9 3"],
    ) -> Float[Tensor, "batch 4 size size"]:
        """Views of crops (RGB in [0, 1]) of heads posed at `vertices` (head frame), seen at `vertices_image`.

        The channels are the lightness of the skin less the coarse surface's shading and what else is slow, as
        a logarithm; how well the skin is seen, in [0, 1]; and how much that logarithm changes with the
        displacement's slope along u and along v.
        """
        frames = self.detail_model.frames(vertices)
        luma_light = (lighting * lighting.new_tensor(_LUMA)).sum(-1)
        shading = coarse_shading(frames.normals, luma_light)
        slopes = lightness_by_slope(frames, luma_light, shading)
        layout = self.layout
        places = layout.to_uv(vertices_image[..., :2])
        luma = (image * image.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
        seen = grid_sample(luma, places.permute(0, 2, 3, 1), align_corners=False)
        inside = (places.abs() <= 1).all(1, keepdim=True)
        facing = layout.image(frames.normals[:, 2:].mT)
        weights = ((facing - 0.15) / 0.3).clamp(0, 1) * inside * self.region
        lightness = (seen + _DARK).log() - layout.image(shading.log()[..., None])
        fast = (lightness - slow_part(lightness, weights)) * weights
        return torch.cat([_GAIN * fast.clamp(-0.6, 0.6), weights, layout.image(slopes.mT) * self.region], 1)


def slow_part(
    values: Float[Tensor, "batch 1 size size"], weights: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch 1 size size"]:
    """Means over the weighted texels around, by two boxes one after the other, at half the size."""

    def box(maps: Tensor) -> Tensor:
        # Along one axis after the other: a tenth of the work.
        for kernel, padding in (((1, _SLOW), (0, _SLOW // 2)), ((_SLOW, 1), (_SLOW // 2, 0))):
            maps = avg_pool2d(maps, kernel, 1, padding)
        return maps

    both = avg_pool2d(torch.cat([values * weights, weights], 1), 2)
    total, weight = box(box(both)).split(1, 1)
    return interpolate(total / weight.clamp_min(1e-4), scale_factor=2, mode="bilinear", align_corners=False)


def coarse_shading(
    normals: Float[Tensor, "batch 3 texel"], luma_light: Float[Tensor, "batch 9"]
) -> Float[Tensor, "batch texel"]:
    """The light's shading of the coarse surface, as luma, and never so dark that nothing could be told."""
    shading = torch.einsum("bk,kbt->bt", luma_light, harmonics(normals.movedim(1, -1)))
    return shading.clamp_min(_LEAST_SHADING)


def lightness_by_slope(
    frames: SurfaceFrames, luma_light: Float[Tensor, "batch 9"], shading: Float[Tensor, "batch texel"]
) -> Float[Tensor, "batch 2 texel"]:
    """Derivatives of the shading's logarithm by the displacement's slopes along two unit tangents.

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
    falls = [
        dot(along, gradient) * dot(along, along).clamp_min(1e-20).rsqrt()
        for along in (frames.along_u, frames.along_v)
    ]
    return -torch.cat(falls, 1) / shading[:, None]
