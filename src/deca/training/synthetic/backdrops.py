"""Backdrops: what lies behind a head, from numbers alone or from pieces of photos."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from deca.training.synthetic.layers import blob, calm_colour, fill, lay, new_layer, noise

Photo = UInt8[np.ndarray, "_ _ 3"]


def backdrop(
    random: np.random.Generator, height: int, width: int, photos: Sequence[Photo] = ()
) -> Float[np.ndarray, "{height} {width} 3"]:
    """A random background, RGB in [0, 1]: a gradient, a texture, blurred shapes, or a piece of a photo.

    `photos` are bytes of any size; no face should be on them.
    """
    if len(photos) and random.random() < 0.6:
        return _photo_piece(random, height, width, photos)
    kind = random.choice(["gradient", "texture", "shapes"], p=[0.4, 0.25, 0.35])
    picture = _gradient(random, height, width)
    if kind == "texture":
        share = np.clip(0.5 + random.uniform(0.2, 1.0) * noise(random, height, width), 0, 1)[..., None]
        picture = picture * (1 - share) + _gradient(random, height, width) * share
    elif kind == "shapes":
        nothing = np.zeros((height, width), np.float32)
        layer = new_layer(height, width)
        for _ in range(random.integers(3, 20)):
            middle = random.uniform(0, 1, 2) * [width, height]
            fill(layer, blob(random, middle, random.uniform(0.03, 0.5) * width), calm_colour(random))
        picture, _ = lay(picture, nothing, layer, 0.0)
        picture = cv2.GaussianBlur(picture, (0, 0), random.exponential(0.02) * width + 0.5)
    return np.clip(picture, 0, 1, dtype=np.float32)


def _photo_piece(
    random: np.random.Generator, height: int, width: int, photos: Sequence[Photo]
) -> Float[np.ndarray, "{height} {width} 3"]:
    photo = photos[int(random.integers(len(photos)))]
    # The largest piece of the wished proportions, and from it down to a third.
    share = random.uniform(0.3, 1.0) * min(photo.shape[0] / height, photo.shape[1] / width)
    tall, wide = max(1, int(height * share)), max(1, int(width * share))
    row, column = random.integers(photo.shape[0] - tall + 1), random.integers(photo.shape[1] - wide + 1)
    piece = photo[row : row + tall, column : column + wide]
    if random.random() < 0.5:
        piece = np.ascontiguousarray(piece[:, ::-1])
    way = cv2.INTER_AREA if tall > height else cv2.INTER_LINEAR
    picture = cv2.resize(piece, (width, height), interpolation=way).astype(np.float32) / 255
    if random.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + random.exponential(0.015) * width)
    return picture


def _gradient(
    random: np.random.Generator, height: int, width: int
) -> Float[np.ndarray, "{height} {width} 3"]:
    cells = int(random.integers(2, 5))
    contrast, tint = random.uniform(0.01, 0.2), random.uniform(0.0, 0.06)
    grey = contrast * random.normal(size=(cells, cells, 1))
    grid = np.clip(calm_colour(random) + grey + tint * random.normal(size=(cells, cells, 3)), 0, 1)
    large = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0, 1)
