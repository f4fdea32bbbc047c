"""Smoothing of tracked values over time that keeps what is fast: the one-euro filter, without delay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class SmoothingConfig:
    """The one-euro filter (Casiez et al. 2012); values are in sizes of the face, times in seconds."""

    cutoff: float = 1.2
    """Hertz below which what stands still may tremble; lower is calmer."""
    speed: float = 30.0
    """By how many hertz the cutoff rises with each size of the face a second; higher keeps blinks sharper."""
    speed_cutoff: float = 6.0
    """Hertz at which the speed itself is smoothed: higher notices a blink sooner."""


def scaled(config: SmoothingConfig, size: float) -> SmoothingConfig:
    """The filter for values of which `size` are one size of the face."""
    return replace(config, speed=config.speed / size)


def smoothed(
    values: Float[np.ndarray, "frame value"],
    times: Float[np.ndarray, " frame"],
    config: SmoothingConfig | None = None,
    out: Float[np.ndarray, "frame value"] | None = None,
) -> Float[np.ndarray, "frame value"]:
    """The mean of the filter run forwards and backwards in time: so nothing comes late.

    Works row by row: `values` and `out`, where the result goes if given, may lie in files.
    """
    config = config or SmoothingConfig()
    result = np.empty(values.shape) if out is None else out
    forwards = range(len(values))
    for frame, row in zip(forwards, _one_euro(values, times, forwards, config), strict=True):
        result[frame] = row
    backwards = forwards[::-1]
    for frame, row in zip(backwards, _one_euro(values, times, backwards, config), strict=True):
        result[frame] = (result[frame] + row) / 2
    return result


def _one_euro(
    values: Float[np.ndarray, "frame value"],
    times: Float[np.ndarray, " frame"],
    order: range,
    config: SmoothingConfig,
) -> Iterator[Float[np.ndarray, " value"]]:
    """The filtered rows, in an order of frames."""
    speed = np.zeros(values.shape[1])
    last, last_time = np.array(values[order[0]], np.float64), times[order[0]]
    yield last
    for frame in order[1:]:
        step = abs(float(times[frame] - last_time))
        change = (values[frame] - last) / step
        speed = speed + _share(config.speed_cutoff, step) * (change - speed)
        cutoff = config.cutoff + config.speed * np.abs(speed)
        last = last + _share(cutoff, step) * (values[frame] - last)
        last_time = times[frame]
        yield last


def _share(cutoff, step: float):
    """How much of a new value a low pass of this cutoff (hertz) takes over after `step` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * step))
