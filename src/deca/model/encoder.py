"""The encoder: a face crop to numbers, by features of a backbone and two linear layers (DECA, section 4)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

_HIDDEN = 1024


class Encoder(nn.Module):
    """`backbone` makes `features` numbers of an image; 1,024 hidden units make `outputs` of those."""

    def __init__(self, backbone: nn.Module, features: int, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.hidden = nn.Linear(features, _HIDDEN)
        self.outputs = nn.Linear(_HIDDEN, outputs)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch output"]:
        """Outputs for images of RGB in [0, 1], from which no mean is taken off (as published)."""
        return self.outputs(self.hidden(self.backbone(image)).relu())
