"""What became of each image of a benchmark, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from deca.evaluation.statistics import Summary, pooled


@dataclass(frozen=True)
class ImageOutcome:
    """One image: its distances in millimetres, or why there are none.

    `group` is the challenge, the quality or the region that the image belongs to; `converged` are distances
    at the true optimum, where they were asked for; `figures` are the protocol's other numbers.
    """

    image: str
    group: str
    distances: Float[np.ndarray, " vertex"] | None = None
    converged: Float[np.ndarray, " vertex"] | None = None
    figures: dict[str, float | int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None
    missing: bool = False


@dataclass(frozen=True)
class Evaluation:
    """All outcomes of a run. `about` says what was measured and how, `grouped_by` what groups are called."""

    benchmark: str
    protocol: str
    grouped_by: str
    about: dict[str, Any]
    outcomes: Sequence[ImageOutcome]

    @property
    def measured(self) -> list[ImageOutcome]:
        """The images that have a result."""
        return [each for each in self.outcomes if each.distances is not None]

    @property
    def missing(self) -> list[str]:
        """The images without a prediction."""
        return [each.image for each in self.outcomes if each.missing]

    @property
    def failed(self) -> list[ImageOutcome]:
        """The images whose data or prediction cannot be used."""
        return [each for each in self.outcomes if each.error is not None and not each.missing]

    @property
    def groups(self) -> list[str]:
        """Challenges or qualities, in the order of their first image."""
        return list(dict.fromkeys(each.group for each in self.measured))

    def distances(self, group: str | None = None) -> list[Float[np.ndarray, " vertex"]]:
        """Of all images, or of a group."""
        return [
            each.distances
            for each in self.measured
            if each.distances is not None and group in (None, each.group)
        ]

    def summary(self, group: str | None = None) -> Summary:
        """Over all distances together."""
        return pooled(self.distances(group))

    def figures(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {"benchmark": self.benchmark, "protocol": self.protocol, **self.about}
        if self.measured:
            found |= _told(self.summary())
        converged = [each.converged for each in self.measured if each.converged is not None]
        if converged:
            found |= _converged(self.summary(), pooled(converged))
        found |= {
            "images_measured": len(self.measured),
            "images_missing": len(self.missing),
            "images_failed": len(self.failed),
            "missing": self.missing,
            "failed": [{"image": each.image, "error": each.error} for each in self.failed],
            self.grouped_by: {
                group: {**_told(self.summary(group)), "images": len(self.distances(group))}
                for group in self.groups
            },
            "images": [image_figures(each) for each in self.measured],
        }
        return found


# Millimetres by which the official schedule's figures may differ from the optimum's and not be told of.
_SAME = 0.005


def image_figures(outcome: ImageOutcome) -> dict[str, Any]:
    """The numbers of an image that has a result."""
    assert outcome.distances is not None
    summary = Summary.of(outcome.distances)
    return {
        "image": outcome.image,
        "group": outcome.group,
        **_told(summary),
        **({} if outcome.converged is None else _converged(summary, Summary.of(outcome.converged))),
        **outcome.figures,
        "warnings": list(outcome.warnings),
    }


def _told(summary: Summary) -> dict[str, float]:
    return {
        "median_mm": summary.median,
        "mean_mm": summary.mean,
        "std_mm": summary.deviation,
        "vertices": summary.count,
    }


def _converged(official: Summary, converged: Summary) -> dict[str, float]:
    """The optimum's figures, where they differ from the official schedule's."""
    pairs = (
        (official.median, converged.median),
        (official.mean, converged.mean),
        (official.deviation, converged.deviation),
    )
    if all(abs(one - other) <= _SAME for one, other in pairs):
        return {}
    return {f"converged_{name}": value for name, value in _told(converged).items() if name != "vertices"}
