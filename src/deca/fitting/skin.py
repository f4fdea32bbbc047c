"""Where a photo shows bare skin of the face, as soft weights in UV: by the head's geometry, then by
colour."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.fitting.observation import Observation
from deca.head.data import HeadData
from deca.head.uv import UVLayout

# Parts that some heads mark as regions of their own and that are no skin.
_NO_SKIN = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")
# Colours are compared as logarithms of value + this, so that noise in the dark does not count.
_DARK = 0.05
# Least and largest standard deviation of skin about the model's prediction, in natural logarithms.
_LIGHTNESS_DEVIATION = (0.06, 0.13)
_TINT_DEVIATION = (0.025, 0.06)


def skin_region(data: HeadData, layout: UVLayout) -> Bool[Tensor, "1 1 size size"]:
    """The texels of the face's skin: its region without lips, eyeballs and what lies inside mouth and
    lids."""
    skin = layout.region_mask("face") & ~layout.region_mask("lips") & ~moving_with_eyes(data, layout)[0, 0]
    for name in _NO_SKIN:
        if name in layout.region_names:
            skin = skin & ~layout.region_mask(name)
    return skin[None, None]


def moving_with_eyes(data: HeadData, layout: UVLayout) -> Bool[Tensor, "1 1 size size"]:
    """The texels of the eyeballs: those that an eye joint carries, on a head of any topology."""
    joints = [data.joint_names.index(name) for name in ("left_eye", "right_eye") if name in data.joint_names]
    weights = torch.from_numpy(data.skinning_weights[:, joints]).sum(1)
    return (layout.to_uv(weights[None, :, None]) > 0.99) & layout.mask


def seen_weights(observation: Observation) -> Float[Tensor, "1 1 size size"]:
    """How well each texel is seen, in [0, 1]: less towards silhouettes, nothing beside what is hidden."""
    visible = eroded(observation.visible.float(), max(1, round(observation.visible.shape[-1] / 170)))
    return soft(visible, 0.5, 1.0) * soft(observation.facing, 0.2, 0.5)


def skin_weights(
    colour: Float[Tensor, "1 3 size size"],
    predicted: Float[Tensor, "1 3 size size"],
    geometric: Float[Tensor, "1 1 size size"],
) -> Float[Tensor, "1 1 size size"]:
    """How surely each texel shows bare skin, in [0, 1].

    `colour` is the observation's, `geometric` says where skin may be (`skin_region` times `seen_weights`),
    `predicted` which colour the fitted albedo and light give it there. What departs from the prediction by
    more than skin does, in lightness (hair, glasses, cast shadows; highlights) or in tint (lips, cloth,
    background), is left out with its surroundings. The deviation of skin is measured on the face itself,
    robustly.
    """
    size = colour.shape[-1]
    lightness, tint = departure(colour, predicted, geometric, size / 200)
    inside = geometric[0, 0] > 0.3
    if inside.sum() < 16:
        return torch.zeros_like(geometric)
    middle = lightness[0, 0][inside].median()
    lightness_deviation = _deviation((lightness[0, 0][inside] - middle).abs(), _LIGHTNESS_DEVIATION)
    tint_deviation = _deviation(tint[0, 0][inside], _TINT_DEVIATION)
    relative = lightness / lightness_deviation
    kept = (
        (1 - soft(-relative, 2.0, 3.5))
        * (1 - soft(relative, 2.0, 3.5))
        * (1 - soft(tint / tint_deviation, 2.5, 4.5))
    )
    # Hair and frames are wider than their darkest line.
    kept = torch.minimum(kept, blurred(eroded(kept, max(1, round(size / 170))), size / 256, geometric))
    return kept * geometric


def departure(
    colour: Float[Tensor, "1 3 size size"],
    predicted: Float[Tensor, "1 3 size size"],
    weights: Float[Tensor, "1 1 size size"],
    deviation: float,
) -> tuple[Float[Tensor, "1 1 size size"], Float[Tensor, "1 1 size size"]]:
    """Logarithmic difference of a colour from its prediction: signed lightness, and length of the tint.

    Smoothed within `weights` by a Gaussian of `deviation` texels, so that pores and noise do not count.
    """
    difference = ((colour + _DARK) / (predicted.clamp_min(0) + _DARK)).log()
    difference = blurred(difference, deviation, (weights > 0.01).float())
    lightness = difference.mean(1, keepdim=True)
    return lightness, (difference - lightness).norm(dim=1, keepdim=True)


def blurred(
    values: Float[Tensor, "1 channel size size"], deviation: float, weights: Float[Tensor, "1 1 size size"]
) -> Float[Tensor, "1 channel size size"]:
    """Gaussian mean of what has weight; values without weight do not leak in, and stay where nothing is
    near."""
    side = 2 * max(1, round(2.5 * deviation)) + 1
    stacked = torch.cat([values * weights, weights], 1)[0].permute(1, 2, 0).contiguous().numpy()
    stacked = cv2.GaussianBlur(stacked, (side, side), deviation, borderType=cv2.BORDER_CONSTANT)
    smooth = torch.from_numpy(stacked).permute(2, 0, 1)[None]
    total, share = smooth[:, :-1], smooth[:, -1:]
    return torch.where(share > 1e-4, total / share.clamp_min(1e-4), values)


def eroded(values: Float[Tensor, "1 1 size size"], radius: int) -> Float[Tensor, "1 1 size size"]:
    """The least value within a square of `radius` texels; beyond the border counts as one."""
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return torch.from_numpy(cv2.erode(values[0, 0].numpy(), square))[None, None]


def soft(values: Tensor, low: float, high: float) -> Tensor:
    """A smooth step from 0 at `low` to 1 at `high`."""
    step = ((values - low) / (high - low)).clamp(0, 1)
    return step * step * (3 - 2 * step)


def _deviation(absolute: Float[Tensor, " texel"], limits: tuple[float, float]) -> float:
    """Standard deviation from absolute departures, by their median, within limits."""
    return min(max(1.4826 * float(absolute.median()), limits[0]), limits[1])
