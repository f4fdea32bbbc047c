"""The ablations of the default weights: trainings that differ from theirs by one loss that is left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ablation:
    """A training of one stage without one of its losses; its folder and its weights are called `name`."""

    name: str
    stage: str
    loss: str


DETAIL_CONSISTENCY = Ablation("without_detail_consistency", "detail", "consistency")
SHAPE_CONSISTENCY = Ablation("without_shape_consistency", "coarse", "shape_consistency")
ABLATIONS = (DETAIL_CONSISTENCY, SHAPE_CONSISTENCY)
