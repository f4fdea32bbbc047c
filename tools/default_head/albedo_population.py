"""A population of made-up people: how their pigments, hair and blemishes vary, and the colour that gives each
texel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from default_head.albedo_masks import Masks
from default_head.skin_colour import encode, hair_reflectance, skin_reflectance
from jaxtyping import Float

BLOOD_OF_LIPS = 1.15
OCCLUSION_DARKENING = 0.7


@dataclass(frozen=True)
class People:
    """What differs between people; one row each. Amounts are added to the whole face's pigment where a mask
    is 1.
    """

    melanin: Float[np.ndarray, "person 1"]
    haemoglobin: Float[np.ndarray, "person 1"]
    carotene: Float[np.ndarray, "person 1"]
    redness: Float[np.ndarray, "person red_area"]
    darkness: Float[np.ndarray, "person dark_area"]
    lip_blood: Float[np.ndarray, "person 1"]
    lip_melanin: Float[np.ndarray, "person 1"]
    freckles: Float[np.ndarray, "person 1"]
    eumelanin: Float[np.ndarray, "person 1"]
    pheomelanin: Float[np.ndarray, "person 1"]
    brow: Float[np.ndarray, "person 1"]
    moustache: Float[np.ndarray, "person 1"]
    jaw: Float[np.ndarray, "person 1"]
    scalp_hair: Float[np.ndarray, "person 1"]
    hairline: Float[np.ndarray, "person 1"]
    melanin_blotches: Float[np.ndarray, "person bump"]
    blood_blotches: Float[np.ndarray, "person bump"]


RED_AREAS = ("cheeks", "nose", "chin", "forehead", "ears", "lids", "caruncle", "nasolabial")
DARK_AREAS = ("under_eye", "lids", "forehead", "perioral", "nasolabial", "ears")


def sample_people(count: int, bumps: int, generator: np.random.Generator) -> People:
    """Draw people of all skin tones alike, of whom some are freckled, bearded, grey, bald or tired.

    Darkness of the skin is spread evenly over what the eye sees, from Fitzpatrick type I to VI; dark skin
    goes with dark hair; a beard is dense in a third of the people and absent in the others.
    """

    def column(values: np.ndarray) -> np.ndarray:
        return values.reshape(count, -1)

    def normal(width: int = 1) -> np.ndarray:
        return generator.standard_normal((count, width))

    darkness = column(generator.beta(1.5, 1.7, count))
    melanin = 0.03 - np.log(1 - 0.66 * darkness) / 0.42
    dark_haired = generator.random((count, 1)) < 0.25 + 1.5 * darkness
    eumelanin = np.where(dark_haired, 3.4 + 0.4 * normal(), generator.uniform(0.6, 3.2, (count, 1)))
    eumelanin = eumelanin * np.where(generator.random((count, 1)) < 0.08, 0.3, 1.0)
    bearded = generator.random((count, 1)) < 0.33
    beard = bearded * generator.uniform(0.1, 0.6, (count, 1))
    redness = np.array([0.28, 0.32, 0.12, 0.02, 0.3, 0.12, 0.6, 0.10])
    red_spread = np.array([0.20, 0.20, 0.12, 0.12, 0.18, 0.10, 0.1, 0.08])
    dark = np.array([0.10, 0.10, 0.02, 0.05, 0.03, 0.0]) * (0.6 + 0.8 * darkness)
    dark_spread = np.array([0.08, 0.07, 0.05, 0.06, 0.04, 0.03]) * (0.5 + darkness)
    people = dict(
        melanin=melanin,
        haemoglobin=0.55 * np.exp(0.28 * normal()),
        carotene=np.maximum(0.5 + 0.12 * normal(), 0.1),
        redness=redness + red_spread * normal(len(RED_AREAS)),
        darkness=dark + dark_spread * normal(len(DARK_AREAS)),
        lip_blood=BLOOD_OF_LIPS + 0.35 * normal(),
        lip_melanin=0.75 + 0.12 * normal() + 0.2 * darkness,
        freckles=np.maximum(0.09 * normal() - 0.02, 0) * (1.2 - darkness),
        eumelanin=np.maximum(eumelanin, 0.1),
        pheomelanin=np.abs(0.15 + 0.25 * normal()),
        brow=np.clip(0.62 + 0.18 * normal(), 0.1, 0.95),
        moustache=np.clip(1.15 * beard + 0.12 * bearded * normal(), 0, 0.8),
        jaw=np.clip(beard + 0.1 * bearded * normal(), 0, 0.7),
        scalp_hair=np.where(
            generator.random((count, 1)) < 0.06, 0.2, np.clip(0.78 + 0.07 * normal(), 0, 0.95)
        ),
        hairline=4.0 * normal(),
        melanin_blotches=0.05 * normal(bumps) * (0.4 + darkness),
        blood_blotches=0.07 * normal(bumps),
    )
    return People(**{name: values.astype(np.float32) for name, values in people.items()})


def skin_colours(people: People, masks: Masks) -> Float[np.ndarray, "person texel 3"]:
    """The sRGB-encoded albedo of the outer skin, its hair included, for every person at every texel."""
    red = people.redness @ np.stack([masks[name] for name in RED_AREAS])
    dark = people.darkness @ np.stack([masks[name] for name in DARK_AREAS])
    melanin = people.melanin * (1 + dark + people.melanin_blotches @ masks.blotches)
    melanin = melanin + 0.5 * np.maximum(dark, 0) + people.freckles * masks["freckles"]
    blood = people.haemoglobin * (1 + red + people.blood_blotches @ masks.blotches)
    lips = masks["lips"] * np.ones_like(melanin)
    melanin = np.maximum(melanin * (1 - lips) + lips * people.lip_melanin * people.melanin, 0)
    blood = np.maximum(blood + lips * people.lip_blood, 0)
    skin = skin_reflectance(melanin, blood, people.carotene + 0 * melanin)
    skin = skin * (1 - OCCLUSION_DARKENING * masks["occluded"])[:, None]
    skin = skin * (1 - 0.35 * masks["lip_gap"])[:, None]
    hair = hair_reflectance(people.eumelanin, people.pheomelanin)
    # Brows and beards are darker than the hair of the head, and more so where that is fair.
    facial_hair = hair_reflectance(0.7 + 0.9 * people.eumelanin, people.pheomelanin)
    lashes = hair_reflectance(np.full((1, 1), 2.5), np.zeros((1, 1)))
    scalp = people.scalp_hair * masks["not_ears"] / (1 + np.exp(-(masks["hairline"] - people.hairline) / 6.0))
    beard = 1 - (1 - people.moustache * masks["moustache"]) * (1 - people.jaw * masks["jaw"])
    # Hair is mixed with skin as the eye sees it, in encoded values, or a few dark hairs would vanish on light
    # skin.
    colours = encode(skin)
    for colour, cover in (
        (hair, scalp),
        (facial_hair, 0.75 * beard),
        (facial_hair, people.brow * masks["brow"]),
        (lashes, 0.75 * masks["lash"]),
    ):
        colours = colours + (encode(colour) - colours) * cover[..., None]
    return colours
