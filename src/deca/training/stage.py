"""A stage as the loop sees it: networks, of which it trains some, and losses of one value a face."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deca.head.albedo import resize_map
from deca.model.networks import IMAGE_SIZE, DecaNetworks, read_outputs
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.training.batch import FaceBatch
from deca.training.losses import other_photos, released_other_photos

TrainedNetworks = DecaNetworks | SmallNetworks

# Skin that makes up less than this part of a crop teaches no colours.
_LEAST_SKIN = 0.01


@dataclass(frozen=True)
class LossTerm:
    """One loss of a batch; `values` count for nothing where it is not `defined`."""

    values: Float[Tensor, " face"]
    defined: Bool[Tensor, " face"]


class Part:
    """Some of the faces of a step; no dataclass, because fabric would take one apart."""

    def __init__(self, batch: FaceBatch, step: int) -> None:
        self.batch, self.step = batch, step


class Stage(nn.Module, ABC):
    """Losses of `networks`, of which the parts named in `trained` learn and the others are left as they
    are."""

    def __init__(self, networks: TrainedNetworks, trained: Sequence[str]) -> None:
        super().__init__()
        self.networks, self.trained = networks, tuple(trained)
        for name, part in networks.named_children():
            part.requires_grad_(name in self.trained)

    def encode(self, batch: FaceBatch) -> tuple[Parameters, Float[Tensor, "face 468 2"] | None]:
        """What the coarse encoder says of crops of any size, no detail, and the points that it sees itself,
        if it does."""
        sizes = self.networks.sizes
        image = resized(batch.image, input_size(self.networks))
        coarse, points = self.networks.coarse(image, batch.found_points)
        coarse = coarse.float()
        return read_outputs(coarse, coarse.new_zeros(len(coarse), sizes.detail), sizes), points

    @property
    @abstractmethod
    def weights(self) -> dict[str, float]:
        """The weight of every term that `losses` gives."""

    @abstractmethod
    def defined(self, batch: FaceBatch) -> dict[str, Bool[Tensor, " face"]]:
        """For which faces each term says something; that depends on what is given, never on what is
        estimated."""

    @abstractmethod
    def losses(self, batch: FaceBatch, step: int) -> dict[str, LossTerm]:
        """Every term of a batch; random choices follow from `step`."""

    @abstractmethod
    def pictures(self, batch: FaceBatch) -> dict[str, Float[Tensor, "face 3 size size"]]:
        """What people look at to see how the training goes, by name: RGB in [0, 1]."""

    def forward(self, part: Part) -> dict[str, Float[Tensor, " face"]]:
        """The values of `losses`, which is how fabric wants it."""
        return {name: term.values for name, term in self.losses(part.batch, part.step).items()}

    def train(self, mode: bool = True) -> Stage:
        """Training mode for what is trained; the statistics of frozen networks stay as they are."""
        super().train(mode)
        for name, part in self.networks.named_children():
            if name not in self.trained:
                part.eval()
        return self


def input_size(networks: TrainedNetworks) -> int:
    """Pixels a side of the pictures that the coarse encoder takes."""
    return getattr(networks, "image_size", IMAGE_SIZE)


def resized(
    image: Float[Tensor, "face channel height width"], size: int
) -> Float[Tensor, "face channel {size} {size}"]:
    """Square pictures at another size: the mean of whole blocks where it divides theirs, which is much
    faster."""
    factor, rest = divmod(image.shape[-1], size)
    if rest or factor < 2:
        return resize_map(image, size)
    return torch.nn.functional.avg_pool2d(image, factor)


def shows_skin(batch: FaceBatch, known: bool) -> Bool[Tensor, " face"]:
    """Faces whose pictures can be compared, because they show skin; with `known` also those of known
    truth."""
    shown = batch.skin.mean((1, 2, 3)) > _LEAST_SKIN
    return shown if known else shown & ~batch.truth.known


def other_rows(batch: FaceBatch, seed: int, step: int, released: bool) -> Int[Tensor, " face"]:
    """The row of another photo of the same person for each face, drawn for a step.

    All rings are shifted alike, so that it makes no difference how a step is shared out.
    """
    number = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    generator = torch.Generator().manual_seed(int(number))
    places = (released_other_photos if released else other_photos)(1, batch.ring, generator)
    people = torch.arange(len(batch) // batch.ring)
    return (batch.ring * people[:, None] + places).flatten().to(batch.image.device)


def spread(values: Float[Tensor, " row"], rows: Int[Tensor, " row"], faces: int) -> Float[Tensor, " {faces}"]:
    """The values of some rows among zeros for the other faces."""
    return values.new_zeros(faces).index_copy(0, rows, values)


def weighted_sum(
    values: Mapping[str, Float[Tensor, " face"]],
    defined: Mapping[str, Bool[Tensor, " face"]],
    counts: Mapping[str, float],
    weights: Mapping[str, float],
) -> Float[Tensor, ""]:
    """Sum over terms of weight times the sum of its values, over how many faces define it in all of a step.

    Summed over the parts of a step it is the weighted sum of the terms' means, however the step is shared
    out.
    """
    parts = [
        weights[name] / max(counts[name], 1) * torch.where(defined[name], term, 0).sum()
        for name, term in values.items()
    ]
    return torch.stack(parts).sum()
