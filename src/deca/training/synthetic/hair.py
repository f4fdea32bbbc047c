"""Hair: random styles, grown as strands around a head and drawn behind and in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from deca.training.synthetic.head_view import HeadPlaces, HeadView
from deca.training.synthetic.layers import FRACTION, Layer, colour_bytes, corners, new_layer

_POINTS = 13
_GROUPS = 10
"""Shades of one head's hair."""


@dataclass(frozen=True)
class HairStyle:
    """One head of hair. `colour` is RGB in [0, 1], lengths are metres.

    `lift` is how far hair stands off where it grows, `parting` where it is parted, to the subject's left;
    `fringe` how long the hair over the forehead is; `wave` and `turns` how far and how often it swings over
    its length, `frizz` how untidy it is.
    """

    colour: Float[np.ndarray, "3"]
    length: float
    lift: float
    fringe: float
    parting: float
    backwards: float
    wave: float
    turns: float
    frizz: float
    strands: int


def hair_style(random: np.random.Generator) -> HairStyle:
    """A random style: bald or shaven, short, medium or long; straight, wavy or curly; mostly dark."""
    kind = random.choice(["none", "short", "medium", "long"], p=[0.15, 0.42, 0.18, 0.25])
    length = {"none": 0.0, "short": 0.032, "medium": 0.11, "long": 0.28}[kind] * random.uniform(0.6, 1.4)
    curl = random.choice(["straight", "wavy", "curly"], p=[0.55, 0.27, 0.18])
    wave, turns = {
        "straight": (random.uniform(0, 0.0012), 1.0),
        "wavy": (random.uniform(0.002, 0.006), random.uniform(1.0, 2.0)),
        "curly": (random.uniform(0.003, 0.007), random.uniform(2.0, 3.0)),
    }[curl]
    return HairStyle(
        colour=_colour(random),
        length=float(length),
        lift=float(random.uniform(0.1, 1.0) + 0.5 * (curl == "curly")),
        fringe=float(random.uniform(0.025, 0.055)) if random.random() < 0.35 else 0.0,
        parting=float(random.normal(0, 0.025)),
        backwards=float(random.uniform(0.2, 1.2)),
        wave=float(min(wave, 0.2 * length)),
        turns=float(turns),
        frizz=float(random.exponential(0.06)),
        strands=int(random.integers(380, 620)),
    )


def hair_strands(
    places: HeadPlaces, style: HairStyle, random: np.random.Generator
) -> Float[np.ndarray, "strand point 3"]:
    """Strands in the neutral head's frame, metres, from the scalp outwards; none for bald heads."""
    if style.length == 0:
        return np.zeros((0, _POINTS, 3))
    count = style.strands
    place, normal = places.roots(random, count)
    length = style.length * random.uniform(0.75, 1.15, (count, 1))
    side = np.tanh((place[:, :1] - style.parting) / 0.01)
    front = (place[:, 2:] > places.centre[2] + 0.45 * places.radii[2]) & (np.abs(place[:, :1]) < 0.06)
    hanging = front & (style.fringe > 0)
    length = np.where(
        hanging, np.minimum(length, style.fringe * random.uniform(0.8, 1.2, (count, 1))), length
    )
    forward = np.where(hanging, 0.9, -style.backwards)
    combed = np.concatenate([np.where(hanging, 0.25, 0.8) * side, np.zeros_like(side), forward], 1)
    direction = _unit(style.lift * normal + combed + style.frizz * random.normal(size=place.shape))
    phase = random.uniform(0, 2 * np.pi, (count, 1))
    swing = random.normal(size=(count, 3)) * [1.0, 0.3, 1.0]
    strands, step = [place], length / (_POINTS - 1)
    weight = min(1.0, 0.15 + 2.0 * style.length)
    for index in range(1, _POINTS):
        direction = _unit(
            direction + weight * np.array([0.0, -0.6, 0.0]) + style.frizz * random.normal(size=place.shape)
        )
        place = _outside(
            places, place + step * direction, 1.02 + 0.08 * style.lift * min(1, 12 * style.length)
        )
        place = np.where(hanging, place, _beside_face(places, place))
        sway = style.wave * np.sin(phase + 2 * np.pi * style.turns * index / _POINTS) * swing
        strands.append(place + min(1.0, index / 3) * sway)
    return np.stack(strands, 1)


def hair_layer(
    places: HeadPlaces,
    view: HeadView,
    style: HairStyle,
    strands: Float[np.ndarray, "strand point 3"],
    shape: tuple[int, int],
    random: np.random.Generator,
    *,
    light: float,
    front: bool,
) -> Layer:
    """The strands on the side of the head that is turned to the viewer, or those on the other side."""
    outward = _unit((strands[:, 0] - places.centre) / places.radii**2)
    facing = outward @ view.toward
    chosen = np.flatnonzero(facing > 0.05 if front else facing <= 0.25)
    if not len(chosen):
        return new_layer(*shape)
    # The nearest last. Hard lines on a canvas of twice the size are far faster than soft ones, and finer.
    chosen = chosen[np.argsort(strands[chosen, 4:8].mean(1) @ view.toward)]
    large = new_layer(2 * shape[0], 2 * shape[1])
    drawn = 2 * view.pixels(strands[chosen])
    width = 2 * 0.0032 * view.scale
    for part, thickness, least, most, spread in (
        (drawn[::2, :7], _odd(3.5 * width), 0.4, 0.5, 0.0),
        (drawn[:, :10], _odd(0.6 * width), 0.55, 0.95, 0.0),
        (drawn, 1, 0.5, 1.1, 0.8 * width),
        (drawn[:, :6], 1, 0.6, 1.2, 0.8 * width),
        # What is mirrored lies half way down.
        (drawn[:, 3:9], 1, 0.9, 1.55, 0.8 * width),
        (drawn[:, 7:], 1, 0.6, 1.3, 0.8 * width),
    ):
        moved = corners(part + spread * random.normal(size=(len(part), 1, 2)))
        for group in np.array_split(moved, _GROUPS):
            colour = colour_bytes(style.colour * light * random.uniform(least, most))
            cv2.polylines(large, list(group), False, colour, thickness, cv2.LINE_8, FRACTION)
    return cv2.resize(large, shape[::-1], interpolation=cv2.INTER_AREA)


def _odd(thickness: float) -> int:
    """The nearest odd number: lines of even thickness are drawn several times as slowly."""
    return 2 * round((thickness - 1) / 2) + 1 if thickness > 1 else 1


def _colour(random: np.random.Generator) -> Float[np.ndarray, "3"]:
    colours = [
        (0.06, 0.05, 0.05),
        (0.2, 0.13, 0.09),
        (0.35, 0.24, 0.15),
        (0.7, 0.55, 0.35),
        (0.45, 0.22, 0.11),
    ]
    colours += [(0.55, 0.54, 0.53), (0.85, 0.84, 0.82)]
    colour = np.array(colours[int(random.choice(7, p=[0.32, 0.26, 0.15, 0.1, 0.03, 0.09, 0.05]))])
    if random.random() < 0.015:
        colour = random.uniform(0.05, 0.9, 3)
    warmth = np.exp(random.normal(0, 0.1) * np.array([1.0, 0.2, -1.0]))
    return np.clip(colour * warmth * random.uniform(0.8, 1.25), 0.02, 1)


def _outside(places: HeadPlaces, points: Float[np.ndarray, "strand 3"], grow: float) -> np.ndarray:
    """Points moved out of the ellipsoid of the head."""
    relative = (points - places.centre) / (grow * places.radii)
    length = np.linalg.norm(relative, axis=1, keepdims=True)
    return places.centre + relative * np.maximum(1, 1 / np.maximum(length, 1e-6)) * (grow * places.radii)


def _beside_face(places: HeadPlaces, points: Float[np.ndarray, "strand 3"]) -> np.ndarray:
    """Points in front of the face moved to its side."""
    brow, edge = places.landmarks[:10, 1].max(), 0.95 * places.landmarks[9, 0]
    low = np.clip((brow + 0.03 - points[:, 1]) / 0.05, 0, 1)
    ahead = np.clip((points[:, 2] - places.centre[2] - 0.3 * places.radii[2]) / 0.03, 0, 1)
    least = edge * low * ahead
    x = points[:, 0]
    moved = np.where(np.abs(x) < least, np.where(x < 0, -least, least), x)
    return np.concatenate([(0.4 * x + 0.6 * moved)[:, None], points[:, 1:]], 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
