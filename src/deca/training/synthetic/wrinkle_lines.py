"""All lines of one face: the furrows of a random person of some age, on the face's chart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from deca.training.synthetic import lower_face_lines, upper_face_lines
from deca.training.synthetic.face_chart import FaceChart
from deca.training.synthetic.furrows import Furrow
from deca.training.synthetic.wrinkle_habits import Habit, habit


def person_furrows(chart: FaceChart, age: float, random: np.random.Generator) -> list[Furrow]:
    """All furrows of one person; `age` in years decides how many and how deep they are at rest."""
    lines: list[Furrow] = []
    for name, draw in _DRAW.items():
        lines += draw(chart.landmarks, habit(name, age, random), age, random)
    return lines


def _fine(
    points: Float[np.ndarray, "68 2"], habit: Habit, age: float, random: np.random.Generator
) -> list[Furrow]:
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


_DRAW: dict[str, Callable[[Float[np.ndarray, "68 2"], Habit, float, np.random.Generator], list[Furrow]]] = {
    "forehead": upper_face_lines.forehead,
    "frown": upper_face_lines.frown,
    "nose": upper_face_lines.nose,
    "crow": upper_face_lines.crow,
    "lid": upper_face_lines.lid,
    "fold": lower_face_lines.fold,
    "cheek": lower_face_lines.cheek,
    "marionette": lower_face_lines.marionette,
    "lips": lower_face_lines.lips,
    "chin": lower_face_lines.chin,
    "neck": lower_face_lines.neck,
    "fine": _fine,
}
