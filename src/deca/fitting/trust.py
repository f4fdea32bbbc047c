"""Where the photo may be used as the head's texture: seen well, and not hair, cloth or background on skin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.observation import Observation
from deca.fitting.skin import blurred, departure, eroded, moving_with_eyes, soft
from deca.head.albedo import resize_map
from deca.head.data import HeadData
from deca.head.uv import UVLayout

_INSIDE = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")
_WORK_SIZE = 256
# A place of the map and the mirrored column's count as mirror images up to this distance, metres.
_MIRRORED = 0.003
# iBUG.
_RIGHT_EYE_CORNER, _LEFT_EYE_CORNER = 36, 45
_CHIN = 8
_BROWS, _MOUTH_CORNERS = list(range(17, 27)), [48, 54]


@dataclass(frozen=True)
class Trust:
    """Weights in [0, 1]: where the photo is used as it is, and where its tone may be carried on to unseen
    places.

    A lock of hair on the forehead is used, but says nothing of the skin beside it.
    """

    photo: Float[Tensor, "1 1 size size"]
    tone: Float[Tensor, "1 1 size size"]


def photo_trust(
    observation: Observation,
    colour: Float[Tensor, "1 3 size size"],
    base: Float[Tensor, "1 3 size size"],
    data: HeadData,
    layout: UVLayout,
) -> Trust:
    """Weights by which the photo becomes texture; they fall off smoothly towards what is left out.

    In the middle of the face, on the forehead and the scalp all that is seen belongs to the person: brows,
    beard, lips, hair. On the sides of the face only what has the colour of skin is taken (`base` is the
    model's): there, hair and background would be smeared. A beard, told by the chin, is let through on the
    jaw. Neck and ears are left out: no landmark says where they are, and collars and hair cover them.
    """
    size = colour.shape[-1]
    zones = face_zones(data, layout)
    outer = zones.outer
    inside = 1 - outer
    # Beside the openings of eyes and mouth nothing is lost: there the photo has been registered.
    visible = soft(eroded(torch.maximum(observation.visible.float(), inside), max(1, size // 256)), 0.5, 1.0)
    # What is seen at a slant is blurred and soon background; around eyes, nose and mouth all of it is needed.
    facing = soft(observation.facing, 0.25, 0.55)
    facing = torch.lerp(facing, soft(observation.facing, 0.12, 0.35), zones.scalp)
    facing = torch.lerp(facing, soft(observation.facing, 0.02, 0.2), zones.features)
    seen = visible * facing * outer * zones.covered
    seen = seen * (1 - beyond_hair(observation, zones)) * (1 - teeth_on_lips(observation, zones))
    small = min(size, _WORK_SIZE)
    lightness, tint = departure(
        resize_map(colour, small), resize_map(base, small), resize_map(seen, small), small / 150
    )
    strange = torch.maximum(soft(lightness.abs(), 0.25, 0.5), soft(tint, 0.1, 0.2))
    strange = resize_map(-eroded(-strange, max(1, small // 170)), size)
    beard = bearded(strange, zones)
    trust = seen * (1 - strange * zones.side * (1 - beard * zones.jaw))
    feather = size / 128
    shrunk = blurred(eroded(torch.maximum(trust, inside), round(feather)), feather, outer)
    trust = torch.lerp(torch.minimum(trust, shrunk), trust, zones.features) * outer
    return Trust(trust, trust * (1 - strange * (1 - torch.maximum(zones.features, zones.scalp))))


@dataclass(frozen=True)
class FaceZones:
    """Parts of a head as maps in [0, 1], laid out on its own landmarks.

    `outer` is skin and hair, without what lies inside mouth and lids; `features` are eyes, nose and mouth
    with their surroundings; `side` the cheeks beside the eyes, below the brows; `jaw` lies below the mouth,
    `chin` in its middle; `covered` are face and scalp, without throat, neck and ears.
    """

    outer: Float[Tensor, "1 1 size size"]
    features: Float[Tensor, "1 1 size size"]
    lips: Float[Tensor, "1 1 size size"]
    inner_lips: Float[Tensor, "1 1 size size"]
    lip_rim: Float[Tensor, "1 1 size size"]
    scalp: Float[Tensor, "1 1 size size"]
    side: Float[Tensor, "1 1 size size"]
    jaw: Float[Tensor, "1 1 size size"]
    chin: Float[Tensor, "1 1 size size"]
    covered: Float[Tensor, "1 1 size size"]


def face_zones(data: HeadData, layout: UVLayout) -> FaceZones:
    """The zones of a head, from its unposed template."""
    rest = torch.from_numpy(data.template_vertices)
    corners = torch.from_numpy(data.triangles[data.full_landmark_triangles])
    landmarks = (rest[corners] * torch.from_numpy(data.full_landmark_barycentrics)[..., None]).sum(1)
    x, y, z = layout.to_uv(rest[None]).split(1, 1)
    # Lengths in units of how far the eyes' outer corners are from the middle, about 45 mm.
    eye = landmarks[[_RIGHT_EYE_CORNER, _LEFT_EYE_CORNER], 0].abs().mean()
    across = x.abs() / eye
    below_brow = (landmarks[_BROWS, 1].amax() - y) / eye
    below_mouth = (landmarks[_MOUTH_CORNERS, 1].mean() - y) / eye
    face = layout.region_mask("face")[None, None].float()
    on_head = layout.mask[None, None].float()
    scalp = layout.region_mask("scalp")[None, None].float()
    aside = soft(across, 1.15, 1.45)
    _, chin_y, chin_z = landmarks[_CHIN]
    throat = soft((chin_y - y) / eye, -0.1, 0.1) * soft((chin_z - z) / eye, 0.25, 0.5)
    lips = layout.region_mask("lips")[None, None].float()
    # Teeth can be mistaken for lips next to the opening only; further out, what is bright is gloss.
    outer = outer_surface(data, layout)
    inner_lips = lips * -eroded(outer - 1, max(1, round(layout.size / 70)))
    lip_rim = lips * -eroded(outer - 1, max(1, round(layout.size / 220)))
    features = layout.region_mask("eyes") | layout.region_mask("lips") | layout.region_mask("nose")
    features = blurred(features[None, None].float(), layout.size / 100, on_head)
    return FaceZones(
        outer=outer,
        features=features,
        lips=lips,
        inner_lips=inner_lips,
        lip_rim=lip_rim,
        scalp=scalp,
        side=aside * soft(below_brow, -0.1, 0.3) * (1 - scalp),
        jaw=soft(below_mouth, -0.6, -0.2),
        chin=face * soft(below_mouth, 0.0, 0.1) * (1 - soft(across, 0.4, 0.6)),
        covered=torch.maximum(face * (1 - throat), scalp),
    )


def beyond_hair(observation: Observation, zones: FaceZones) -> Float[Tensor, "1 1 size size"]:
    """Where a slanted part of the scalp shows the background, in [0, 1]: brighter or of another tint than
    its front."""
    front = (zones.scalp > 0.5) & observation.visible & (observation.facing > 0.5)
    if front.sum() < 50:
        return torch.zeros_like(zones.scalp)
    hair = (
        observation.colour[0][:, front[0, 0]].median(1).values.view(1, 3, 1, 1).expand_as(observation.colour)
    )
    small = min(observation.colour.shape[-1], _WORK_SIZE)
    lightness, tint = departure(
        resize_map(observation.colour, small),
        resize_map(hair, small),
        resize_map(zones.scalp, small),
        small / 150,
    )
    other = torch.maximum(soft(lightness, 0.45, 0.8), soft(tint, 0.2, 0.35))
    return resize_map(other, observation.colour.shape[-1]) * zones.scalp


def teeth_on_lips(observation: Observation, zones: FaceZones) -> Float[Tensor, "1 1 size size"]:
    """Where the photo has a tooth on the head's lips, in [0, 1]: much brighter than they are, and paler.

    The lips' very rim counts as one: no landmark is that exact.
    """
    size = observation.colour.shape[-1]
    lips = (zones.lips > 0.5) & observation.visible
    if lips.sum() < 20:
        return torch.zeros_like(zones.lips)
    usual = observation.colour[0][:, lips[0, 0]].median(1).values.view(1, 3, 1, 1)
    ratio = ((observation.colour + 0.05) / (usual + 0.05)).log()
    # Teeth gain more in blue than in red; a lip in more light gains in all alike.
    paler = soft(ratio[:, 2:] - ratio[:, :1], 0.03, 0.12)
    tooth = soft(ratio.mean(1, keepdim=True), 0.1, 0.3) * paler * zones.inner_lips
    tooth = torch.maximum(-eroded(-tooth, max(1, round(size / 256))), zones.lip_rim)
    return blurred(tooth, size / 512, zones.outer) * zones.lips


def bearded(strange: Float[Tensor, "1 1 size size"], zones: FaceZones) -> Float[Tensor, ""]:
    """Whether the chin is covered, in [0, 1]."""
    return soft((strange * zones.chin).sum() / zones.chin.sum().clamp_min(1), 0.4, 0.7)


def outer_surface(data: HeadData, layout: UVLayout) -> Float[Tensor, "1 1 size size"]:
    """One on skin and hair, zero on eyeballs and what lies inside mouth and lids."""
    outer = layout.mask & ~moving_with_eyes(data, layout)[0, 0]
    for name in _INSIDE:
        if name in layout.region_names:
            outer = outer & ~layout.region_mask(name)
    return outer[None, None].float()


def mirrored_texels(data: HeadData, layout: UVLayout) -> Float[Tensor, "1 1 size size"]:
    """One where the mirrored column of the map holds the mirror image of the place, zero elsewhere.

    That is all of the default head; on others it may be the face alone, or nothing.
    """
    positions = layout.to_uv(torch.from_numpy(data.template_vertices)[None])
    mirrored = positions.flip(3) * positions.new_tensor([-1, 1, 1])[:, None, None]
    both = layout.mask & layout.mask.flip(1)
    return (both & ((positions - mirrored).norm(dim=1, keepdim=True) < _MIRRORED)).float()
