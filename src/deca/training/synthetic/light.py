"""Random light: nine terms as the model has them, and beside them what nine terms cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.geometry import vertex_normals
from deca.raster.fragments import fragments
from deca.render.lighting import FACTORS, harmonics, shade

# Coefficient of a lamp for each unit of the function's value in its direction: the functions of bands one
# and two hold their Lambertian kernel, which counts once; that of the constant band does not.
_LAMP = np.array([pi, *(3 * [3 / (2 * pi)]), *(5 * [4 / pi])])
_ORDER = np.array([0, *(3 * [1]), *(5 * [3])])
_LEAST = 0.04
"""Share of the mean shading that the darkest visible normal keeps."""
_SHADOW_SIZE = 96
# Three pixels of the lamp's picture, so that a slanting surface does not shade itself.
_SHADOW_TOLERANCE = 6 / _SHADOW_SIZE


@dataclass(frozen=True)
class Light:
    """One light, in the posed head frame.

    `lighting` is all of it in nine terms, the truth of a synthetic face; `lamps` are the parts of it that
    come from lamps, in the unit directions `directions` with the RGB strengths `colours`. `gloss` is the
    share of a lamp's strength that skin mirrors at its brightest point and `shininess` the exponent of that
    highlight; `hollow` in [0, 1] how far light from all around is weakened where the sky is not open.
    """

    lighting: Float[Tensor, "1 9 3"]
    lamps: Float[Tensor, "lamp 9 3"]
    directions: Float[Tensor, "lamp 3"]
    colours: Float[Tensor, "lamp 3"]
    gloss: float
    shininess: float
    hollow: float


def random_light(random: np.random.Generator) -> Light:
    """A random light: something from everywhere, from sky and ground, and up to three lamps.

    The mean shading of the normals that a face shows is 0.6 to 1.15 for most, 0.3 to 1.6 for all; no visible
    normal is left without light. Colours stay near white, as a camera's white balance leaves them.
    """
    ambient = np.zeros((9, 3))
    ambient[0] = random.uniform(0.1, 0.8) * _tint(random, 0.06) / FACTORS[0]
    sky, ground = _tint(random, 0.12), random.uniform(0.2, 1.0) * _tint(random, 0.12)
    up = _direction(random, (0.0, 1.0, 0.2), 0.6)
    gradient = random.uniform(0.0, 0.5)
    ambient[0] += gradient * (sky + ground) / 2 / FACTORS[0]
    ambient[1:4] += gradient * up[:, None] * (sky - ground) / 2 / FACTORS[1]
    # Windows, walls and floors: nothing simple, and weak.
    ambient[1:4] += random.normal(size=(3, 1)) * random.exponential(0.05) * _tint(random, 0.2) / FACTORS[1]
    ambient[4:] += random.normal(size=(5, 1)) * random.exponential(0.03) * _tint(random, 0.2) / FACTORS[4]

    count = int(random.choice([0, 1, 2, 3], p=[0.1, 0.45, 0.3, 0.15]))
    directions, colours = np.zeros((count, 3)), np.zeros((count, 3))
    lamps = np.zeros((count, 9, 3))
    for lamp in range(count):
        # The first is a key light from above the face; others come from anywhere but far behind.
        around, spread = ((0.0, 0.6, 0.9), 0.6) if lamp == 0 else ((0.0, 0.3, 0.4), 0.9)
        directions[lamp] = _direction(random, around, spread)
        colours[lamp] = random.lognormal(-0.1 - 0.5 * lamp, 0.6) * _tint(random, 0.12)
        lamps[lamp] = lamp_terms(directions[lamp], random.uniform(0.6, 1.0))[:, None] * colours[lamp]
    ambient, scale = _balanced(ambient, lamps.sum(0), _target(random))
    return Light(
        lighting=_tensor(scale * (ambient + lamps.sum(0)))[None],
        lamps=_tensor(scale * lamps),
        directions=_tensor(directions),
        colours=_tensor(scale * colours),
        gloss=float(min(random.exponential(0.10), 0.5)),
        shininess=float(np.exp(random.uniform(np.log(6), np.log(60)))),
        hollow=float(random.uniform(0.3, 1.0)),
    )


def lamp_terms(direction: Float[np.ndarray, "3"], sharpness: float = 1.0) -> Float[np.ndarray, "9"]:
    """Nine terms of a lamp of strength one in a unit direction: their shading is about max(n . direction, 0).

    `sharpness` below 1 widens the lamp: band l is multiplied by it l (l + 1) / 2 times (Ramamoorthi and
    Hanrahan 2001).
    """
    values = harmonics(torch.from_numpy(np.asarray(direction, np.float64))).numpy()
    return values * _LAMP * sharpness**_ORDER


def lamp_reach(
    light: Light, vertices: Float[Tensor, "vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "vertex lamp"]:
    """Which share of each lamp's light reaches each vertex of a posed head (head frame): cast shadows.

    Interpolated over the triangles they are soft. Made from a small picture of depth as the lamp sees it
    (Williams 1978).
    """
    if not len(light.directions):
        return vertices.new_ones(len(vertices), 0)
    axes = torch.from_numpy(np.stack([_axes(direction) for direction in light.directions.numpy()]))
    centred = vertices - vertices.mean(0)
    seen = centred @ axes.to(vertices).mT
    seen = seen / (centred.norm(dim=1).max() * (1 + 1 / _SHADOW_SIZE))
    covered = fragments(seen, triangles, _SHADOW_SIZE, _SHADOW_SIZE)
    nearest = covered.image(covered.interpolate(seen[..., 2:]), torch.inf).flatten(1)
    column, row = ((seen[..., :2] + 1) * (_SHADOW_SIZE / 2)).long().clamp(0, _SHADOW_SIZE - 1).unbind(-1)
    hidden = seen[..., 2] > nearest.gather(1, row * _SHADOW_SIZE + column) + _SHADOW_TOLERANCE
    # Where the surface turns away from the lamp the nine terms are dark already, and depths too uncertain.
    facing = (vertex_normals(vertices[None], triangles)[0] @ light.directions.mT / 0.35).clamp(0, 1)
    return 1 - hidden.mT * facing


def lit_skin(
    light: Light,
    normals: Float[Tensor, "pixel 3"],
    openness: Float[Tensor, "pixel 1"],
    reach: Float[Tensor, "pixel lamp"],
) -> tuple[Float[Tensor, "pixel 3"], Float[Tensor, "pixel 3"]]:
    """(what the albedo is multiplied by, what is added after), RGB, of unit normals in the posed head frame.

    `openness` (`deca.render.openness`) and `reach` (`lamp_reach`) lie in [0, 1]; with ones the first is the
    shading by `light.lighting`, not below zero. Highlights are those of Blinn (1977) for a viewer along z,
    more at grazing angles (Schlick 1994).
    """
    left = 1 - light.hollow * (1 - openness)
    count = len(light.directions)
    parts = torch.cat([light.lighting - light.lamps.sum(0), light.lamps]).permute(0, 2, 1).flatten(0, 1)
    shadings = (parts @ harmonics(normals)).mT.unflatten(1, (count + 1, 3))
    arrived = torch.cat([left, reach * (0.5 + 0.5 * left)], 1)
    shading = (shadings * arrived[..., None]).sum(1).clamp_min(0)
    halfway = torch.nn.functional.normalize(light.directions + light.directions.new_tensor([0, 0, 1]), dim=1)
    highlights = (normals @ halfway.mT).clamp_min(1e-3).log().mul(light.shininess).exp()
    fresnel = 0.35 + 0.65 * (1 - normals[:, 2:].clamp(0, 1)) ** 3
    lit = (normals @ light.directions.mT).clamp_min(0).sqrt()
    shine = (highlights * lit * reach * (light.gloss * left * fresnel)) @ light.colours
    return shading, shine


def _balanced(ambient: np.ndarray, lamps: np.ndarray, target: float) -> tuple[np.ndarray, float]:
    """The ambient part, raised until no visible normal is dark, and what scales all to the wished mean."""
    shading = _visible_shading(ambient + lamps)
    mean, least = shading.mean(), shading.min()
    if least < _LEAST * mean:
        raised = (_LEAST * mean - least) / (1 - _LEAST)
        ambient = ambient.copy()
        ambient[0] += raised / FACTORS[0]
        mean += raised
    return ambient, float(target / mean)


def _target(random: np.random.Generator) -> float:
    """The wished mean shading: mostly ordinary, now and then a dark or an overexposed photo."""
    if random.random() < 0.8:
        return float(random.uniform(0.6, 1.15))
    return float(np.exp(random.uniform(np.log(0.3), np.log(1.6))))


def _visible_shading(lighting: np.ndarray) -> Float[np.ndarray, "normal 3"]:
    """Shading of normals spread evenly over what a face shows: all that is not turned away."""
    return shade(_VISIBLE, _tensor(lighting)).numpy()


def _spread_normals(count: int) -> Float[Tensor, "normal 3"]:
    index = np.arange(count) + 0.5
    z, angle = 1 - index / count, pi * (1 + np.sqrt(5)) * index
    ring = np.sqrt(1 - z * z)
    return _tensor(np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1))


def _direction(random: np.random.Generator, around: tuple[float, float, float], spread: float) -> np.ndarray:
    direction = np.array(around) + spread * random.normal(size=3)
    return direction / max(np.linalg.norm(direction), 1e-6)


def _tint(random: np.random.Generator, strength: float) -> np.ndarray:
    """A colour near white, its green 1: warm or cool along one axis, a little green or magenta."""
    warmth, green = strength * random.normal(), 0.3 * strength * random.normal()
    return np.exp([warmth - green, 0.0, -warmth - green])


def _axes(direction: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Axes (right, down, away) of a viewer at the lamp."""
    away = -direction
    other = np.array([1.0, 0.0, 0.0]) if abs(away[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(other, away)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


_VISIBLE = _spread_normals(64)
