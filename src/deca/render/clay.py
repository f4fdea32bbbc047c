"""Clay: the shape alone, under three fixed lamps and a soft sky, made to be looked at."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# (direction to the lamp in the head frame, RGB strength): a warm key from the viewer's upper left, a cool
# fill from the right, and a rim from above and behind that parts the head from its background.
_LAMPS = (
    ((-0.55, 0.60, 0.75), (0.78, 0.75, 0.71)),
    ((0.85, 0.05, 0.45), (0.24, 0.26, 0.30)),
    ((0.30, 0.80, -0.55), (0.22, 0.23, 0.25)),
)
_SKY = (0.22, 0.23, 0.25)
_GROUND = (0.14, 0.13, 0.12)
_DEEPEST = 0.25
_CLAY = (0.80, 0.78, 0.76)
_SHEEN = 0.06
_SHEEN_POWER = 24


def clay_colours(normals: Float[Tensor, "pixel 3"]) -> Float[Tensor, "pixel 3"]:
    """Colours of grey clay seen along -z, by its normals in the head frame (of any length but zero)."""
    normals = torch.nn.functional.normalize(normals, dim=-1)
    directions = torch.nn.functional.normalize(normals.new_tensor([lamp[0] for lamp in _LAMPS]), dim=-1)
    strengths = normals.new_tensor([lamp[1] for lamp in _LAMPS])
    towards_sky = normals[:, 1:2] * 0.5 + 0.5
    ambient = towards_sky * normals.new_tensor(_SKY) + (1 - towards_sky) * normals.new_tensor(_GROUND)
    diffuse = (normals @ directions.T).clamp_min(0) @ strengths
    # The light halfway between a lamp and the viewer is mirrored (Blinn 1977); only the key lamp shines.
    halfway = torch.nn.functional.normalize(directions[0] + normals.new_tensor([0.0, 0.0, 1.0]), dim=-1)
    sheen = _SHEEN * (normals @ halfway).clamp_min(0)[:, None] ** _SHEEN_POWER
    return (normals.new_tensor(_CLAY) * (ambient + diffuse) + sheen).clamp(0, 1)


def shaded_cavities(
    colours: Float[Tensor, "pixel 3"], openness: Float[Tensor, "pixel 1"]
) -> Float[Tensor, "pixel 3"]:
    """Colours darkened where little of the sky is open: inside the mouth, the nostrils and the ears."""
    return colours * (_DEEPEST + (1 - _DEEPEST) * openness)
