"""The encoder: a face crop to numbers, by features of a backbone and two linear layers (DECA, section 4)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

_PUBLISHED_HIDDEN = 1024


class Encoder(nn.Module):
    """`backbone` makes `features` numbers of an image; hidden units (as published, 1,024) make `outputs` of
    those."""

    def __init__(
        self, backbone: nn.Module, features: int, outputs: int, hidden: int = _PUBLISHED_HIDDEN
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.hidden = nn.Linear(features, hidden)
        self.outputs = nn.Linear(hidden, outputs)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch output"]:
        """Outputs for images of RGB in [0, 1], from which no mean is taken off (as published)."""
        return self.outputs(self.hidden(self.backbone(image)).relu())


class ScaledEncoder(nn.Module):
    """An encoder whose outputs are a mean plus deviations: what it learns is of size one, whatever the unit.

    One step of an optimiser then means as much to a camera's shift in metres as to a coefficient.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, encoder: Encoder, mean: Float[Tensor, " output"], deviation: Float[Tensor, " output"]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch output"]:
        """Outputs for images of RGB in [0, 1]."""
        return self.mean + self.deviation * self.encoder(image)
