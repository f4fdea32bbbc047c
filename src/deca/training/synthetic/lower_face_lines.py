"""Where lines lie on cheeks, mouth, chin and neck, by the 68 landmarks on the chart, millimetres."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from deca.training.synthetic.furrows import Furrow
from deca.training.synthetic.wrinkle_curves import furrow_along, on_sides
from deca.training.synthetic.wrinkle_habits import Habit


def fold(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Nasolabial folds, from above the wings of the nose past the corners of the mouth."""
    lines = []
    out, end, bend = random.uniform(7, 12), random.uniform(-12, 1), random.normal(0, 1.2)
    for side, name, local, back in on_sides(points):
        wing, corner = local[35], local[54]
        top = wing + np.array([random.uniform(2.5, 5.0), random.uniform(5, 9)])
        finish = corner + np.array([out, end]) + random.normal(0, 1.0, 2)
        middle = top * 0.5 + finish * 0.5 + np.array([random.uniform(1.5, 4) + bend, 0.5])
        early = top * 0.82 + finish * 0.18 + np.array([random.uniform(1, 2.5), 0])
        late = top * 0.2 + finish * 0.8 + np.array([random.uniform(0.5, 2) + 0.5 * bend, 0])
        controls = np.array([top, early, middle, late, finish]) * back
        # The cheek stands above its outer side.
        for width, depth, shoulder in ((2.0, 0.75, 0.35), (4.2, 0.55, 0.6)):
            lines.append(
                furrow_along(
                    controls,
                    habit,
                    f"fold{name}",
                    random,
                    width=width,
                    depth=depth,
                    side=side,
                    waviness=0.3,
                    ragged=0.12,
                    taper=(0.35, 0.55),
                    shoulder=shoulder,
                    lean=0.9 * back[0],
                )
            )
    return lines


def cheek(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Brackets beside the mouth, outside the folds: lines that a smile stacks."""
    lines = []
    count = int(random.integers(1, 3) + (age > 55))
    step = random.uniform(5.5, 9)
    for side, name, local, back in on_sides(points):
        corner = local[54]
        for index in range(count):
            out = 12 + step * (index + random.uniform(0.1, 0.6))
            high, low = random.uniform(4, 14), random.uniform(-18, -6)
            y = np.linspace(high, low, 4)
            x = out + 2.5 * np.sin(np.linspace(0.3, 2.8, 4))
            controls = corner + np.stack([x, y], 1) + random.normal(0, 0.6, (4, 2))
            lines.append(
                furrow_along(
                    controls * back,
                    habit,
                    f"cheek{name}",
                    random,
                    width=1.6,
                    depth=random.uniform(0.5, 1.0) * 0.85**index,
                    side=side,
                    taper=(0.5, 0.5),
                    shoulder=0.4,
                    lean=0.3 * back[0],
                )
            )
    return lines


def marionette(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Lines from the corners of the mouth down towards the jaw."""
    lines = []
    length, out = random.uniform(10, 22), random.uniform(1, 6)
    for side, name, local, back in on_sides(points):
        corner = local[54] + np.array([random.uniform(1.5, 3), random.uniform(-3, -1)])
        t = np.array([0, 0.3, 0.65, 1.0])
        x = out * t**1.3 + 1.5 * np.sin(np.pi * t) + random.normal(0, 0.4, 4)
        controls = corner + np.stack([x, -length * t], 1)
        lines.append(
            furrow_along(
                controls * back,
                habit,
                f"marionette{name}",
                random,
                width=2.0,
                depth=1.0,
                side=side,
                ragged=0.15,
                taper=(0.35, 0.6),
                shoulder=0.35,
                lean=0.5 * back[0],
            )
        )
    return lines


def lips(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Short upright lines around the lips."""
    lines = []
    for upper in (True, False):
        row = points[48:55] if upper else points[[48, 59, 58, 57, 56, 55, 54]]
        count = int(random.integers(4, 9)) if upper else int(random.integers(2, 6))
        for place in np.sort(random.uniform(0.1, 0.9, count)):
            x = np.interp(place, np.linspace(0, 1, 7), row[:, 0])
            y = np.interp(place, np.linspace(0, 1, 7), row[:, 1])
            # The groove under the nose has none.
            if upper and abs(x) < 3.5:
                continue
            length = random.uniform(4.5, 9) * (1 if upper else 0.8)
            up = 1 if upper else -1
            t = np.array([0, 0.5, 1.0])
            controls = np.stack(
                [x + (0.25 * x / 20) * length * t + random.normal(0, 0.25, 3), y + up * length * t], 1
            )
            lines.append(
                furrow_along(
                    controls,
                    habit,
                    "lips",
                    random,
                    width=0.85,
                    depth=random.uniform(0.5, 1.1),
                    waviness=0.2,
                    taper=(0.15, 0.7),
                )
            )
    return lines


def chin(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """The crease between lower lip and chin, and now and then a cleft."""
    lines = []
    lip, chin = points[57], points[8]
    height = lip[1] + (chin[1] - lip[1]) * random.uniform(0.26, 0.4)
    half, bow = random.uniform(9, 17), random.uniform(-1, 3.5)
    x = np.linspace(-half, half, 5) + random.normal(0, 1)
    y = height - bow * (x / half) ** 2
    for width, depth in ((1.7, 0.6), (3.4, 0.7)):
        lines.append(
            furrow_along(
                np.stack([x, y], 1),
                habit,
                "chin",
                random,
                width=width,
                depth=depth,
                ragged=0.1,
                taper=(0.45, 0.45),
                shoulder=0.3,
            )
        )
    if random.random() < 0.1:
        y = np.linspace(chin[1] + 14, chin[1] + 3, 3)
        cleft = Habit(random.uniform(0.3, 1.0), 0.0, 1.0, (1.0, 1.0))
        lines.append(
            furrow_along(
                np.stack([np.zeros(3), y], 1), cleft, "chin", random, width=2.2, ragged=0.05, taper=(0.5, 0.4)
            )
        )
    return lines


def neck(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Rings around the neck, complete or in part."""
    lines = []
    height = points[8, 1] - random.uniform(24, 32)
    for _ in range(int(random.integers(1, 4))):
        begin, end = -random.uniform(25, 75), random.uniform(25, 75)
        x = np.linspace(begin, end, 6)
        y = height + 0.0022 * x**2 + random.normal(0, 0.8, 6)
        lines.append(
            furrow_along(
                np.stack([x, y], 1),
                habit,
                "neck",
                random,
                width=1.6,
                depth=random.uniform(0.5, 1.1),
                taper=(0.35, 0.35),
                shoulder=0.35,
            )
        )
        height -= random.uniform(9, 16)
    return lines
