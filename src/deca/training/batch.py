"""FaceBatch: what one training step gets, photos or synthetic faces or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.parameters import Parameters


@dataclass(frozen=True)
class Truth:
    """What is known of synthetic faces; a batch may mix them with photos, of which nothing is `known`.

    `parameters` are those of the batch's own crops (`camera` too), zero where unknown. `displacement` is in
    metres along the normal, in UV, and says nothing where `displacement_known` is false.
    """

    parameters: Parameters
    known: Bool[Tensor, " face"]
    displacement: Float[Tensor, "face 1 map map"]
    displacement_known: Bool[Tensor, " face"]


@dataclass(frozen=True)
class FaceBatch:
    """Crops of faces in rings: `ring` photos of one person stand in consecutive rows.

    `image` is RGB in [0, 1]; `skin` in [0, 1] weighs the pixels that show bare skin. Landmarks are (x, y) in
    the crop's image frame with a confidence in [0, 1] beside them, zero where a point is not known; the
    `found_points` are what the landmark network would say of the dense ones, which may be true. `person`
    numbers the people; `names` say which photo a row is, for messages.
    """

    image: Float[Tensor, "face 3 size size"]
    skin: Float[Tensor, "face 1 size size"]
    landmarks: Float[Tensor, "face 68 3"]
    dense_landmarks: Float[Tensor, "face 468 3"]
    found_points: Float[Tensor, "face 468 3"]
    person: Int[Tensor, " face"]
    names: tuple[str, ...]
    ring: int
    truth: Truth

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device | str) -> FaceBatch:
        """A copy on `device`."""
        return self._map(lambda tensor: tensor.to(device), self.names)

    def rows(self, first: int, last: int) -> FaceBatch:
        """The faces from `first` to before `last`, which are whole rings."""
        return self._map(lambda tensor: tensor[first:last], self.names[first:last])

    def _map(self, function: Callable[[Tensor], Tensor], names: tuple[str, ...]) -> FaceBatch:
        changed = {
            field.name: function(getattr(self, field.name))
            for field in fields(self)
            if isinstance(getattr(self, field.name), Tensor)
        }
        truth = Truth(
            self.truth.parameters.map(function),
            function(self.truth.known),
            function(self.truth.displacement),
            function(self.truth.displacement_known),
        )
        return FaceBatch(**changed, names=names, ring=self.ring, truth=truth)
