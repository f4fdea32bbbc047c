"""One line of a face: a furrow along a curve, as a person's habit has it, on either side of the face."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from deca.photo.ibug import MIRROR
from deca.training.synthetic.furrows import Furrow, smooth_curve, smooth_noise
from deca.training.synthetic.wrinkle_habits import Habit


def furrow_along(
    controls: Float[np.ndarray, "control 2"],
    habit: Habit,
    group: str,
    random: np.random.Generator,
    *,
    width: float,
    depth: float = 1.0,
    side: int | None = None,
    waviness: float = 0.4,
    ragged: float = 0.35,
    taper: tuple[float, float] = (0.25, 0.25),
    shoulder: float = 0.25,
    lean: float = 0.0,
    rest: float = 1.0,
) -> Furrow:
    """A furrow along a curve: wavy by millimetres, its depth uneven and running out at both ends.

    `taper` are the shares of its length over which it runs out; `rest` weighs the depth at rest.
    """
    places = smooth_curve(np.asarray(controls, np.float64))
    count = len(places)
    along = np.gradient(places, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    places = places + waviness * across * smooth_noise(random, count, 6.0)[:, None]
    place = np.linspace(0, 1, count)
    shape = np.clip(place / max(taper[0], 1e-3), 0, 1) * np.clip((1 - place) / max(taper[1], 1e-3), 0, 1)
    shape = np.sin(np.pi / 2 * shape) * np.clip(1 + ragged * smooth_noise(random, count, 6.0), 0.1, 1.8)
    depth = depth * random.lognormal(0, 0.2) * (1.0 if side is None else habit.sides[side])
    return Furrow(
        places,
        shape,
        width * habit.width * random.lognormal(0, 0.12),
        min(habit.still * depth * rest, 2.0),
        min(habit.moved * depth, 1.5),
        group,
        shoulder,
        lean,
    )


def on_sides(
    points: Float[np.ndarray, "68 2"],
) -> list[tuple[int, str, Float[np.ndarray, "68 2"], Float[np.ndarray, "2"]]]:
    """For each side: its index and name, landmarks as those of a left side, and what takes results back."""
    return [
        (0, "Left", points, np.array([1.0, 1.0])),
        (1, "Right", points[MIRROR] * [-1, 1], np.array([-1.0, 1.0])),
    ]
