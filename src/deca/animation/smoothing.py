"""Smoothing of tracked values over time that keeps what is fast: the one-euro filter, without delay."""

from __future__ import annotations

from dataclasses import dataclass

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


def smoothed(
    values: Float[np.ndarray, "frame value"],
    times: Float[np.ndarray, " frame"],
    config: SmoothingConfig | None = None,
) -> Float[np.ndarray, "frame value"]:
    """The mean of the filter run forwards and backwards in time: so nothing comes late."""
    config = config or SmoothingConfig()
    forwards = _one_euro(values, times, config)
    backwards = _one_euro(values[::-1], -times[::-1], config)[::-1]
    return (forwards + backwards) / 2


def _one_euro(
    values: Float[np.ndarray, "frame value"], times: Float[np.ndarray, " frame"], config: SmoothingConfig
) -> Float[np.ndarray, "frame value"]:
    result = np.array(values, np.float64)
    speed = np.zeros(values.shape[1])
    for frame in range(1, len(values)):
        step = float(times[frame] - times[frame - 1])
        change = (values[frame] - result[frame - 1]) / step
        speed += _share(config.speed_cutoff, step) * (change - speed)
        cutoff = config.cutoff + config.speed * np.abs(speed)
        result[frame] = result[frame - 1] + _share(cutoff, step) * (values[frame] - result[frame - 1])
    return result


def _share(cutoff, step: float):
    """How much of a new value a low pass of this cutoff (hertz) takes over after `step` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * step))
