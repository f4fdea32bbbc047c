"""Losses that are not finite any more: which ones, and of which faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from deca.training.batch import FaceBatch
from deca.training.stage import Stage

_NAMED = 5


class DivergedError(ArithmeticError):
    """A loss or its gradient is not finite any more; the message names the losses and the faces."""


def complaint(
    stage: Stage,
    step: int,
    batches: Sequence[FaceBatch],
    values: Sequence[Mapping[str, Float[Tensor, " face"]]],
) -> str:
    """What is wrong with a step that must not be taken: the losses and faces that are not finite, else the
    gradients."""
    found = [
        f"{name} of {batch.names[row]}"
        for batch, part in zip(batches, values, strict=True)
        for name, term in part.items()
        for row in (~term.isfinite()).nonzero()[:, 0].tolist()
    ]
    kind = "loss"
    if not found:
        kind, found = "gradient", list(_broken_gradients(stage, step, batches))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    # One process may be stopped by what another one sees.
    said = ", ".join(found[:_NAMED]) or "of faces that another process names"
    return f"step {step}: {kind} not finite: {said}{more}"


def _broken_gradients(stage: Stage, step: int, batches: Sequence[FaceBatch]) -> Iterator[str]:
    """The terms and faces whose gradients are not finite, ring by ring: slow, but a training ends with it.

    Nothing times infinity is not finite either, so that one face's gradient may spoil all of its ring's.
    """
    learnt = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    for batch in batches:
        for first in range(0, len(batch), batch.ring):
            ring = batch.rows(first, first + batch.ring)
            for name, term in stage.losses(ring, step).items():
                for row, value in enumerate(term.values):
                    if not term.defined[row] or not value.requires_grad:
                        continue
                    parts = torch.autograd.grad(value, learnt, retain_graph=True, allow_unused=True)
                    if not all(part is None or bool(part.isfinite().all()) for part in parts):
                        yield f"{name} of {ring.names[row]}"
