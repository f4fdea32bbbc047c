"""A few corrective maps in place of a decoder's many movements: which share a map, and what drives it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, relu

from deca.model.small_detail import RISE

# Cosine between the factors of drivers that answer to much the same actions.
_AKIN = 0.3
# Of a driver's largest factor: a term that counts.
_SEEN = 0.03
_DIGITS = 3


@dataclass(frozen=True)
class Drivers:
    """How weights of facial actions, 0 at rest and 1 in full, become weights of maps.

    A map's weight is 1 - exp(-max(0, factors . actions) ^ RISE): exactly 0 at rest, and below 1.
    """

    factors: Float[Tensor, "map action"]

    def weights(self, actions: Float[Tensor, "sample action"]) -> Float[Tensor, "sample map"]:
        """The maps' weights."""
        return 1 - torch.exp(-(relu(actions @ self.factors.mT) ** RISE))


@dataclass(frozen=True)
class Correctives:
    """Maps that are mixed from reliefs, each by its row of `shares`, and the drivers of their weights."""

    drivers: Drivers
    shares: Float[Tensor, "map relief"]

    def strengths(self, actions: Float[Tensor, "sample action"]) -> Float[Tensor, "sample relief"]:
        """How much of each relief the maps make together."""
        return self.drivers.weights(actions) @ self.shares


@dataclass(frozen=True)
class ReliefSample:
    """What a decoder does under a sample of expressions: weights of the actions, and how much it adds of each
    relief to the neutral face."""

    actions: Float[Tensor, "sample action"]
    strengths: Float[Tensor, "sample relief"]

    def explained(self, correctives: Correctives, products: Float[Tensor, "relief relief"]) -> float:
        """The share of the sample's variance that the maps reproduce (1 is all, and it may be negative).

        `products` are those of the reliefs with each other, summed over a map: they say in which quantity, of
        which reliefs are linear, errors are measured.
        """
        error = self.strengths - correctives.strengths(self.actions)
        about_mean = self.strengths - self.strengths.mean(0)
        return 1 - _energy(error, products) / _energy(about_mean, products)


def choose_correctives(
    sample: ReliefSample,
    drivers: Drivers,
    products: Float[Tensor, "relief relief"],
    most: int,
) -> Correctives:
    """At most so many maps that reproduce a sample best, the most important first.

    `drivers` are those of the reliefs themselves, a map a relief to begin with. As long as there are too
    many, the two whose union costs least are united: two that answer to much the same actions as long as
    there are such, so that a map belongs to one part and side of the face. A union's factors are the mean of
    both, weighted by how much they move. What a map holds follows from the drivers by least squares.
    """
    moved = sample.strengths.square().mean(0) * products.diagonal()
    factors, moved = drivers.factors[moved > 0], moved[moved > 0]
    while len(factors) > most:
        directions = normalize(factors)
        akin = (directions @ directions.mT > _AKIN).triu(1)
        pairs = (akin if akin.any() else torch.ones_like(akin).triu(1)).nonzero().tolist()
        unions = [_united(factors, moved, first, second) for first, second in pairs]
        losses = [_energy(_error(sample, Drivers(union)), products) for union, _ in unions]
        factors, moved = unions[losses.index(min(losses))]
    # What is said of a driver is all of it: no terms that nobody would see, no digits beyond.
    seen = factors.abs() > _SEEN * factors.abs().amax(1, keepdim=True)
    factors = (factors * seen).round(decimals=_DIGITS)
    chosen = Drivers(factors)
    shares = _least_squares(sample, chosen)
    weights = chosen.weights(sample.actions).square().mean(0)
    order = (weights * ((shares @ products) * shares).sum(1)).argsort(descending=True)
    return Correctives(Drivers(factors[order]), shares[order])


def _united(
    factors: Float[Tensor, "map action"], moved: Float[Tensor, " map"], first: int, second: int
) -> tuple[Float[Tensor, "one_less action"], Float[Tensor, " one_less"]]:
    """One driver in place of two, the last."""
    both = [first, second]
    kept = [each for each in range(len(factors)) if each not in both]
    united = (moved[both] @ factors[both]) / moved[both].sum()
    return torch.cat([factors[kept], united[None]]), torch.cat([moved[kept], moved[both].sum()[None]])


def _least_squares(sample: ReliefSample, drivers: Drivers) -> Float[Tensor, "map relief"]:
    weights = drivers.weights(sample.actions)
    return torch.linalg.lstsq(weights.mT @ weights, weights.mT @ sample.strengths, driver="gelsd").solution


def _error(sample: ReliefSample, drivers: Drivers) -> Float[Tensor, "sample relief"]:
    return sample.strengths - drivers.weights(sample.actions) @ _least_squares(sample, drivers)


def _energy(strengths: Float[Tensor, "sample relief"], products: Float[Tensor, "relief relief"]) -> float:
    """The sum of squares of what the reliefs make together."""
    return float(((strengths @ products) * strengths).sum())
