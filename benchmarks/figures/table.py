"""The table of figures: what each is called, what it is to be, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[str, float]

MISSING = "-"


@dataclass(frozen=True)
class Row:
    """One line of the table: the figures that its cell shows, and what the default weights must reach."""

    label: str
    keys: tuple[str, ...]
    places: int
    target: str = ""

    def cell(self, values: Values) -> str:
        """The figures of one method, parted by strokes; a dash where it has none."""
        shown = [f"{values[key]:.{self.places}f}" for key in self.keys if key in values]
        return " / ".join(shown) if shown else MISSING


def _angles(pictures: str) -> tuple[str, ...]:
    return tuple(f"pose.{pictures}.{angle}" for angle in ("yaw", "pitch", "roll"))


ROWS = (
    Row("Landmarks, london: error at 14 manual points, %", ("landmarks.london",), 2, "≤ 4.5; refined ≤ 3"),
    Row("Landmarks, congress: distance from the detector's 68 points, %", ("landmarks.congress",), 2, "≤ 5"),
    Row("Yaw / pitch / roll to 60°, semi-synthetic", _angles("semi-synthetic to 60"), 1, "≤ 4"),
    Row("Yaw / pitch / roll to 60°, synthetic", _angles("synthetic to 60"), 1, "≤ 4"),
    Row("Yaw / pitch / roll at 60 to 90°, semi-synthetic", _angles("semi-synthetic 60-90"), 1, "≤ 8"),
    Row("Yaw / pitch / roll at 60 to 90°, synthetic", _angles("synthetic 60-90"), 1, "≤ 8"),
    Row(
        "Shape: median / mean / standard deviation, mm", ("shape.median", "shape.mean", "shape.deviation"), 2
    ),
    Row("Shape: median below the mean head's by, %", ("shape.gain",), 1, "≥ 25; refined: more"),
    Row("Identity: area under the ROC curve, rigid", ("identity.rigid",), 3, "≥ 0.9"),
    Row("Identity: the same, with scale", ("identity.scaled",), 3),
    Row("Detail: correlation in wrinkled regions", ("detail.correlation",), 2, "≥ 0.6"),
    Row("Detail: the same without slow parts", ("detail.fine_correlation",), 2),
    Row("Detail: the first, told the true head and pose", ("detail.placed_correlation",), 2),
    Row("Detail: change between people over within, synthetic", ("detail.swap_synthetic",), 1, "≥ 5"),
    Row("Detail: the same, london", ("detail.swap_london",), 1, "≥ 5"),
    Row("Animation: error below that of static wrinkles by, %", ("animation.gain",), 1, "≥ 5"),
    Row("Animation: the same in the neutral photo's own skin, %", ("animation.gain_on_photo",), 1),
    Row("Speed: encoding / decoding, ms", ("speed.encoding", "speed.decoding"), 0, "≤ 60 together"),
)


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(heading) + " |", "|---" + "|---:" * (len(heading) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def summary(figures: Mapping[str, Values], rows: Sequence[Row] = ROWS) -> list[list[str]]:
    """The table's cells: a row a figure, then the methods, then the target; rows without a figure are left
    out."""
    cells = []
    for row in rows:
        shown = [row.cell(values) for values in figures.values()]
        if any(cell != MISSING for cell in shown):
            cells.append([row.label, *shown, row.target])
    return cells
