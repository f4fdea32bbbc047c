"""Studio lights by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from deca.render.lighting import ambient, lamp

# Direction (x to the subject's left, y up, z to the viewer) and RGB of each lamp, then the light around.
_Lamps = tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]
_WHITE, _WARM, _COOL = (1.0, 1.0, 1.0), (1.0, 0.93, 0.84), (0.86, 0.93, 1.0)
STUDIO: Mapping[str, tuple[_Lamps, float]] = {
    "soft": ((((0.3, 0.5, 1.0), _WHITE),), 0.55),
    "front": ((((0.0, 0.1, 1.0), _WHITE),), 0.25),
    "left": ((((1.0, 0.3, 0.35), _WARM),), 0.18),
    "right": ((((-1.0, 0.3, 0.35), _WARM),), 0.18),
    "above": ((((0.0, 1.0, 0.35), _WHITE),), 0.18),
    "below": ((((0.0, -1.0, 0.45), _WARM),), 0.15),
    "rim": ((((1.0, 0.3, -0.4), _COOL), ((-1.0, 0.3, -0.4), _WARM), ((0.0, 0.2, 1.0), _WHITE)), 0.1),
}
"""Studio lights: lamps, and how bright the light around them is."""
_KEY = 0.95
"""What a surface facing the only lamp is shaded with, the light around included."""


def studio_light(name: str) -> Float[Tensor, "9 3"]:
    """Spherical-harmonics light of a studio by its name in STUDIO; KeyError for another."""
    lamps, around = STUDIO[name]
    light = ambient(torch.full((3,), around))
    for direction, colour in lamps:
        light = light + lamp(torch.tensor(direction), (_KEY - around) * torch.tensor(colour))
    return light
