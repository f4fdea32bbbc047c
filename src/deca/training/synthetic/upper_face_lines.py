"""Where lines lie on forehead, nose and around the eyes, by the 68 landmarks on the chart, millimetres."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from deca.training.synthetic.furrows import Furrow
from deca.training.synthetic.wrinkle_curves import furrow_along, on_sides
from deca.training.synthetic.wrinkle_habits import Habit


def forehead(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Lines across the forehead; each lies a little above the one below, and many are broken."""
    brow = points[17:27, 1].max()
    half = points[26, 0] * random.uniform(0.45, 0.85)
    count = int(random.integers(2, 5) + (age > 45) * random.integers(0, 3))
    spacing = random.uniform(5.5, 9.5)
    low = brow + random.uniform(8, 15)
    bow, gull, tilt = random.normal(0, 2.5), random.normal(0.7, 1.1), random.normal(0, 0.03)
    lines = []
    for index in range(count):
        height = low + spacing * index + random.normal(0, 0.8)
        # Hair begins about a nose's length above the brows.
        if height > brow + 1.0 * (points[27, 1] - points[33, 1]):
            break
        reach = half * random.uniform(0.6, 1.1, 2) * (1 - 0.06 * index)
        start, end = -reach[0], reach[1]
        pieces = [(start, end)]
        if random.random() < 0.45:
            cut = random.uniform(0.25, 0.75) * (end - start) + start
            gap = random.uniform(-8, 4)
            pieces = [(start, cut - gap / 2), (cut + gap / 2, end)]
            if random.random() < 0.25:
                pieces = [pieces[random.integers(2)]]
        for piece, (begin, finish) in enumerate(pieces):
            if finish - begin < 12:
                continue
            knots = max(3, round((finish - begin) / 11))
            x = np.linspace(begin, finish, knots)
            relative = x / half
            y = height + bow * relative**2 + gull * np.cos(1.6 * np.pi * relative) * np.exp(-(relative**2))
            y = y + tilt * x + random.normal(0, 0.5, knots) + piece * random.normal(0, 1.5)
            strength = random.uniform(0.6, 1.15) * min(1.0, (finish - begin) / 32)
            rest = random.choice([0.35, 1.0], p=[0.35, 0.65])
            lines.append(
                furrow_along(
                    np.stack([x, y], 1),
                    habit,
                    "forehead",
                    random,
                    width=1.1,
                    depth=strength,
                    waviness=0.5,
                    shoulder=0.35,
                    rest=rest,
                )
            )
    return lines


def frown(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Upright lines between the brows, and now and then one across the root of the nose."""
    lines = []
    inner = (points[22, 0] - points[21, 0]) / 2
    pattern = random.choice(["pair", "left", "right", "middle", "many"], p=[0.55, 0.08, 0.08, 0.09, 0.2])
    length, low = random.uniform(13, 22), random.uniform(-13, -8)
    apart, lean = inner * random.uniform(0.45, 0.95), random.normal(0.5, 2.0)
    for side, name, local, back in on_sides(points):
        if pattern in ("left", "right") and pattern != name.lower():
            continue
        offsets = [0.0] if pattern == "middle" else [apart]
        if pattern == "many" or random.random() < 0.15:
            offsets.append(apart + random.uniform(3.5, 6))
        base = local[22, 1]
        for order, offset in enumerate(offsets):
            tall = length * random.uniform(0.8, 1.15) * (1 - 0.35 * order)
            y = base + low + np.array([0, 0.35, 0.7, 1.0]) * tall
            x = offset + np.array([0.5, 0, 0.1, 0.5]) * lean * (offset > 0) + random.normal(0, 0.35, 4)
            lines.append(
                furrow_along(
                    np.stack([x, y], 1) * back,
                    habit,
                    f"frown{name}",
                    random,
                    width=1.15,
                    depth=1 - 0.4 * order,
                    side=side,
                    taper=(0.35, 0.45),
                    shoulder=0.4,
                )
            )
    if random.random() < 0.5:
        height = (points[27, 1] + points[21, 1]) / 2 - random.uniform(2, 8)
        for side, name, _, back in on_sides(points):
            x = np.linspace(-1.5, random.uniform(6, 9), 4)
            y = height - 0.02 * x**2 + random.normal(0, 0.3, 4)
            lines.append(
                furrow_along(
                    np.stack([x, y], 1) * back,
                    habit,
                    f"frown{name}",
                    random,
                    width=1.1,
                    depth=0.7,
                    side=side,
                    taper=(0.2, 0.5),
                )
            )
    return lines


def nose(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Slanting lines on the sides of the nose's upper half."""
    lines = []
    count = int(random.integers(2, 4))
    top, step = points[27, 1] - random.uniform(2, 6), random.uniform(3.5, 5.5)
    slope = random.uniform(0.3, 0.9)
    for side, name, _, back in on_sides(points):
        for index in range(count):
            x = np.linspace(random.uniform(1, 4), random.uniform(10, 15), 4)
            y = top - step * index - slope * (x - 3) + random.normal(0, 0.3, 4)
            lines.append(
                furrow_along(
                    np.stack([x, y], 1) * back,
                    habit,
                    f"nose{name}",
                    random,
                    width=1.0,
                    depth=random.uniform(0.7, 1.1),
                    side=side,
                    taper=(0.4, 0.4),
                )
            )
    return lines


def crow(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Crow's feet: a fan of lines from beside the outer corner of the eye."""
    lines = []
    count = int(random.integers(3, 6) + (age > 55))
    length = random.uniform(13, 24)
    upper, lower = random.uniform(10, 40), random.uniform(-55, -25)
    for side, name, local, back in on_sides(points):
        corner = local[45] + np.array([random.uniform(4.5, 7.5), random.uniform(-1, 1)])
        for angle in np.linspace(upper, lower, count) + random.normal(0, 4, count):
            direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
            across = np.array([-direction[1], direction[0]])
            far = length * random.uniform(0.55, 1.15)
            # The lower ones bow round the cheek.
            curve = (-0.06 if angle < -10 else 0.05) * far + random.normal(0, 0.6)
            start = corner + random.uniform(-1.0, 3.0) * direction + 0.05 * angle * across * 0.5
            controls = [
                start + direction * far * t + across * 4 * curve * t * (1 - t) for t in (0, 0.35, 0.7, 1)
            ]
            lines.append(
                furrow_along(
                    np.array(controls) * back,
                    habit,
                    f"crow{name}",
                    random,
                    width=0.95,
                    depth=random.uniform(0.6, 1.1),
                    side=side,
                    waviness=0.35,
                    taper=(0.2, 0.6),
                    shoulder=0.3,
                    rest=random.uniform(0.3, 1.1),
                )
            )
    return lines


def lid(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
    """Lines under the eye: the groove from its inner corner, and finer ones along the lower lid."""
    lines = []
    drop, groove = random.uniform(7, 11), random.uniform(0.7, 1.5)
    count = int(random.integers(1, 4))
    for side, name, local, back in on_sides(points):
        inner, outer, low = local[42], local[45], local[46:48].mean(0)
        reach = random.uniform(0.55, 1.0)
        trough = np.array(
            [
                inner,
                inner * 0.6 + low * 0.4,
                low,
                low * (1 - reach) + outer * reach,
            ]
        )
        trough += [[-0.5, -3.5], [0, -0.75 * drop], [0.5, -drop], [1.0, -0.8 * drop]]
        lines.append(
            furrow_along(
                trough * back,
                habit,
                f"lid{name}",
                random,
                width=1.9,
                depth=1.3 * groove,
                side=side,
                taper=(0.25, 0.6),
                shoulder=0.45,
                lean=0.35 * back[0],
            )
        )
        for index in range(count):
            below = 3.2 + index * random.uniform(1.8, 2.6)
            start, end = random.uniform(0.05, 0.35), random.uniform(0.8, 1.15)
            share = np.linspace(start, end, 4)[:, None]
            lid = inner * (1 - share) + outer * share
            bow = 4 * share * (1 - share) * (min(inner[1], outer[1]) - low[1])
            controls = (
                lid + np.concatenate([np.zeros_like(bow), -bow - below], 1) + random.normal(0, 0.3, (4, 2))
            )
            lines.append(
                furrow_along(
                    controls * back,
                    habit,
                    f"lid{name}",
                    random,
                    width=0.9,
                    depth=random.uniform(0.4, 0.8),
                    side=side,
                    taper=(0.4, 0.4),
                    rest=0.7,
                )
            )
    return lines
