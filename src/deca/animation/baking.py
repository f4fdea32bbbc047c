"""A person's wrinkles as maps for engines: the neutral ones, and correctives that morph weights blend in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from deca.animation.correctives import Correctives, Drivers, ReliefSample, choose_correctives
from deca.animation.person import BUMPS, Person
from deca.head.detail import DetailModel
from deca.head.uv import UVLayout
from deca.model.detail_decoder import MAP_SIZE, enlarged
from deca.model.networks import decoder_input
from deca.model.small_detail import SmallDetailDecoder
from deca.parameters import Parameters

# Metres: the reliefs of one gate, smaller than this everywhere, are none.
_NO_RELIEF = 1e-7
# A normal that turns by so many degrees is moved by wrinkles.
_MOVED = 1.0


@dataclass(frozen=True)
class Explained:
    """Shares of the expression-dependent variance that correctives reproduce, 1 is all: of the normals' tilt,
    and of the displacement."""

    tilt: float
    displacement: float


@dataclass(frozen=True)
class AngleErrors:
    """Degrees between a decoder's normals and those of maps, where the expression turns the normals by more
    than one degree; and by how much it turns them there."""

    median: float
    percentile_95: float
    turned: float


@dataclass(frozen=True)
class BakedWrinkles:
    """What engines need in place of a detail decoder; `tilts` are x / z and y / z of tangent normals.

    `textured` is what is shaded of the neutral wrinkles on the person's texture, divided by BUMPS: the
    texture shows a part of them already. Correctives are added as they are.
    """

    displacement: Float[Tensor, "1 1 size size"]
    neutral: Float[Tensor, "2 size size"]
    textured: Float[Tensor, "2 size size"]
    correctives: Correctives
    tilts: Float[Tensor, "map 2 size size"]

    def tilt(self, actions: Float[Tensor, " action"]) -> Float[Tensor, "2 size size"]:
        """The tilt of the normals under weights of the actions, as an engine blends it."""
        weights = self.correctives.drivers.weights(actions[None].double())[0].float()
        return self.neutral + torch.einsum("m,mcyx->cyx", weights, self.tilts)


class Baker:
    """Bakes the wrinkles of one person, seen by the small detail decoder, into maps of `size` texels a side.

    The maps are of the neutral head, in whose tangent space engines read them whatever the expression.
    """

    def __init__(self, person: Person, decoder: SmallDetailDecoder, neutral: Parameters, size: int) -> None:
        data = person.deca.data
        self.person, self.neutral, self.size, self._decoder = person, neutral, size, decoder
        same = size == person.deca.layout.size
        self.layout = person.deca.layout if same else UVLayout(data, size)
        self._detail_model = person.deca.detail_model if same else DetailModel(data, self.layout)
        with torch.no_grad():
            self._vertices = person.deca.head_model(neutral).vertices

    @torch.no_grad()
    def bake(self, sample: Parameters, most: int) -> BakedWrinkles:
        """At most so many correctives, chosen on a sample of expressions; its jaws are opened by their action
        as far as that goes (`deca.io.gltf.jaw_as_action`)."""
        factors = self._decoder.gates.weight[self._live, -sample.expression.shape[1] :].double()
        chosen = choose_correctives(self._sampled(sample), Drivers(factors), self._tilt_products, most)
        neutral = self.person.wrinkles.under(self.neutral)
        textured = self.person.wrinkles.reconstructed + self.person.wrinkles.change(self.neutral) / BUMPS
        mixed = torch.einsum("mg,gcyx->mcyx", chosen.shares.float(), self._reliefs)
        return BakedWrinkles(
            displacement=_resized(neutral, self.size),
            neutral=self._filled(self.tilts(neutral))[0],
            textured=self._filled(self.tilts(textured))[0],
            correctives=chosen,
            tilts=self._filled(self.tilts(mixed)),
        )

    @torch.no_grad()
    def explained(self, correctives: Correctives, sample: Parameters) -> Explained:
        """How much of what the decoder does under a sample's expressions the correctives do."""
        found, reliefs = self._sampled(sample), self._reliefs.flatten(1).double()
        return Explained(
            found.explained(correctives, self._tilt_products),
            found.explained(correctives, reliefs @ reliefs.mT),
        )

    @torch.no_grad()
    def angle_errors(self, baked: BakedWrinkles, sample: Parameters) -> AngleErrors:
        """How far the normals of maps are off on the neutral head, under the expressions of a sample."""
        errors, turns = [], []
        rest = self.tilts(self.person.wrinkles.under(self.neutral))[0]
        for index in range(sample.batch):
            face = sample.map(lambda values, index=index: values[index : index + 1])
            truth = self.tilts(self.person.wrinkles.under(face))[0]
            found = baked.tilt(face.expression[0]).flatten(1)[:, self.layout.texel]
            turn = _angle(truth, rest)
            moved = turn > _MOVED
            errors.append(_angle(truth, found)[moved])
            turns.append(turn[moved])
        each = torch.cat(errors).sort().values
        if not len(each):
            return AngleErrors(0.0, 0.0, 0.0)
        return AngleErrors(
            median=float(each.median()),
            percentile_95=float(each[int(0.95 * len(each))]),
            turned=float(torch.cat(turns).median()),
        )

    def tilts(self, displacements: Float[Tensor, "map 1 side side"]) -> Float[Tensor, "map 2 texel"]:
        """x / z and y / z of the tangent normals at the covered texels of the neutral head; metres."""
        each = [
            self._detail_model.surface(self._vertices, _resized(displacement[None], self.size)).tangent_tilt()
            for displacement in displacements
        ]
        return torch.cat(each)

    def _filled(self, tilts: Float[Tensor, "map channel texel"]) -> Float[Tensor, "map channel size size"]:
        return self.layout.filled(tilts)

    def _sampled(self, sample: Parameters) -> ReliefSample:
        moves = decoder_input(sample)[:, : self._decoder.moves]
        return ReliefSample(sample.expression.double(), self._decoder.opened(moves)[:, self._live].double())

    @cached_property
    def _live(self) -> Bool[Tensor, " gate"]:
        return self._all_reliefs.abs().amax((1, 2, 3)) > _NO_RELIEF

    @cached_property
    def _reliefs(self) -> Float[Tensor, "gate 1 256 256"]:
        return self._all_reliefs[self._live]

    @cached_property
    def _all_reliefs(self) -> Float[Tensor, "gate 1 256 256"]:
        """What each gate of the decoder adds to this person's displacement when open, metres."""
        of_person = self._decoder.person(self.person.parameters.detail)[0]
        reliefs = self._decoder.reliefs.weight @ (of_person[:, None] * self._decoder.open.weight)
        return reliefs.mT.reshape(-1, 1, MAP_SIZE, MAP_SIZE) / 1000

    @cached_property
    def _tilt_products(self) -> Float[Tensor, "gate gate"]:
        """Products of the tilts that the gates' reliefs make."""
        tilts = self.tilts(self._reliefs).flatten(1).double()
        return tilts @ tilts.mT


def _resized(
    displacement: Float[Tensor, "map 1 side side"], size: int
) -> Float[Tensor, "map 1 {size} {size}"]:
    side = displacement.shape[-1]
    if side < size:
        return enlarged(displacement, size)
    return displacement if side == size else interpolate(displacement, size=(size, size), mode="area")


def _angle(a: Float[Tensor, "2 texel"], b: Float[Tensor, "2 texel"]) -> Float[Tensor, " texel"]:
    """Degrees between normals given by their tilts."""
    (ax, ay), (bx, by) = a, b
    # By the tangent: a cosine in single precision tells no small angles.
    cross = ((ay - by).square() + (bx - ax).square() + (ax * by - ay * bx).square()).sqrt()
    return torch.rad2deg(torch.atan2(cross, ax * bx + ay * by + 1))
