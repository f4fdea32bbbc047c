"""Scenes: a head before a backdrop, with a body, hair, and what people wear and hold before their faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from deca.head.data import HeadData
from deca.training.synthetic.backdrops import Photo, backdrop
from deca.training.synthetic.belongings import (
    beard,
    body,
    colour_at,
    face_mask,
    hat,
    occluder,
    spectacles,
)
from deca.training.synthetic.hair import hair_layer, hair_strands, hair_style
from deca.training.synthetic.head_view import HeadPlaces
from deca.training.synthetic.layers import Mask, Picture, calm_colour, lay

# Shares of scenes.
_DRESSED = 0.88
_BEARDED = 0.18
_SPECTACLES = 0.2
_HAT = 0.07
_FACE_MASK = 0.03
_OCCLUDED = 0.2


class SceneModel:
    """What scenes need to know of one head model."""

    def __init__(self, data: HeadData) -> None:
        self.places = HeadPlaces(data)


def compose(
    model: SceneModel,
    head: Picture,
    alpha: Mask,
    landmarks: Float[np.ndarray, "68 2"],
    random: np.random.Generator,
    photos: Sequence[Photo] = (),
    exposure: float = 1.0,
    bare: bool = False,
) -> tuple[Picture, Mask]:
    """A head set in a random scene, and a mask in [0, 1] of where its own surface still shows.

    `head` is RGB in [0, 1] and counts where `alpha` is 1; landmarks are in pixels, centres at half-integers.
    The backdrops are made from numbers and, where `photos` (bytes, any size; without faces) are given, from
    pieces of them. `exposure` is the head's mean shading: hair, clothes and things are lit like it, the
    backdrop half so. Of a `bare` face nothing hides a part, not even hair.
    """
    places, shape = model.places, (alpha.shape[0], alpha.shape[1])
    view = places.view(landmarks)
    light = float(np.clip(exposure, 0.3, 1.3))
    picture = np.clip(backdrop(random, *shape, photos) * np.float32(light**0.5), 0, 1)
    style = hair_style(random)
    neck = colour_at(head, alpha, landmarks[8:9] + np.array([0, 0.01 * view.scale]))
    behind, before = body(
        places, view, random, light * calm_colour(random) if random.random() < _DRESSED else neck, shape
    )
    skin = np.zeros(shape, np.float32)
    strands = hair_strands(places, style, random)
    if bare:
        strands = strands[:0]
    picture, skin = lay(picture, skin, behind, 0.3)
    if len(strands):
        far = hair_layer(places, view, style, strands, shape, random, light=0.5 * light, front=False)
        picture, skin = lay(picture, skin, far, 0.0)
    picture = picture + alpha[..., None] * (head - picture)
    skin = alpha.astype(np.float32)
    if not bare and random.random() < _BEARDED:
        picture, skin = beard(picture, skin, landmarks, light * style.colour, random)
    picture, skin = lay(picture, skin, before, 0.25)
    if len(strands):
        near = hair_layer(places, view, style, strands, shape, random, light=light, front=True)
        picture, skin = lay(picture, skin, near, 0.35)
    if bare:
        return np.clip(picture, 0, 1, dtype=np.float32), skin
    if random.random() < _FACE_MASK:
        picture, skin = face_mask(picture, skin, landmarks, random)
    if random.random() < _SPECTACLES:
        picture, skin = spectacles(places, picture, skin, landmarks, random)
    if random.random() < _HAT:
        picture, skin = hat(places, picture, skin, landmarks, random)
    if random.random() < _OCCLUDED:
        picture, skin = occluder(picture, skin, landmarks, random)
    return np.clip(picture, 0, 1, dtype=np.float32), skin
