"""Curves and pictures of a training, for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from deca.training.tally import Progress

_PICTURES = 4


class Curves:
    """Writes what `tensorboard --logdir FOLDER` shows; what a run that was stopped wrote beyond `step` is
    hidden."""

    def __init__(self, folder: Path, step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def add(self, progress: Progress) -> None:
        """One point of each curve."""
        scalars = {
            "loss": progress.loss,
            "learning_rate": progress.learning_rate,
            "gradient": progress.gradient,
            "faces_a_second": progress.faces / max(progress.seconds, 1e-9),
        }
        scalars |= {f"terms/{name}": value for name, value in progress.terms.items()}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, progress.step)

    def draw(self, pictures: Mapping[str, Float[Tensor, "face 3 size size"]], step: int) -> None:
        """One row of pictures: for each of the first faces, all its pictures side by side."""
        columns = torch.cat([images[:_PICTURES].float().cpu() for images in pictures.values()], 3)
        self._writer.add_image("faces", torch.cat(list(columns), 1).clamp(0, 1), step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
