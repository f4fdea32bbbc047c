"""Wrinkles of random people as displacement in UV: what is always there, and what each movement adds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.relief_region import smooth_step
from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.training.synthetic.face_chart import FaceChart
from deca.training.synthetic.furrows import relief_of
from deca.training.synthetic.wrinkle_lines import person_furrows

# What deepens each group of lines: actions by their ARKit names. "*" stands for the side.
_SIDED = {
    "frown": {"browDown*": 1.0},
    "nose": {"noseSneer*": 1.0, "browDown*": 0.15},
    "crow": {"eyeSquint*": 0.7, "cheekSquint*": 0.8, "mouthSmile*": 0.45, "eyeBlink*": 0.1},
    "lid": {"cheekSquint*": 0.8, "eyeSquint*": 0.7, "mouthSmile*": 0.2},
    "fold": {"mouthSmile*": 0.9, "cheekSquint*": 0.5, "noseSneer*": 0.7, "mouthUpperUp*": 0.5},
    "cheek": {"mouthSmile*": 1.0, "mouthDimple*": 0.6, "mouthStretch*": 0.4},
    "marionette": {"mouthFrown*": 0.9, "mouthPress*": 0.4, "mouthStretch*": 0.3},
    "foreheadSide": {"browOuterUp*": 1.0, "browInnerUp": 0.3},
}
_SINGLE = {
    "foreheadMiddle": {"browInnerUp": 1.0, "browOuterUpLeft": 0.25, "browOuterUpRight": 0.25},
    "lips": {"mouthPucker": 1.0, "mouthFunnel": 0.5, "mouthRollUpper": 0.3, "mouthRollLower": 0.3},
    "chin": {"mouthShrugLower": 0.9, "mouthPressLeft": 0.35, "mouthPressRight": 0.35, "mouthPucker": 0.2},
}
MOVEMENTS = _SINGLE | {
    f"{name}{side}": {action.replace("*", side): share for action, share in actions.items()}
    for name, actions in _SIDED.items()
    for side in ("Left", "Right")
}
"""What each group of lines answers to."""
_HALF = 0.45
"""Movement at which a group has 63 % of its depth."""
# The forehead's lines are drawn as one and then parted between the actions of its middle and of its sides.
_PARTED = ("foreheadMiddle", "foreheadSideLeft", "foreheadSideRight")
_GROUPS = ("forehead", *(name for name in MOVEMENTS if name not in _PARTED))
_LIMIT = 0.01


@dataclass(frozen=True)
class WrinklePerson:
    """One person's relief, metres: `static` on the resting face and `moved` by each of MOVEMENTS in full."""

    age: float
    static: Float[Tensor, "size size"]
    moved: Float[Tensor, "movement size size"]


class WrinkleModel:
    """Makes the wrinkles of random people for one head model and layout.

    Heads without ARKit actions (FLAME) have static wrinkles only.
    """

    def __init__(self, data: HeadData, layout: UVLayout) -> None:
        self.chart = FaceChart(data, layout)
        names = list(data.expression_names)
        self._response = np.zeros((len(MOVEMENTS), len(names)), np.float32)
        for row, actions in enumerate(MOVEMENTS.values()):
            for action, share in actions.items():
                if action in names:
                    self._response[row, names.index(action)] = share
        self._opens = np.array([name == "jawOpen" for name in names])
        self._opening = float(
            data.expression_joint_rotations[self._opens, data.joint_names.index("jaw"), 0].sum()
        )
        self._jaw = np.array([name.startswith("fold") for name in MOVEMENTS], np.float32)
        x = self.chart.places[..., 0]
        left, right = smooth_step(x, 4.0, 26.0), smooth_step(-x, 4.0, 26.0)
        self._parts = np.stack([1 - left - right, left, right])
        self._pores = _pore_weights(self.chart)

    def person(self, random: np.random.Generator) -> WrinklePerson:
        """A random person: adults of every age, the young most often, and each of them in their own way."""
        age = float(18 + 67 * random.beta(1.0, 1.5))
        still, moved = relief_of(
            self.chart, person_furrows(self.chart, age, random), (*_GROUPS, "neck", "fine")
        )
        moved = dict(zip(_GROUPS, moved, strict=False))
        moved["chin"] += _dimpled_chin(self.chart, random)
        parts = dict(zip(_PARTED, self._parts * moved.pop("forehead"), strict=True)) | moved
        still = still + _bags(self.chart, age, random) + _bumps(self.chart, random)
        still = still + self._pores * _grain(self.chart, age, random)
        skin = self.chart.skin / 1000
        return WrinklePerson(
            age,
            torch.from_numpy((still * skin).clip(-_LIMIT, _LIMIT).astype(np.float32)),
            torch.from_numpy((np.stack([parts[name] for name in MOVEMENTS]) * skin).astype(np.float32)),
        )

    def efforts(self) -> tuple[Float[np.ndarray, "movement 3"], Float[np.ndarray, "movement expression"]]:
        """How much each of MOVEMENTS goes with the jaw's axis-angle and with each action; a wide open jaw
        counts less than that says.

        A movement of effort e goes to 1 - exp(-e^1.5).
        """
        jaw = self._jaw * self._response.any()
        actions = self._response + self._opening * np.outer(jaw, self._opens)
        return np.outer(jaw, [1.0, 0, 0]) / _HALF, actions / _HALF

    def movements(
        self, expression: Float[Tensor, "1 expression"], jaw: Float[Tensor, "1 3"]
    ) -> Float[np.ndarray, " movement"]:
        """How far each of MOVEMENTS goes, 0 at rest and about 1 in full; an open jaw draws the folds out."""
        actions = expression[0].detach().numpy().clip(0, 1.5)
        opening = float(jaw[0, 0]) + self._opening * float(actions[self._opens].sum())
        effort = self._response @ actions
        if self._response.any():
            effort = effort + self._jaw * min(max(opening, 0.0), 0.5)
        return 1 - np.exp(-((effort / _HALF) ** 1.5))

    def displacement(
        self, person: WrinklePerson, expression: Float[Tensor, "1 expression"], jaw: Float[Tensor, "1 3"]
    ) -> Float[Tensor, "1 1 size size"]:
        """Displacement along the normal, metres, of a person with an expression and a jaw (axis-angle).

        Zero beside face and neck, on eyes, lips and nostrils; within 10 mm.
        """
        weights = torch.from_numpy(self.movements(expression, jaw).astype(np.float32))
        moved = (weights @ person.moved.flatten(1)).view_as(person.static)
        return (person.static + moved).clamp(-_LIMIT, _LIMIT)[None, None]


def _mound(
    chart: FaceChart, place: np.ndarray, across: float, tall: float, turn: float = 0.0
) -> Float[np.ndarray, "size size"]:
    """A smooth mound of height one; deviations in millimetres along its own axes, turned by radians."""
    relief = np.zeros(chart.texel.shape, np.float32)
    x, y = (chart.places[..., axis] - np.float32(place[axis]) for axis in range(2))
    near = chart.valid & (np.maximum(np.abs(x), np.abs(y)) < 3.2 * max(across, tall))
    x, y = x[near], y[near]
    along = (np.cos(turn) * x + np.sin(turn) * y) / across
    up = (np.cos(turn) * y - np.sin(turn) * x) / tall
    relief[near] = np.exp(-0.5 * (along**2 + up**2))
    return relief


def _bags(chart: FaceChart, age: float, random: np.random.Generator) -> Float[np.ndarray, "size size"]:
    """Bags under the eyes and jowls, millimetres: smooth, and mostly of the old."""
    points = chart.landmarks
    ripe = 1 / (1 + np.exp(-(age - 55 - random.normal(0, 10)) / 8))
    eyes, jowls = 1.1 * ripe * random.lognormal(-0.3, 0.6), 1.6 * ripe * random.lognormal(-0.4, 0.6)
    eyes, jowls = min(eyes, 1.8), min(jowls, 2.5)
    relief = np.zeros(chart.texel.shape, np.float32)
    for sign, low, corner in (
        (1, points[46:48].mean(0), points[54]),
        (-1, points[40:42].mean(0), points[48]),
    ):
        bag = low - np.array([0, random.uniform(4.5, 6.5)])
        relief += eyes * _mound(chart, bag, random.uniform(8, 11), random.uniform(2.2, 3.2), -0.1 * sign)
        jowl = corner + np.array([sign * random.uniform(14, 20), -random.uniform(16, 24)])
        relief += jowls * _mound(chart, jowl, random.uniform(7, 10), random.uniform(6, 9))
    return relief


def _bumps(chart: FaceChart, random: np.random.Generator) -> Float[np.ndarray, "size size"]:
    """Moles, spots and small scars, millimetres."""
    relief = np.zeros(chart.texel.shape, np.float32)
    low, high = chart.landmarks.min(0) * [0.75, 1], chart.landmarks.max(0) * [0.75, 1] + [0, 35]
    for _ in range(random.poisson(2.5)):
        size = random.uniform(0.9, 2.2)
        height = random.uniform(0.1, 0.5) * random.choice([1, -0.6], p=[0.8, 0.2])
        relief += (
            height
            * size
            / 1.5
            * _mound(chart, random.uniform(low, high), size, size * random.uniform(0.8, 1.3))
        )
    return relief


def _pore_weights(chart: FaceChart) -> Float[np.ndarray, "size size"]:
    """Where pores are coarse: nose, inner cheeks and chin most, less towards the sides and under the eyes."""
    points = chart.landmarks
    weights = np.full(chart.texel.shape, 0.55)
    for place, across, tall, share in (
        (points[30] * 0.6 + points[33] * 0.4, 14.0, 14.0, 0.5),
        (np.array([28.0, points[33, 1] + 8]), 14.0, 14.0, 0.4),
        (np.array([-28.0, points[33, 1] + 8]), 14.0, 14.0, 0.4),
        (points[8] + [0, 12], 16.0, 9.0, 0.3),
        (points[[46, 47]].mean(0) - [0, 5], 14.0, 6.0, -0.35),
        (points[[40, 41]].mean(0) - [0, 5], 14.0, 6.0, -0.35),
    ):
        weights += share * _mound(chart, place, across, tall)
    return weights


def _grain(chart: FaceChart, age: float, random: np.random.Generator) -> Float[np.ndarray, "size size"]:
    """Pores and fine unevenness of skin, millimetres: noise of waves from 2.5 to 8 mm."""
    strength = min(random.lognormal(np.log(0.012), 0.5) * (1 + age / 90), 0.06)
    middle = float(np.median(chart.texel[chart.valid]))
    noise = random.standard_normal(chart.texel.shape, dtype=np.float32)
    relief = np.zeros(chart.texel.shape, np.float32)
    for wave, share in ((2.6, 0.9), (5.0, 0.45), (8.0, 0.3)):
        narrow, wide = 0.22 * wave / middle, 0.36 * wave / middle
        band = cv2.GaussianBlur(noise, (0, 0), narrow) - cv2.GaussianBlur(noise, (0, 0), wide)
        relief += share * band / max(float(band.std()), 1e-6)
    # Pores are pits: low places are sharper than high ones.
    return strength * (relief - 0.25 * relief**2)


def _dimpled_chin(chart: FaceChart, random: np.random.Generator) -> Float[np.ndarray, "size size"]:
    """The pitted skin of a tensed chin, millimetres."""
    middle = float(np.median(chart.texel[chart.valid]))
    noise = random.standard_normal(chart.texel.shape, dtype=np.float32)
    wave = random.uniform(4.5, 7)
    band = cv2.GaussianBlur(noise, (0, 0), 0.2 * wave / middle) - cv2.GaussianBlur(
        noise, (0, 0), 0.36 * wave / middle
    )
    strength = min(random.lognormal(np.log(0.14), 0.5), 0.5)
    chin = chart.landmarks[8] + [0, random.uniform(8, 13)]
    return -strength * np.abs(band / max(float(band.std()), 1e-6)) * _mound(chart, chin, 12.0, 8.0)
