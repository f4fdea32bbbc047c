"""The small detail networks: a decoder that adds up known reliefs, and an encoder that finds how much of each
a person has by how it shades a photo."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import relu

from deca.model.detail_decoder import DEEPEST, MAP_SIZE

RELIEFS = 128
"""How many reliefs a displacement is the sum of."""
GATES = 32
"""How many movements of the face deepen reliefs."""
DETAIL = 64
"""Length of a detail code."""
READ_SIZE = MAP_SIZE // 2
"""Texels a side of the encoder's maps: every second one of a displacement map."""
PATTERNS = 64
"""How many patterns of lightness that are no relief an encoder knows."""
RISE = 1.5
"""How a gate opens with a movement m, to 1 - exp(-m^RISE): late, then soon in full."""
# Millimetres.
_FIRST_RELIEF = 0.005
# Lightness, as a logarithm: how far it is from what the best code makes of it, before anything is learnt.
_FIRST_DEVIATION = 0.05
# Neighbours err together, so a texel counts for less than its own deviation says.
_FIRST_TRUST = 0.1
# Deviations beyond which a texel counts less and less.
_STANDS_OUT = 4.0


class SmallDetailDecoder(nn.Module):
    """Jaw, expression and detail code to a displacement map of 256 x 256 texels: a sum of known reliefs.

    How strong each relief is, is a product: of what the code says of the person and of how far the face
    moves, which opens gates. So a wrinkle that belongs to a person comes with the expression that makes it.
    For one expression the displacement is linear in the code; the encoder rests on that.
    """

    def __init__(self, moves: int, detail: int) -> None:
        super().__init__()
        self.moves = moves
        self.gates = nn.Linear(moves, GATES, bias=False)
        self.open = nn.Linear(GATES, RELIEFS)
        self.person = nn.Linear(detail, RELIEFS)
        self.reliefs = nn.Linear(RELIEFS, MAP_SIZE * MAP_SIZE, bias=False)
        # Always there, moved a little, and nearly smooth to begin with.
        nn.init.ones_(self.open.bias)
        nn.init.normal_(self.reliefs.weight, std=_FIRST_RELIEF)

    def forward(self, code: Float[Tensor, "batch input"]) -> Float[Tensor, "batch 1 256 256"]:
        """Displacement along the normals in UV, metres, within 10 mm; inputs as `decoder_input` gives
        them."""
        moves, detail = code.split([self.moves, code.shape[1] - self.moves], 1)
        # Millimetres inside, so that weights and their changes are of one size throughout.
        displacement = self.reliefs(self.openness(moves) * self.person(detail)) / 1000
        return displacement.clamp(-DEEPEST, DEEPEST).view(-1, 1, MAP_SIZE, MAP_SIZE)

    def openness(self, moves: Float[Tensor, "batch move"]) -> Float[Tensor, "batch relief"]:
        """How far each relief comes out under jaw and expression."""
        return self.open(self.opened(moves))

    def opened(self, moves: Float[Tensor, "batch move"]) -> Float[Tensor, "batch gate"]:
        """How far each gate is open under jaw and expression: from 0, at rest, to 1."""
        return 1 - torch.exp(-(relu(self.gates(moves)) ** RISE))

    def lightness(
        self,
        moves: Float[Tensor, "batch move"],
        texels: Int[Tensor, " texel"],
        by_right: Float[Tensor, "batch texel"],
        by_up: Float[Tensor, "batch texel"],
    ) -> tuple[Float[Tensor, "batch texel detail"], Float[Tensor, "batch texel"]]:
        """How much lighter each number of a code makes some texels of the map under jaw and expression, and
        how much lighter the average person's relief makes them.

        `by_right` and `by_up` say how much lighter a texel is where the displacement rises by a millimetre
        from texel to texel, to the right and upwards.
        """
        openness = self.openness(moves)
        # Rows picked by index_select: several times faster than by indexing.
        right, left, above, below = (
            self.reliefs.weight.index_select(0, texels + step) for step in (1, -1, -MAP_SIZE, MAP_SIZE)
        )
        # Seen first and summed over the reliefs then: half the work.
        reliefs = (by_right[..., None] / 2) * (right - left) + (by_up[..., None] / 2) * (above - below)
        by_code = openness[..., None] * self.person.weight
        average = openness * self.person.bias
        return reliefs @ by_code, (reliefs @ average[..., None])[..., 0]


class DetailViewEncoder(nn.Module):
    """A detail view (`deca.model.detail_view`) to the most likely detail code.

    Codes are standard normal over people, and the displacement is linear in the code, so the lightness of
    its rises is too. What else makes skin lighter or darker (spots, brows, a head that is not quite the
    true one) is noise: it has a mean and a deviation at each texel, and patterns, whose strengths are
    standard normal too and are estimated with the code. What is hidden follows from what is seen. `output`
    takes the estimate to what is to be expected of the person: what photos seldom show comes out small.
    """

    asked: Tensor

    def __init__(self, detail: int) -> None:
        super().__init__()
        # 1 where the lightness of a texel says anything.
        asked = torch.zeros(READ_SIZE, READ_SIZE)
        asked[1:-1, 1:-1] = 1
        self.register_buffer("asked", asked)
        self.mean = nn.Parameter(torch.zeros(READ_SIZE, READ_SIZE))
        self.log_deviations = nn.Parameter(torch.full((READ_SIZE, READ_SIZE), _FIRST_DEVIATION).log())
        self.patterns = nn.Parameter(torch.zeros(READ_SIZE, READ_SIZE, PATTERNS))
        self.log_trust = nn.Parameter(torch.tensor(_FIRST_TRUST).log())
        self.output = nn.Linear(detail, detail)
        nn.init.eye_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        view: Float[Tensor, "batch 4 256 256"],
        decoder: SmallDetailDecoder,
        moves: Float[Tensor, "batch move"],
    ) -> Float[Tensor, "batch detail"]:
        """Codes of views of faces whose jaw and expression are `moves`; the decoder is taken as it is."""
        return self.output(self.likely(view, decoder, moves))

    def likely(
        self,
        view: Float[Tensor, "batch 4 256 256"],
        decoder: SmallDetailDecoder,
        moves: Float[Tensor, "batch move"],
    ) -> Float[Tensor, "batch detail"]:
        """The codes that explain the views best: the maximum of their posterior probability."""
        place, texels = self.places()
        with torch.autocast(view.device.type, enabled=False):
            with torch.no_grad():
                lightness, seen, by_right, by_up = view.flatten(2).index_select(2, texels).unbind(1)
                by_code, average = decoder.lightness(moves, texels, by_right, by_up)
                lightness = lightness - average
            deviations = self.log_deviations.flatten().index_select(0, place).exp()
            off = (lightness - self.mean.flatten().index_select(0, place)) / deviations
            trust = self.log_trust.exp() * seen / (1 + (off / _STANDS_OUT).square())
            patterns = self.patterns.flatten(0, 1).index_select(0, place).expand(len(view), -1, -1)
            known = torch.cat([by_code / deviations[:, None], patterns], 2)
            weighted = trust[..., None] * known
            precision = known.mT @ weighted + torch.eye(known.shape[2], device=view.device)
            product = weighted.mT @ off[..., None]
            strengths = torch.cholesky_solve(product, torch.linalg.cholesky(precision))[..., 0]
        return strengths[:, : by_code.shape[2]]

    def places(self) -> tuple[Int[Tensor, " texel"], Int[Tensor, " texel"]]:
        """The texels that are asked, in the encoder's maps and in the view: as on a chessboard, for
        neighbours say nearly the same."""
        row, column = self.asked.nonzero().unbind(1)
        dark = (row + column) % 2 == 0
        row, column = row[dark], column[dark]
        return row * READ_SIZE + column, 2 * (row * MAP_SIZE + column)
