"""What benchmarks say of many distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Summary:
    """Median, mean and standard deviation (ddof 0) of distances, millimetres, and how many they are."""

    median: float
    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, distances: Float[np.ndarray, " distance"]) -> Summary:
        """Of one distance at least; ValueError for none."""
        if not len(distances):
            raise ValueError("no distances to summarise")
        return cls(
            float(np.median(distances)), float(distances.mean()), float(distances.std()), len(distances)
        )


def pooled(distances: Sequence[Float[np.ndarray, "_"]]) -> Summary:
    """Of the distances of several images together, each distance counting once, as NoW does it."""
    return Summary.of(np.concatenate(list(distances)))


def cumulative_curve(
    distances: Float[np.ndarray, " distance"], at: Float[np.ndarray, " place"]
) -> Float[np.ndarray, " place"]:
    """The percentage of distances that are no larger than each of some places."""
    return 100 * np.searchsorted(np.sort(distances), at, side="right") / max(len(distances), 1)
