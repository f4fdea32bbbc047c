"""Pictures as other cameras and lights would have left them; what is known of the face stays."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from deca.training.config import AugmentationConfig

Picture = Float[np.ndarray, "height width 3"]
Weights = Float[np.ndarray, "height width"]

# Rec. 709 luma of encoded colours.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_LARGEST_BLUR = 0.01
_LARGEST_NOISE = 0.05
_JPEG_QUALITY = (25, 90)
_OCCLUDER_SIDES = (0.15, 0.5)


def vary_picture(
    picture: Picture, skin: Weights, known: bool, config: AugmentationConfig, random: np.random.Generator
) -> tuple[Picture, Weights, Float[np.ndarray, " 3"]]:
    """The picture varied, the skin that can still be seen and learnt from, and by what the colours were
    multiplied.

    Pictures are RGB in [0, 1]. Of a face whose truth is `known` the colours are multiplied only, which its
    light can follow.
    """
    # Everything is drawn first, so that one chance more or less changes no other.
    covers, grey, blurs, noisy, coded = random.random(5) < (
        config.occluder,
        0.0 if known else config.grey,
        config.blur,
        config.noise,
        config.jpeg,
    )
    exponent = 1.0 if known else (1 + config.gamma) ** random.uniform(-1, 1)
    gains = (1 + config.gain) ** random.uniform(-1, 1) * (1 + config.colour) ** random.uniform(-1, 1, 3)
    deviation, strength = random.uniform(0.2, 1) * _LARGEST_BLUR, random.uniform(0, _LARGEST_NOISE)
    quality = int(random.integers(*_JPEG_QUALITY, endpoint=True))
    gains = gains.astype(np.float32)
    if covers:
        picture, skin = covered(picture, skin, random)
    if exponent != 1:
        picture = picture ** np.float32(exponent)
    picture = (picture * gains).clip(0, 1)
    if grey:
        picture = np.repeat((picture @ _LUMA)[..., None], 3, 2)
        skin = np.zeros_like(skin)
    if blurs:
        picture = cv2.GaussianBlur(picture, (0, 0), deviation * len(picture))
    if noisy:
        picture = picture + np.float32(strength) * random.standard_normal(picture.shape, np.float32)
        picture = picture.clip(0, 1)
    if coded:
        picture = _coded(picture, quality)
    return picture, skin, gains


def covered(picture: Picture, skin: Weights, random: np.random.Generator) -> tuple[Picture, Weights]:
    """A turned ellipse or box of one colour, or of noise, laid over the picture; there is no skin where it
    is."""
    height, width = skin.shape
    centre = random.uniform(0.1, 0.9, 2) * (width, height)
    sides = random.uniform(*_OCCLUDER_SIDES, 2) * (width, height)
    turn = random.uniform(0, 180)
    colour, texture = random.random(3, np.float32), random.uniform(0, 0.2)
    patch = np.zeros((height, width), np.uint8)
    box = (centre.tolist(), sides.tolist(), turn)
    if random.random() < 0.5:
        cv2.ellipse(patch, box, 1, -1)
    else:
        cv2.fillConvexPoly(patch, cv2.boxPoints(box).astype(np.int32), 1)
    inside = patch > 0
    grain = np.float32(texture) * random.standard_normal((int(inside.sum()), 1), np.float32)
    picture, skin = picture.copy(), skin.copy()
    picture[inside] = (colour + grain).clip(0, 1)
    skin[inside] = 0
    return picture, skin


def _coded(picture: Picture, quality: int) -> Picture:
    """The picture after JPEG."""
    done, data = cv2.imencode(
        ".jpg", (picture * 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done
    back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert back is not None
    return back.astype(np.float32) / np.float32(255)


# What detected points err by, in the image frame: all of them together, neighbours together, each alone.
_TOGETHER, _NEIGHBOURS, _ALONE = 0.004, 0.006, 0.002
_BUMPS, _REACH = 8, 0.3
# From the first yaw on, radians, points are rather those that a network found, from the second on always.
_SIDEWAYS = (0.6, 0.9)
_NONE_FOUND = 0.1


def as_found(
    points: Float[np.ndarray, "point 3"],
    found: Float[np.ndarray, "point 3"] | None,
    pose: Float[np.ndarray, "3"],
    random: np.random.Generator,
) -> Float[np.ndarray, "point 3"]:
    """Points such as a detector would find in a photo of a face whose true ones are known; now and then none.

    In a picture that was not taken but drawn, what a network `found` says less of a face's shape than in a
    photo. So of faces seen from the front, by their `pose` (axis-angle), the true points are given: shifted,
    scaled, bent smoothly, and noisy. Of profiles, where detectors fail, those that were found.
    """
    none, sideways = random.random(2)
    if none < _NONE_FOUND:
        return np.zeros_like(points)
    least, most = _SIDEWAYS
    if found is not None and sideways < (abs(float(pose[1])) - least) / (most - least):
        return found
    places = points[:, :2]
    strength = random.gamma(2.0, 0.5)
    centres = places[random.integers(len(places), size=_BUMPS)]
    closeness = np.exp(-((places[:, None] - centres) ** 2).sum(-1) / (2 * _REACH**2))
    error = closeness @ random.normal(0, _NEIGHBOURS, (_BUMPS, 2))
    error += random.normal(0, _TOGETHER, 2) + (places - places.mean(0)) * random.normal(0, _TOGETHER, 2)
    error += random.normal(0, _ALONE, places.shape)
    return np.concatenate([places + strength * error, points[:, 2:]], 1).astype(np.float32)
