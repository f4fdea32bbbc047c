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
