"""What is told of a training: means over the steps since something was last told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor


@dataclass(frozen=True)
class Progress:
    """How a training goes: means over the steps since the last report, of the first process' view of all
    faces.

    `terms` are unweighted means over the faces that define them; `seconds` is what the `steps_done` since
    then took, `waited` how much of that the faces had to be waited for.
    """

    step: int
    steps: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float
    gradient: float
    steps_done: int
    faces: int
    seconds: float
    waited: float


class Tally:
    """Sums over the steps between two reports, of this process' faces."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._sums = dict.fromkeys(weights, torch.zeros(()))
        self._counts = dict.fromkeys(weights, 0.0)
        self._loss = torch.zeros(())
        self._steps, self._norms, self._seconds, self._waited, self._faces = 0, 0.0, 0.0, 0.0, 0

    def add(
        self,
        sums: Mapping[str, Tensor],
        counts: Mapping[str, float],
        norm: float,
        seconds: float,
        waited: float,
        faces: int,
    ) -> None:
        """One more step."""
        for name, weight in self._weights.items():
            self._sums[name] = self._sums[name] + sums[name].cpu()
            self._counts[name] += counts[name]
            self._loss = self._loss + weight * sums[name].cpu() / max(counts[name], 1)
        self._steps += 1
        self._norms += norm
        self._seconds += seconds
        self._waited += waited
        self._faces += faces

    def progress(self, fabric: Fabric, step: int, steps: int, rate: float) -> Progress:
        """The means so far, of all processes' faces."""
        local = torch.stack([*self._sums.values(), self._loss])
        total = fabric.all_reduce(local.to(fabric.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        *sums, loss = total.tolist()
        terms = {
            name: value / self._counts[name]
            for name, value in zip(self._weights, sums, strict=True)
            if self._counts[name]
        }
        done = max(self._steps, 1)
        return Progress(
            step,
            steps,
            loss / done,
            terms,
            rate,
            self._norms / done,
            done,
            self._faces,
            self._seconds,
            self._waited,
        )
