"""Habits: how deep each kind of line is in one person of some age, at rest and when the face moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Habit:
    """How one kind of line shows in one person: depths in millimetres, at rest and added by movement.

    `width` multiplies all widths; `sides` the depths on the left and on the right.
    """

    still: float
    moved: float
    width: float
    sides: tuple[float, float]


@dataclass(frozen=True)
class _Kind:
    """How a kind of line comes with age: its depth at rest in old age, what movement adds in the young and in
    the old (millimetres), and the age at which half of the depth at rest has come."""

    still: float
    young: float
    old: float
    onset: float


_KINDS = {
    "forehead": _Kind(0.58, 0.22, 0.45, 52.0),
    "frown": _Kind(0.75, 0.38, 0.55, 48.0),
    "nose": _Kind(0.12, 0.25, 0.35, 62.0),
    "crow": _Kind(0.50, 0.18, 0.40, 54.0),
    "lid": _Kind(0.36, 0.16, 0.26, 55.0),
    "fold": _Kind(1.15, 0.70, 0.75, 47.0),
    "cheek": _Kind(0.40, 0.20, 0.45, 58.0),
    "marionette": _Kind(0.70, 0.15, 0.30, 57.0),
    "lips": _Kind(0.26, 0.12, 0.28, 63.0),
    "chin": _Kind(0.55, 0.35, 0.40, 45.0),
    "neck": _Kind(0.6, 0.0, 0.0, 52.0),
    "fine": _Kind(0.13, 0.0, 0.0, 62.0),
}


def habit(name: str, age: float, random: np.random.Generator) -> Habit:
    """One person's habit of a kind of line: people of one age differ widely, and one side from the other."""
    kind = _KINDS[name]
    ripe = 1 / (1 + np.exp(-(age - kind.onset - random.normal(0, 6)) / 7))
    still = kind.still * ripe * random.lognormal(0, 0.45)
    moved = (kind.young + (kind.old - kind.young) * ripe) * random.lognormal(0, 0.45)
    if random.random() < 0.12:
        still, moved = 0.25 * still, 0.35 * moved
    uneven = random.lognormal(0, 0.18)
    # Young skin folds softly, old skin sharply.
    width = (1.35 - 0.4 * ripe) * random.lognormal(0, 0.1)
    return Habit(float(still), float(moved), float(width), (float(uneven), float(1 / uneven)))
