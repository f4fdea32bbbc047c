"""What a camera and a file do to a picture: blur, few pixels, colour, noise, JPEG; the geometry stays."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Picture = Float[np.ndarray, "height width 3"]
Bytes = UInt8[np.ndarray, "height width 3"]

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_TILE = 512
# Made once: drawing normal numbers for every picture would cost more than all the rest.
_GRAIN = np.random.default_rng(0).normal(size=(_TILE, _TILE)).astype(np.float32)


def through_camera(picture: Picture | Bytes, random: np.random.Generator) -> Picture | Bytes:
    """A picture as some camera and some file might give it; every point of it stays where it is.

    Takes and gives RGB, float32 in [0, 1] or bytes, any size. In the order of a camera: focus and motion,
    sensor (fewer pixels, noise), development (exposure, white balance, contrast, grey, sharpening), file
    (JPEG). Each step is drawn with its own chance and strength, small strengths most often; one picture in
    ten passes untouched.
    """
    values = picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture.astype(np.float32)
    if random.random() > 0.1:
        height, width = values.shape[:2]
        for chance, step in _OPTICS:
            if random.random() < chance:
                values = step(values, random)
        # Low resolution is that of the sensor or of the file: noise and JPEG then work on the small picture.
        if random.random() < 0.3:
            values = _fewer_pixels(values, random)
        for chance, step in _DEVELOPMENT:
            if random.random() < chance:
                values = step(values, random)
        values = np.clip(values, 0, 1)
        if random.random() < 0.6:
            values = _jpeg(values, random)
        if values.shape[:2] != (height, width):
            way = cv2.INTER_CUBIC if random.random() < 0.5 else cv2.INTER_LINEAR
            values = cv2.resize(values, (width, height), interpolation=way)
    values = np.clip(values, 0, 1, dtype=np.float32)
    return np.round(values * 255).astype(np.uint8) if picture.dtype == np.uint8 else values


def _defocus(values: Picture, random: np.random.Generator) -> Picture:
    deviation = _small(random, 0.005) * min(values.shape[:2])
    return cv2.GaussianBlur(values, (0, 0), max(deviation, 0.3))


def _motion(values: Picture, random: np.random.Generator) -> Picture:
    """A straight smear, centred, so that the picture does not move."""
    length, angle = _small(random, 0.015) * min(values.shape[:2]), random.uniform(0, np.pi)
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = np.round((half + np.array([-step, step])) * 256).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, shift=8)
    kernel += kernel[::-1, ::-1]
    return cv2.filter2D(values, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _fewer_pixels(
    values: Picture, random: np.random.Generator
) -> Float[np.ndarray, "smaller_height smaller_width 3"]:
    height, width = values.shape[:2]
    share = float(np.exp(random.uniform(np.log(0.3), np.log(0.9))))
    size = max(8, round(width * share)), max(8, round(height * share))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _noise(values: Picture, random: np.random.Generator) -> Picture:
    """Shot and read noise, in colour or grey, sometimes in blotches as a denoiser leaves them."""
    height, width = values.shape[:2]
    coloured, strength = random.random() < 0.6, _small(random, 0.016)
    layers = [_grain(random, height, width) for _ in range(3 if coloured else 1)]
    grain = cv2.merge(layers) if coloured else layers[0][..., None]
    if random.random() < 0.4:
        deviation = random.uniform(0.5, 1.2)
        grain = cv2.GaussianBlur(grain, (0, 0), deviation).reshape(height, width, -1) * (1 + deviation)
    bright = np.sqrt(np.clip(values, 0.02, 1))
    return values + strength * (0.4 + 0.9 * bright) * grain


def _exposure(values: Picture, random: np.random.Generator) -> Picture:
    return values * np.float32(np.exp(np.clip(random.normal(0, 0.15), -0.5, 0.35)))


def _white_balance(values: Picture, random: np.random.Generator) -> Picture:
    warmth, green = np.clip(random.normal(0, (0.06, 0.02)), (-0.15, -0.05), (0.15, 0.05))
    return values * np.exp([warmth - green, green, -warmth - green]).astype(np.float32)


def _tone(values: Picture, random: np.random.Generator) -> Picture:
    """Gamma, contrast about a middle grey, and saturation."""
    values = cv2.pow(np.clip(values, 0, 1), float(np.exp(np.clip(random.normal(0, 0.12), -0.4, 0.4))))
    contrast = np.float32(np.exp(np.clip(random.normal(0, 0.12), -0.4, 0.3)))
    values = (values - np.float32(0.45)) * contrast + np.float32(
        0.45 + np.clip(random.normal(0, 0.02), -0.06, 0.06)
    )
    grey = (values @ _LUMINANCE)[..., None]
    return grey + (values - grey) * np.float32(np.clip(random.normal(1, 0.15), 0.4, 1.4))


def _grey(values: Picture, random: np.random.Generator) -> Picture:
    """Black and white, now and then toned as old prints are."""
    weights = random.dirichlet((6, 10, 3)).astype(np.float32)
    tint = np.exp(np.array([1.0, 0.2, -1.0]) * random.uniform(0, 0.12) * (random.random() < 0.4))
    return (values @ weights)[..., None] * tint.astype(np.float32)


def _sharpened(values: Picture, random: np.random.Generator) -> Picture:
    soft = cv2.GaussianBlur(values, (0, 0), random.uniform(0.7, 2.0))
    return values + np.float32(random.uniform(0.2, 1.2)) * (values - soft)


def _vignette(values: Picture, random: np.random.Generator) -> Picture:
    height, width = values.shape[:2]
    centre = random.uniform(0.3, 0.7, 2)
    across = (np.arange(width, dtype=np.float32) / width - np.float32(centre[0])) ** 2
    down = (np.arange(height, dtype=np.float32) / height - np.float32(centre[1])) ** 2
    strength = np.float32(random.uniform(0.1, 0.8))
    return values * (1 - strength * (across[None, :] + down[:, None]))[..., None]


def _jpeg(values: Picture, random: np.random.Generator) -> Picture:
    quality = int(100 - 75 * random.random() ** 1.5)
    data = np.round(values[..., ::-1] * 255).astype(np.uint8)
    _, stream = cv2.imencode(".jpg", data, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR))[..., ::-1].astype(np.float32) / 255


def _grain(random: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "{height} {width}"]:
    """Normal noise, a random piece of one tile, turned over at random."""
    rows = random.integers(_TILE) + np.arange(height)
    columns = random.integers(_TILE) + np.arange(width)
    steps = random.choice([-1, 1], 2)
    return _GRAIN[np.ix_(steps[0] * rows % _TILE, steps[1] * columns % _TILE)]


def _small(random: np.random.Generator, scale: float) -> float:
    """Mostly less than `scale`, at most two and a half times as much."""
    return float(min(random.exponential(scale), 2.5 * scale))


_Step = Callable[[Picture, np.random.Generator], Picture]
_OPTICS: tuple[tuple[float, _Step], ...] = ((0.5, _defocus), (0.12, _motion), (0.12, _vignette))
_DEVELOPMENT: tuple[tuple[float, _Step], ...] = (
    (0.6, _noise),
    (0.5, _exposure),
    (0.5, _white_balance),
    (0.5, _tone),
    (0.25, _sharpened),
    (0.1, _grey),
)
