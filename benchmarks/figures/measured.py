"""All figures of one method: numbers for the table by name, and what stands behind them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from deca.io.files import whole_file
from figures import animation, detail, identity, landmarks, pose, shape, speed
from figures.methods import DetailMethod, Method, ReliefMethod
from figures.people import KEPT

Numbers = dict[str, float]


@dataclass(frozen=True)
class Measured:
    """`figures` are those of the table; `groups` the landmark errors by skin tone; `people` the gains of
    animation."""

    figures: Numbers
    groups: dict[str, list[float]]
    people: Numbers


def measure(method: Method, chosen: Sequence[str], tell: Callable[[str], None]) -> Measured:
    """Measure the chosen figures of a method; `tell` is told of each before it begins."""
    figures, groups, people = {}, {}, {}
    for name in chosen:
        tell(f"{method.name}: {name}")
        if name == "landmarks":
            london, congress = landmarks.measure_london(method), landmarks.measure_congress(method)
            figures |= {
                "landmarks.london": _mean(london.values()),
                "landmarks.congress": _mean(congress.values()),
            }
            groups = landmarks.tone_groups(congress | london)
        elif name == "animation" and isinstance(method, DetailMethod | ReliefMethod):
            errors = animation.measure(method)
            people = {identity: animation.gain(one.moving, one.static) for identity, one in errors.items()}
            figures |= _animation(errors)
        elif name in _SIMPLE:
            figures |= {f"{name}.{key}": value for key, value in _SIMPLE[name](method).items()}
    return Measured(figures, groups, people)


def keep(name: str, version: str, measured: Measured) -> None:
    """Keep a method's figures, for tables in which it stands beside others."""
    path = KEPT / "results" / f"{name.replace(' ', '-')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps({"version": version, **asdict(measured)}, indent=1))


def kept(name: str) -> tuple[str, Measured] | None:
    """A method's kept figures and the version of the code that gave them."""
    path = KEPT / "results" / f"{name.replace(' ', '-')}.json"
    if not path.is_file():
        return None
    fields = json.loads(path.read_text())
    return fields.pop("version"), Measured(**fields)


def _pose(method: Method) -> Numbers:
    names = ("yaw", "pitch", "roll", "rotation")
    return {
        f"{set_name}.{name}": float(value)
        for set_name, errors in pose.measure(method, _pose_sets()).items()
        for name, value in zip(names, errors.mean(0), strict=True)
    }


def _shape(method: Method) -> Numbers:
    distances = np.concatenate(shape.measure(method, _heads()))
    return {
        "median": float(np.median(distances)),
        "mean": float(distances.mean()),
        "deviation": float(distances.std()),
    }


def _detail(method: Method) -> Numbers:
    if not isinstance(method, DetailMethod | ReliefMethod):
        return {}
    rows = detail.correlations(method, _wrinkled())
    numbers = {
        "correlation": float(np.mean([row.whole for row in rows])),
        "fine_correlation": float(np.mean([row.fine for row in rows])),
    }
    if isinstance(method, DetailMethod):
        placed = detail.placed_correlations(method, _wrinkled())
        numbers["placed_correlation"] = float(np.mean([row.whole for row in placed]))
        numbers["swap_synthetic"] = detail.swaps(method, detail.synthetic_pairs(method, _wrinkled()))
        numbers["swap_london"] = detail.swaps(method, detail.london_pairs(method))
    return numbers


def _animation(errors: Mapping[str, animation.SmileErrors]) -> Numbers:
    rows = list(errors.values())
    if not rows:
        return {"animation.people": 0.0}
    moving, static = _mean(row.moving for row in rows), _mean(row.static for row in rows)
    on_photo = _mean(row.moving_on_photo for row in rows), _mean(row.static_on_photo for row in rows)
    return {
        "animation.people": float(len(rows)),
        "animation.share": _mean(row.share for row in rows),
        "animation.moving": moving,
        "animation.static": static,
        "animation.gain": animation.gain(moving, static),
        "animation.gain_on_photo": animation.gain(*on_photo),
    }


def _mean(values) -> float:
    return float(np.mean(list(values)))


@cache
def _pose_sets() -> dict[str, list[pose.Posed]]:
    return pose.prepare()


@cache
def _heads() -> list[shape.Seen]:
    return shape.prepare()


@cache
def _wrinkled() -> list[detail.Wrinkled]:
    return detail.prepare()


_SIMPLE: dict[str, Callable[[Method], Numbers]] = {
    "pose": _pose,
    "shape": _shape,
    "identity": identity.measure,
    "detail": _detail,
    "speed": speed.measure,
}
FIGURES = ("landmarks", "pose", "shape", "identity", "detail", "animation", "speed")
