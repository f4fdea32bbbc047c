"""What does not vary with the skin: eyeballs, teeth, gums, tongue, the inside of the mouth and behind the
lids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from default_head.albedo_masks import FaceSurface
from default_head.mouth import PROFILE, between_teeth
from default_head.regions import LEFT_EYEBALL, LOWER_TEETH, TONGUE, UPPER_TEETH
from default_head.texels import Texels
from jaxtyping import Bool, Float

IRIS_COMPONENTS = 2
# sRGB-encoded colours.
SCLERA, SCLERA_EDGE = np.array([0.77, 0.74, 0.71]), np.array([0.72, 0.55, 0.50])
PUPIL, LIMBUS = np.array([0.03, 0.03, 0.03]), np.array([0.13, 0.11, 0.10])
BROWN, BLUE, GREEN = np.array([0.36, 0.22, 0.13]), np.array([0.45, 0.56, 0.65]), np.array([0.47, 0.47, 0.31])
ENAMEL, GUM = np.array([0.90, 0.86, 0.78]), np.array([0.72, 0.42, 0.40])
TONGUE_COLOUR, MUCOSA = np.array([0.72, 0.42, 0.41]), np.array([0.50, 0.24, 0.23])
THROAT, SOCKET = np.array([0.16, 0.06, 0.06]), np.array([0.62, 0.38, 0.35])
GAP_DARKNESS = 0.55
# The iris is 0.39 of the width of the lids' opening (11.7 of 30 mm), the pupil 0.36 of the iris.
IRIS_OF_OPENING, PUPIL_OF_IRIS = 0.39, 0.36


@dataclass(frozen=True)
class Inside:
    """Where a texel shows no skin, its colour there, and how the irises' colour varies."""

    chosen: Bool[np.ndarray, " texel"]
    colour: Float[np.ndarray, "texel 3"]
    iris_basis: Float[np.ndarray, "2 texel 3"]


def inside_colours(surface: FaceSurface, texels: Texels) -> Inside:
    """Paint the islands of the left half of the map that are not outer skin."""
    triangle = texels.spread(texels.triangles[..., None])[..., 0].ravel()
    points = texels.interpolate(surface.vertices, surface.triangles).reshape(-1, 3)
    part = surface.part[triangle]
    mouth, socket = surface.regions["mouth_interior"][triangle], surface.regions["eye_sockets"][triangle]
    colour = np.zeros((len(points), 3))
    chosen = (part > 0) | mouth | socket
    lips = surface.landmarks[[62, 66]].mean(0)
    depth = np.clip((lips[2] - points[:, 2]) / 0.05, 0, 1)[:, None]
    colour[mouth] = (MUCOSA + (THROAT - MUCOSA) * depth)[mouth]
    far = np.clip(1.3 * depth - 0.3, 0, 1)
    colour[part == TONGUE] = (TONGUE_COLOUR + (THROAT - TONGUE_COLOUR) * far)[part == TONGUE]
    colour[socket] = SOCKET
    gaps = texels.interpolate(_gaps(surface), surface.triangles).reshape(-1, 1)
    for teeth, sign in ((UPPER_TEETH, 1), (LOWER_TEETH, -1)):
        rows = surface.vertices[np.unique(surface.triangles[surface.part == teeth])][:, 1] * sign
        gum = 1 / (1 + np.exp(-(points[:, 1] * sign - np.quantile(rows, 0.62)) / 0.0006))[:, None]
        enamel = ENAMEL * (1 - GAP_DARKNESS * gaps**3)
        colour[part == teeth] = ((enamel + (GUM - enamel) * gum) * (1 - 0.5 * depth))[part == teeth]
    ball = part == LEFT_EYEBALL
    eye, iris_basis = _eye(surface, points)
    colour[ball] = eye[ball]
    iris_basis[:, ~ball] = 0
    return Inside(chosen, colour, iris_basis)


def _gaps(surface: FaceSurface) -> Float[np.ndarray, "vertex 1"]:
    """One on the columns of the arches that stand between two teeth."""
    gaps = np.zeros((len(surface.vertices), 1))
    for teeth, name in ((UPPER_TEETH, "upper"), (LOWER_TEETH, "lower")):
        arch = np.unique(surface.triangles[surface.part == teeth])
        gaps[arch, 0] = np.tile(between_teeth(name), len(PROFILE))
    return gaps


def _eye(surface: FaceSurface, points: Float[np.ndarray, "texel 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Colour of the left eyeball, looking straight ahead, and the two components of its iris."""
    ball = surface.vertices[np.unique(surface.triangles[surface.part == LEFT_EYEBALL])]
    centre = (ball.min(0) + ball.max(0)) / 2
    offset = points - centre
    opening = np.linalg.norm(surface.landmarks[45] - surface.landmarks[42])
    radius = np.hypot(offset[:, 0], offset[:, 1]) / (IRIS_OF_OPENING * opening / 2)
    radius = np.where(offset[:, 2] > 0, radius, np.inf)[:, None]
    angle = np.arctan2(offset[:, 1], offset[:, 0])[:, None]

    def within(limit: float, softness: float) -> np.ndarray:
        return 1 / (1 + np.exp(np.clip((radius - limit) / softness, -40, 40)))

    iris, pupil = within(1.0, 0.025), within(PUPIL_OF_IRIS, 0.015)
    limbus = np.exp(-(((np.minimum(radius, 9) - 0.97) / 0.09) ** 2))
    # Furrows run from the pupil outwards; the ring around the pupil is warmer and lighter.
    furrows = (
        1 + 0.10 * np.sin(23 * angle + 1.0) + 0.07 * np.sin(41 * angle) + 0.05 * np.sin(67 * angle + 2.0)
    )
    collarette = np.exp(-(((np.minimum(radius, 9) - 0.52) / 0.14) ** 2))
    # Two standard deviations of the first component reach brown on one side and blue-green on the other.
    pale = (BLUE + GREEN) / 2
    mean_iris = BROWN + 0.38 * (pale - BROWN)
    components = np.stack([0.24 * (pale - BROWN), 0.12 * (BLUE - GREEN)])
    textured = mean_iris * furrows * (1 + 0.25 * collarette)
    edge = np.clip((np.minimum(radius, 9) - 1.6) / 2.2, 0, 1) ** 2
    colour = SCLERA + (SCLERA_EDGE - SCLERA) * edge
    colour = colour * (1 - iris) + textured * iris
    colour = colour * (1 - 0.7 * limbus) + LIMBUS * 0.7 * limbus
    colour = colour * (1 - pupil) + PUPIL * pupil
    # The upper lid and its lashes keep light from the ball below them.
    under_lid = 1 / (1 + np.exp(-(offset[:, 1:2] - 0.14 * opening) / (0.04 * opening)))
    colour = colour * (1 - 0.45 * under_lid)
    amount = iris * (1 - 0.7 * limbus) * (1 - pupil) * furrows
    return colour, components[:, None] * amount
