"""The texture of a head: the photo where it shows the head well, completed where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.fitting.appearance import LUMA, AppearanceFit, shading_map
from deca.fitting.eye_texture import paint_eyes, white_of_eyes
from deca.fitting.mesh_fields import edge_laplacian, spread
from deca.fitting.observation import Observation
from deca.fitting.skin import blurred
from deca.fitting.trust import Trust, mirrored_texels, outer_surface, photo_trust
from deca.head.albedo import AlbedoModel, resize_map
from deca.head.data import HeadData
from deca.head.uv import UVLayout

# Light is taken off the photo within these limits about its mean over the face; what is left of it, such
# as cast
# shadows, stays in the texture.
_SHADING_LIMITS = (0.65, 1.3)
# Share of the light's unevenness that is taken off (an exponent): what is too much shows as glow, too
# little as shade.
_EVENING = 0.6
# Smoothness of the tone that is carried from seen to unseen places, against one texel's trust.
_MEMBRANE = 1.0
_SLOW_MEMBRANE = 12.0
# Share of slow changes of tone that is taken off, and the largest, in natural logarithms.
_SLOW_SHARE, _LARGEST_SLOW = 0.7, 0.5
# How much of it crosses the border of the scalp.
_ACROSS_HAIRLINE = 0.01
# How much darker the lips make what lies behind them, which no light without shadows does.
_MOUTH_SHADES = {"mouth_interior": 0.18, "tongue": 0.18, "teeth": 0.05}
_LEAST = 0.02
_WORK_SIZE = 256


@dataclass(frozen=True)
class SeenColour:
    """What photos show of a head's base colour: sRGB in even light, and where it may be used and carried."""

    colour: Float[Tensor, "1 3 size size"]
    trust: Trust


def complete_texture(
    observation: Observation,
    appearance: AppearanceFit,
    iris_colour: Float[Tensor, "3"] | None,
    data: HeadData,
    layout: UVLayout,
    albedo_model: AlbedoModel,
) -> UInt8[np.ndarray, "size size 3"]:
    """The head's base colour as an sRGB map of the observation's size, row 0 at v = 1.

    The photo's colour divided by the fitted light is what a head in even light would look like, so that
    texture times light is the photo again. It is used where `photo_trust` has it; then comes the mirrored
    side; then the albedo model. Both are first brought to the tone of what is seen around them, which is
    carried over the mesh, so that no seam of the map or of the sources shows. Eyeballs, teeth and tongue
    are the albedo model's, the irises in `iris_colour` (albedo), the whites as bright as in the photo.
    """
    base = base_colour(appearance, albedo_model)
    seen = seen_colour(observation, appearance, base, data, layout)
    return completed_texture(seen, base, observation, appearance, iris_colour, data, layout)


def base_colour(appearance: AppearanceFit, albedo_model: AlbedoModel) -> Float[Tensor, "1 3 size size"]:
    """The model's albedo as it may be divided by; in grey for a photo without colour."""
    base = albedo_model(appearance.parameters.albedo).clamp(_LEAST, 1)
    return in_grey(base) if appearance.grey else base


def seen_colour(
    observation: Observation,
    appearance: AppearanceFit,
    base: Float[Tensor, "1 3 size size"],
    data: HeadData,
    layout: UVLayout,
) -> SeenColour:
    """What one photo shows of the base colour."""
    colour = evened(unlit_colour(observation, appearance), base, appearance.skin, data, layout)
    return SeenColour(colour, photo_trust(observation, colour, base, data, layout))


def completed_texture(
    seen: SeenColour,
    base: Float[Tensor, "1 3 size size"],
    observation: Observation,
    appearance: AppearanceFit,
    iris_colour: Float[Tensor, "3"] | None,
    data: HeadData,
    layout: UVLayout,
) -> UInt8[np.ndarray, "size size 3"]:
    """What is seen, completed as `complete_texture` says; the eyes are those of the observation."""
    colour, trust = seen.colour, seen.trust
    exposure = mean_shading(observation, appearance)
    completed = base * carried_tone(log_ratio(colour, base), trust.tone, _MEMBRANE, data, layout).exp()
    symmetric = mirrored_texels(data, layout)
    if symmetric.any():
        # Fine structure of the other side, on the tone that was carried here.
        mirrored, mirrored_trust = colour.flip(3), trust.photo.flip(3) * symmetric
        own_tone = carried_tone(log_ratio(mirrored, completed), mirrored_trust, _MEMBRANE, data, layout)
        completed = torch.lerp(completed, mirrored / own_tone.exp(), mirrored_trust)
    texture = torch.lerp(completed, colour, trust.photo)
    if appearance.grey and iris_colour is not None:
        iris_colour = in_grey(iris_colour.view(1, 3, 1, 1)).flatten()
    texture = texture * (1 - mouth_shade(layout))
    white = white_of_eyes(observation, exposure.mean(), data, layout)
    texture = layout.fill(paint_eyes(texture, white, iris_colour, data, layout)).clamp(0, 1)
    return (texture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def mean_shading(observation: Observation, appearance: AppearanceFit) -> Float[Tensor, "1 3 1 1"]:
    """The light's mean shading over the skin that is seen."""
    shading = shading_map(observation.normals, appearance.parameters.lighting)
    skin = resize_map(appearance.skin, observation.colour.shape[-1])
    if skin.sum() < 1:
        return torch.ones(1, 3, 1, 1)
    return (shading * skin).sum((2, 3), keepdim=True) / skin.sum()


def unlit_colour(observation: Observation, appearance: AppearanceFit) -> Float[Tensor, "1 3 size size"]:
    """The photo's colour divided by the light, as far as the light is believed.

    The shading is smoothed over about a nose's width: the coarse head's folds are not where the photo's
    are, and divided by them, the photo would get bright rims.
    """
    mean = mean_shading(observation, appearance)
    size = observation.colour.shape[-1]
    small = min(size, _WORK_SIZE)
    shading = resize_map(shading_map(observation.normals, appearance.parameters.lighting) / mean, small)
    covered = resize_map((observation.pixels_per_texel > 0).float(), small)
    relative = resize_map(blurred(shading.clamp(*_SHADING_LIMITS), small / 28, covered), size)
    return observation.colour / (mean * relative**_EVENING)


def evened(
    colour: Float[Tensor, "1 3 size size"],
    base: Float[Tensor, "1 3 size size"],
    skin: Float[Tensor, "1 1 small small"],
    data: HeadData,
    layout: UVLayout,
) -> Float[Tensor, "1 3 size size"]:
    """Take off part of the slow changes of the skin's tone that the albedo model does not know.

    They are light that nine harmonics cannot hold: soft shadows, a second lamp, the glow of a grazing flash.
    """
    weights = resize_map(skin, layout.size)
    slow = carried_tone(log_ratio(colour, base), weights, _SLOW_MEMBRANE, data, layout)
    mean = (slow * weights).sum((2, 3), keepdim=True) / weights.sum().clamp_min(1e-6)
    return colour * (-_SLOW_SHARE * (slow - mean).clamp(-_LARGEST_SLOW, _LARGEST_SLOW)).exp()


def mouth_shade(layout: UVLayout) -> Float[Tensor, "size size"]:
    """How much darker the lips make what lies behind them: the teeth, which stand in front, only a little."""
    shade = torch.zeros(layout.size, layout.size, device=layout.triangle_ids.device)
    for name, darker in _MOUTH_SHADES.items():
        if name in layout.region_names:
            shade[layout.region_mask(name)] = darker
    return shade


def log_ratio(
    colour: Float[Tensor, "1 3 size size"], base: Float[Tensor, "1 3 size size"]
) -> Float[Tensor, "1 3 size size"]:
    """Natural logarithm of a colour over another."""
    return (colour.clamp_min(_LEAST) / base.clamp_min(_LEAST)).log()


def in_grey(colour: Float[Tensor, "1 3 height width"]) -> Float[Tensor, "1 3 height width"]:
    """The luma of encoded colours in all three channels."""
    return (colour * colour.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True).expand_as(colour)


def carried_tone(
    tone: Float[Tensor, "1 3 size size"],
    trust: Float[Tensor, "1 1 size size"],
    membrane: float,
    data: HeadData,
    layout: UVLayout,
) -> Float[Tensor, "1 3 size size"]:
    """A smooth map that follows `tone` where it is trusted and goes on from there over the mesh, across UV
    seams.

    Little is carried between scalp and skin: where hair is seen on the scalp, all of it is hair, and none
    of the neck. Parts that touch nothing trusted get zero.
    """
    count = len(data.template_vertices)
    values, trusted = _at_vertices(tone, trust, layout, count)
    scalp = np.zeros(count, int)
    scalp[np.unique(data.triangles[data.region("scalp")])] = 1
    laplacian = edge_laplacian(data.triangles, scalp, _ACROSS_HAIRLINE)
    vertices = spread(laplacian, sparse.csr_matrix(sparse.identity(count)), values, trusted, membrane, 0.0)
    carried = layout.to_uv(torch.from_numpy(vertices).float()[None])
    # The border of the scalp runs in a zigzag from vertex to vertex.
    outer = outer_surface(data, layout)
    return torch.where(outer > 0, blurred(carried, layout.size / 120, outer), carried)


def _at_vertices(
    values: Float[Tensor, "1 channel size size"],
    trust: Float[Tensor, "1 1 size size"],
    layout: UVLayout,
    count: int,
) -> tuple[Float[np.ndarray, "vertex channel"], Float[np.ndarray, " vertex"]]:
    """Mean value of the trusted texels around each vertex, and their mean trust."""
    corners, shares = layout.corners.flatten(), layout.barycentrics.flatten()
    trusted = shares * trust.flatten()[layout.texel].repeat_interleave(3)
    at_texels = values[0].flatten(1)[:, layout.texel]
    area = torch.zeros(count).index_add_(0, corners, shares)
    weight = torch.zeros(count).index_add_(0, corners, trusted)
    totals = [
        torch.zeros(count).index_add_(0, corners, row.repeat_interleave(3) * trusted) for row in at_texels
    ]
    mean = torch.stack(totals, 1) / weight.clamp_min(1e-6)[:, None]
    return mean.double().numpy(), (weight / area.clamp_min(1e-6)).clamp(0, 1).double().numpy()
