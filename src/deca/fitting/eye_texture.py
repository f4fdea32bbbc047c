"""The eyeballs of a texture: irises and whites as the photo has them, in the shade of the lids."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.observation import Observation
from deca.fitting.skin import soft
from deca.head.data import HeadData
from deca.head.uv import UVLayout

# The iris's diameter over the distance of the eye's corners: 11.7 of 30 mm.
IRIS_OF_OPENING = 0.39
# sRGB of the white of an eye, by which `fit_eyes` measures irises.
WHITE_ALBEDO = 0.80
# Within these fractions of an iris's radius lies its own colour: outside the pupil, inside the dark rim.
_OWN_COLOUR = (0.45, 0.85)
_WHITE_LIMITS = (0.42, 0.80)
_USUAL_WHITE = 0.66
_LID_SHADE, _CORNER_SHADE = 0.45, 0.25
# iBUG: the outer and inner corner of each eye.
_CORNERS = {"left_eye": (45, 42), "right_eye": (36, 39)}


def paint_eyes(
    texture: Float[Tensor, "1 3 size size"],
    white: float,
    iris_colour: Float[Tensor, "3"] | None,
    data: HeadData,
    layout: UVLayout,
) -> Float[Tensor, "1 3 size size"]:
    """A texture whose eyeballs have whites of a given brightness and, where it is known, irises of a given
    albedo.

    The painted structure stays. The lids' shade, which no light without shadows gives, is painted on: an eye
    without it stares. The eyeballs rest looking along +z.
    """
    rest = torch.from_numpy(data.template_vertices)
    positions = layout.to_uv(rest[None])[0]
    for joint, (outer, inner) in _CORNERS.items():
        if joint not in data.joint_names:
            continue
        carried = torch.from_numpy(data.skinning_weights[:, data.joint_names.index(joint)])
        ball = (layout.to_uv(carried[None, :, None])[0, 0] > 0.99) & layout.mask
        if not ball.any():
            continue
        vertices = rest[carried > 0.99]
        low, high = vertices.amin(0), vertices.amax(0)
        offset = positions - ((low + high) / 2)[:, None, None]
        iris = IRIS_OF_OPENING / 2 * (_landmark(data, outer) - _landmark(data, inner)).norm()
        radius = torch.where(offset[2] > 0, torch.hypot(offset[0], offset[1]) / iris, torch.inf)
        inside = ball * (1 - ((radius - 0.9) / 0.15).clamp(0, 1))
        sclera = texture[0][:, ball & (radius > 1.2) & (radius < 2)]
        own = texture[0][:, ball & (radius > _OWN_COLOUR[0]) & (radius < _OWN_COLOUR[1])]
        whiter = white / sclera.mean().clamp_min(0.05) if sclera.numel() else torch.tensor(1.0)
        factor = whiter.expand(3)
        if iris_colour is not None and own.numel():
            factor = (iris_colour * (white / WHITE_ALBEDO) / own.mean(1).clamp_min(0.02)).clamp(0.1, 3)
        x, y = offset[0].abs() / iris, offset[1] / iris
        shade = (1 - _LID_SHADE * soft(y, 0.0, 1.1)) * (1 - _CORNER_SHADE * soft(x, 1.3, 2.4))
        painted = torch.lerp(whiter.expand(3)[:, None, None], factor[:, None, None], inside) * shade
        texture = texture * torch.where(ball, painted, 1.0)
    return texture


def white_of_eyes(
    observation: Observation, exposure: Float[Tensor, ""], data: HeadData, layout: UVLayout
) -> float:
    """Brightness of the whites in even light, from the brighter part of what is seen of the eyeballs."""
    joints = [data.joint_names.index(name) for name in _CORNERS if name in data.joint_names]
    carried = torch.from_numpy(data.skinning_weights[:, joints]).sum(1)
    seen = (layout.to_uv(carried[None, :, None]) > 0.99) & observation.visible
    if seen.sum() < 20:
        return _USUAL_WHITE
    values = observation.colour.mean(1, keepdim=True)[seen] / exposure
    return float(values.quantile(0.8).clamp(*_WHITE_LIMITS))


def _landmark(data: HeadData, index: int) -> Float[Tensor, "3"]:
    corners = data.triangles[data.full_landmark_triangles[index]]
    weights = torch.from_numpy(data.full_landmark_barycentrics[index])
    return weights @ torch.from_numpy(data.template_vertices[corners])
