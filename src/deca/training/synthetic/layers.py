"""Layers: things drawn with soft edges, and laid over a picture of which they hide the skin."""

from __future__ import annotations

from functools import cache
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float, UInt8

Picture = Float[np.ndarray, "height width 3"]
Mask = Float[np.ndarray, "height width"]
Layer = UInt8[np.ndarray, "height width 4"]
"""RGB premultiplied by its fourth channel, as drawing with soft edges on black leaves it."""

FRACTION = 4
"""Bits after the point in drawn coordinates."""
_FURTHEST = 8000.0
_TILE = 512
# A shadow is so soft that a picture of a quarter of the size holds it.
_SHADOW_REDUCTION = 4


def new_layer(height: int, width: int) -> Layer:
    """A layer with nothing on it."""
    return np.zeros((height, width, 4), np.uint8)


def colour_bytes(colour: Float[np.ndarray, "3"], alpha: int = 255) -> tuple[int, ...]:
    """RGB in [0, 1] as what is drawn; with no alpha things are wiped away."""
    return (*(round(255 * value) for value in np.clip(colour, 0, 1).tolist()), alpha)


def corners(points: Float[np.ndarray, "*batch 2"]) -> np.ndarray:
    """Points (pixels, centres at half-integers) as drawing takes them, `FRACTION` bits after the point."""
    return np.round((np.clip(points, -_FURTHEST, _FURTHEST) - 0.5) * (1 << FRACTION)).astype(np.int32)


def fill(
    layer: Layer, points: Float[np.ndarray, "point 2"], colour: Float[np.ndarray, "3"], alpha: int = 255
) -> None:
    """Draw a filled polygon."""
    cv2.fillPoly(layer, [corners(points)], colour_bytes(colour, alpha), cv2.LINE_AA, FRACTION)


def line(
    layer: Layer,
    points: Float[np.ndarray, "point 2"],
    colour: Float[np.ndarray, "3"],
    thickness: int,
    closed: bool = False,
) -> None:
    """Draw a line through points."""
    cv2.polylines(layer, [corners(points)], closed, colour_bytes(colour), thickness, cv2.LINE_AA, FRACTION)


def lay(picture: Picture, skin: Mask, layer: Layer, shadow: float) -> tuple[Picture, Mask]:
    """The picture and its mask with a layer over them, and a soft shadow under its edges, 0 to 1 strong."""
    return _lay(picture, skin, layer, np.float32(shadow), _shadow(layer) if shadow else _NO_SHADOW)


def textured(layer: Layer, random: np.random.Generator, strength: float) -> Layer:
    """The layer with its lightness varied by noise."""
    factor = 1 + np.float32(strength) * noise(random, *layer.shape[:2])
    return _dimmed(layer, factor)


def noise(
    random: np.random.Generator, height: int, width: int, zoom: float | None = None
) -> Float[np.ndarray, "{height} {width}"]:
    """Noise of all sizes, about -1 to 1: a piece of one tile, turned over and enlarged at random."""
    zoom = float(np.exp(random.uniform(np.log(0.7), np.log(4)))) if zoom is None else zoom
    rows, columns = (np.clip(np.array([height, width]) / zoom, 4, _TILE)).astype(int)
    top, left = random.integers(_TILE - rows + 1), random.integers(_TILE - columns + 1)
    piece = _tile()[top : top + rows, left : left + columns]
    down, right = random.choice([-1, 1], 2)
    return cv2.resize(
        np.ascontiguousarray(piece[::down, ::right]), (width, height), interpolation=cv2.INTER_LINEAR
    )


def blob(
    random: np.random.Generator, middle: Float[np.ndarray, "2"], radius: float
) -> Float[np.ndarray, "point 2"]:
    """Corners of an ellipse, a rectangle, a polygon or a rounded thing, turned at random."""
    kind = int(random.integers(4))
    count = (32, 4, int(random.integers(3, 8)), int(random.integers(4, 8)))[kind]
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + np.pi / 4
    reach = np.ones(count)
    if kind >= 2:
        angle, reach = np.sort(random.uniform(0, 2 * np.pi, count)), random.uniform(0.5, 1.2, count)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
    points = points * random.uniform(0.4, 1.4, 2) * radius
    if kind == 3:
        points = smooth(np.concatenate([points, points[:1]]), 8)
    turn = random.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ rotation.T + middle


def smooth(points: Float[np.ndarray, "point 2"], steps: int) -> Float[np.ndarray, "smooth 2"]:
    """A Catmull-Rom curve through points, so many steps between each two."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def calm_colour(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A colour as walls and clothes have them: greyish for most, strong for some."""
    lightness = random.beta(1.1, 1.1)
    strength = 0.05 if random.random() < 0.7 else 0.2
    return np.clip(lightness + strength * random.normal(size=3), 0.01, 1.0)


def _shadow(layer: Layer) -> Mask:
    """How dark the layer's shadow is: its outline, blurred and a little lower."""
    height, width = layer.shape[:2]
    small = (max(4, width // _SHADOW_REDUCTION), max(4, height // _SHADOW_REDUCTION))
    cover = cv2.resize(np.ascontiguousarray(layer[..., 3]), small, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(cover, (0, 0), 0.012 * small[0] + 0.3)
    moved = np.empty_like(soft)
    moved[1:], moved[0] = soft[:-1], soft[0]
    return cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


@cache
def _tile() -> Mask:
    """One tile of noise: cells of every size, the smaller the weaker."""
    random = np.random.default_rng(1)
    total = np.zeros((_TILE, _TILE), np.float32)
    size, weight = _TILE / 2, 1.0
    while size >= 1:
        cells = round(_TILE / size)
        grid = random.uniform(-1, 1, (cells, cells)).astype(np.float32)
        total += weight * cv2.resize(grid, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
        size, weight = size / 2, weight * 0.75
    return total / (2 * total.std())


_NO_SHADOW = np.zeros((1, 1), np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _lay(picture, skin, layer, strength, shadow):
    height, width = skin.shape
    result, left = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    full = np.float32(1 / 255)
    for row in range(height):
        for column in range(width):
            rest = np.float32(255 - np.int32(layer[row, column, 3])) * full
            light = rest
            if strength > 0:
                light *= np.float32(1) - strength * shadow[row, column]
            for channel in range(3):
                result[row, column, channel] = (
                    picture[row, column, channel] * light + layer[row, column, channel] * full
                )
            left[row, column] = skin[row, column] * rest
    return result, left


@numba.njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _dimmed(layer, factor):
    result = np.empty_like(layer)
    for row in range(layer.shape[0]):
        for column in range(layer.shape[1]):
            alpha = layer[row, column, 3]
            for channel in range(3):
                value = layer[row, column, channel] * factor[row, column]
                result[row, column, channel] = np.uint8(min(max(value, np.float32(0)), np.float32(alpha)))
            result[row, column, 3] = alpha
    return result
