"""Where wrinkles lie on faces: the furrows of one random person of some age, on the face's chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deca.training.synthetic.face_chart import FaceChart
from deca.training.synthetic.furrows import Furrow, smooth_curve, smooth_noise

SIDES = ("Left", "Right")
_LEFT_BROW, _RIGHT_BROW = slice(22, 27), slice(17, 22)


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


KINDS = {
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
    kind = KINDS[name]
    ripe = 1 / (1 + np.exp(-(age - kind.onset - random.normal(0, 6)) / 7))
    still = kind.still * ripe * random.lognormal(0, 0.45)
    moved = (kind.young + (kind.old - kind.young) * ripe) * random.lognormal(0, 0.45)
    if random.random() < 0.12:
        still, moved = 0.25 * still, 0.35 * moved
    uneven = random.lognormal(0, 0.18)
    # Young skin folds softly, old skin sharply.
    width = (1.35 - 0.4 * ripe) * random.lognormal(0, 0.1)
    return Habit(float(still), float(moved), float(width), (float(uneven), float(1 / uneven)))


def person_furrows(chart: FaceChart, age: float, random: np.random.Generator) -> list[Furrow]:
    """All furrows of one person; `age` in years decides how many and how deep they are at rest."""
    lines: list[Furrow] = []
    for name, draw in _DRAW.items():
        lines += draw(chart.landmarks, habit(name, age, random), age, random)
    return lines


def _line(
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


def _mirrored(points: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "68 2"]:
    """The landmarks as if the head's right side were its left."""
    return points[_MIRROR] * [-1, 1]


def _on_sides(
    points: Float[np.ndarray, "68 2"],
) -> list[tuple[int, str, Float[np.ndarray, "68 2"], Float[np.ndarray, "2"]]]:
    """For each side: its index and name, landmarks as those of a left side, and what takes results back."""
    return [
        (0, "Left", points, np.array([1.0, 1.0])),
        (1, "Right", _mirrored(points), np.array([-1.0, 1.0])),
    ]


def _forehead(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
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
                _line(
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


def _frown(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Upright lines between the brows, and now and then one across the root of the nose."""
    lines = []
    inner = (points[22, 0] - points[21, 0]) / 2
    pattern = random.choice(["pair", "left", "right", "middle", "many"], p=[0.55, 0.08, 0.08, 0.09, 0.2])
    length, low = random.uniform(13, 22), random.uniform(-13, -8)
    apart, lean = inner * random.uniform(0.45, 0.95), random.normal(0.5, 2.0)
    for side, name, local, back in _on_sides(points):
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
                _line(
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
        for side, name, _, back in _on_sides(points):
            x = np.linspace(-1.5, random.uniform(6, 9), 4)
            y = height - 0.02 * x**2 + random.normal(0, 0.3, 4)
            lines.append(
                _line(
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


def _nose(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Slanting lines on the sides of the nose's upper half."""
    lines = []
    count = int(random.integers(2, 4))
    top, step = points[27, 1] - random.uniform(2, 6), random.uniform(3.5, 5.5)
    slope = random.uniform(0.3, 0.9)
    for side, name, _, back in _on_sides(points):
        for index in range(count):
            x = np.linspace(random.uniform(1, 4), random.uniform(10, 15), 4)
            y = top - step * index - slope * (x - 3) + random.normal(0, 0.3, 4)
            lines.append(
                _line(
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


def _crow(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Crow's feet: a fan of lines from beside the outer corner of the eye."""
    lines = []
    count = int(random.integers(3, 6) + (age > 55))
    length = random.uniform(13, 24)
    upper, lower = random.uniform(10, 40), random.uniform(-55, -25)
    for side, name, local, back in _on_sides(points):
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
                _line(
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


def _lid(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Lines under the eye: the groove from its inner corner, and finer ones along the lower lid."""
    lines = []
    drop, groove = random.uniform(7, 11), random.uniform(0.7, 1.5)
    count = int(random.integers(1, 4))
    for side, name, local, back in _on_sides(points):
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
            _line(
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
                _line(
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


def _fold(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Nasolabial folds, from above the wings of the nose past the corners of the mouth."""
    lines = []
    out, end, bend = random.uniform(7, 12), random.uniform(-12, 1), random.normal(0, 1.2)
    for side, name, local, back in _on_sides(points):
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
                _line(
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


def _cheek(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Brackets beside the mouth, outside the folds: lines that a smile stacks."""
    lines = []
    count = int(random.integers(1, 3) + (age > 55))
    step = random.uniform(5.5, 9)
    for side, name, local, back in _on_sides(points):
        corner = local[54]
        for index in range(count):
            out = 12 + step * (index + random.uniform(0.1, 0.6))
            high, low = random.uniform(4, 14), random.uniform(-18, -6)
            y = np.linspace(high, low, 4)
            x = out + 2.5 * np.sin(np.linspace(0.3, 2.8, 4))
            controls = corner + np.stack([x, y], 1) + random.normal(0, 0.6, (4, 2))
            lines.append(
                _line(
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


def _marionette(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Lines from the corners of the mouth down towards the jaw."""
    lines = []
    length, out = random.uniform(10, 22), random.uniform(1, 6)
    for side, name, local, back in _on_sides(points):
        corner = local[54] + np.array([random.uniform(1.5, 3), random.uniform(-3, -1)])
        t = np.array([0, 0.3, 0.65, 1.0])
        x = out * t**1.3 + 1.5 * np.sin(np.pi * t) + random.normal(0, 0.4, 4)
        controls = corner + np.stack([x, -length * t], 1)
        lines.append(
            _line(
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


def _lips(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
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
                _line(
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


def _chin(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """The crease between lower lip and chin, and now and then a cleft."""
    lines = []
    lip, chin = points[57], points[8]
    height = lip[1] + (chin[1] - lip[1]) * random.uniform(0.26, 0.4)
    half, bow = random.uniform(9, 17), random.uniform(-1, 3.5)
    x = np.linspace(-half, half, 5) + random.normal(0, 1)
    y = height - bow * (x / half) ** 2
    for width, depth in ((1.7, 0.6), (3.4, 0.7)):
        lines.append(
            _line(
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
            _line(
                np.stack([np.zeros(3), y], 1), cleft, "chin", random, width=2.2, ragged=0.05, taper=(0.5, 0.4)
            )
        )
    return lines


def _neck(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Rings around the neck, complete or in part."""
    lines = []
    height = points[8, 1] - random.uniform(24, 32)
    for _ in range(int(random.integers(1, 4))):
        begin, end = -random.uniform(25, 75), random.uniform(25, 75)
        x = np.linspace(begin, end, 6)
        y = height + 0.0022 * x**2 + random.normal(0, 0.8, 6)
        lines.append(
            _line(
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


def _fine(points: np.ndarray, habit: Habit, age: float, random: np.random.Generator) -> list[Furrow]:
    """Many short fine lines of weathered skin, along the lines of relaxed skin."""
    count = int(min(170, 900 * habit.still)) if habit.still > 0.02 else 0
    kind = random.choice(4, count, p=[0.4, 0.25, 0.2, 0.15])
    x, y = random.uniform(0, 1, (2, count))
    away = np.radians(random.uniform(-80, 45, count))
    reach = random.uniform(6, 26, count)
    crossed = 70 * (random.random(count) < 0.25)
    tilt = random.normal(size=count)
    # Cheeks, around the eyes, forehead, jaw.
    across = 30 + 45 * x
    lip, chin, nose, brow = points[57, 1], points[8, 1], points[30, 1], points[19, 1]
    places = np.array(
        [
            [across, lip + (nose + 12 - lip) * y],
            [points[45, 0] + reach * np.cos(away), points[45, 1] + reach * np.sin(away)],
            [45 * x, brow + 5 + 35 * y],
            [8 + 37 * x, chin + (lip - 4 - chin) * y],
        ]
    )
    angles = np.array(
        [
            -62 + 0.35 * (across - 30) + 16 * tilt + crossed,
            np.degrees(away) + 15 * tilt,
            8 * tilt,
            -60 + 18 * tilt,
        ]
    )
    chosen = np.arange(count)
    place, angle = places[kind, :, chosen], np.radians(angles[kind, chosen])
    t = np.linspace(-0.5, 0.5, 7)[:, None]
    along = np.stack([np.cos(angle), np.sin(angle)], 1) * random.uniform(5, 14, (count, 1))
    bend = np.stack([-along[:, 1], along[:, 0]], 1) * random.normal(0, 0.25, (count, 1))
    lines = place[:, None] + t * along[:, None] + (0.25 - t * t) * bend[:, None]
    lines = lines * np.stack([random.choice([-1.0, 1.0], count), np.ones(count)], 1)[:, None]
    shape = np.cos(np.pi * t[:, 0]) * np.clip(1 + 0.3 * random.normal(size=(count, 7)), 0.2, 1.6)
    depth, width = habit.still * random.uniform(0.4, 1.2, count), 0.75 * habit.width
    return [
        Furrow(lines[i], shape[i], width, float(depth[i]), 0.0, "fine", shoulder=0.2) for i in range(count)
    ]


_DRAW: dict[str, Callable[[np.ndarray, Habit, float, np.random.Generator], list[Furrow]]] = {
    "forehead": _forehead,
    "frown": _frown,
    "nose": _nose,
    "crow": _crow,
    "lid": _lid,
    "fold": _fold,
    "cheek": _cheek,
    "marionette": _marionette,
    "lips": _lips,
    "chin": _chin,
    "neck": _neck,
    "fine": _fine,
}
_MIRROR = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46),
        *(39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
