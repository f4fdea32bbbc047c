"""What several photos of one person show together: colour by visibility, relief under one expression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.observation import Observation
from deca.fitting.skin import blurred
from deca.fitting.texture import SeenColour, carried_tone, log_ratio
from deca.fitting.trust import Trust, outer_surface
from deca.head.data import HeadData
from deca.head.uv import UVLayout

# A photo that sees a place better than another outweighs it by this power: sharp, yet without an edge.
_PREFERENCE = 6
# Smoothness of the tone by which photos are brought together, as in `deca.fitting.texture`.
_MEMBRANE = 4.0
_LEAST = 1e-6
# Over this part of the map, eight millimetres, photos are asked whether they agree on a relief.
_AROUND = 43
# Votes of pairs of photos so weak that they say nothing of that.
_ALONE = 0.01


def merged_colour(
    seen: Sequence[SeenColour],
    observations: Sequence[Observation],
    weights: Sequence[float],
    best: int,
    data: HeadData,
    layout: UVLayout,
) -> SeenColour:
    """The colours of several photos as one, each where it sees the head best.

    How well a place is seen is its trust, times the cosine to the camera, times the texels' resolution. What
    differs slowly between a photo and the best one, light and exposure, is taken off first; so places
    fade into each other without a seam. All then get the mean tone of the photos by their weights: what each
    one's fitted light has missed lies elsewhere.
    """
    reference = seen[best]
    outer = outer_surface(data, layout)
    colours, votes, tone_of_all = [], [], torch.zeros_like(reference.colour)
    for one, observation, weight in zip(seen, observations, weights, strict=True):
        colour = one.colour
        if one is not reference:
            both = torch.minimum(one.trust.tone, reference.trust.tone)
            difference = log_ratio(reference.colour, colour)
            tone = carried_tone(difference, both, _MEMBRANE, data, layout)
            colour = colour * tone.exp()
            tone_of_all = tone_of_all - tone * weight / sum(weights)
        resolution = observation.pixels_per_texel.clamp(0, 1)
        vote = one.trust.photo * observation.facing.clamp(0, 1) * resolution * weight
        colours.append(colour)
        votes.append(blurred(vote, layout.size / 256, outer) * (one.trust.photo > 0))
    best_vote = torch.stack(votes).amax(0).clamp_min(_LEAST)
    shares = [(vote / best_vote) ** _PREFERENCE for vote in votes]
    total = torch.stack(shares).sum(0).clamp_min(_LEAST)
    colour = sum((share * own for share, own in zip(shares, colours, strict=True)), torch.zeros(1)) / total
    nothing = total <= _LEAST
    colour = torch.where(nothing, reference.colour, colour) * tone_of_all.exp()
    photo = torch.stack([one.trust.photo for one in seen]).amax(0)
    return SeenColour(colour, Trust(photo, torch.stack([one.trust.tone for one in seen]).amax(0)))


def merged_relief(
    reliefs: Sequence[Float[Tensor, "1 1 size size"]],
    observations: Sequence[Observation],
    weights: Sequence[float],
) -> Float[Tensor, "1 1 size size"]:
    """What displacements (metres, all under one expression) have in common, each counting as far as its photo
    sees the place.

    Their mean, times the gain that brings it nearest to the relief itself (Wiener): the products of different
    photos' displacements tell how strong that is around a place, their squares how strong it is with their
    errors. Where one photo alone sees a place, its displacement stays as it is; places that no photo sees
    have the mean of all.
    """
    votes = torch.cat(
        [
            weight * (_LEAST + observation.visible * observation.facing.clamp(0, 1).square())
            for observation, weight in zip(observations, weights, strict=True)
        ]
    )
    stacked = torch.cat(list(reliefs))
    total, squares = votes.sum(0, keepdim=True), votes.square().sum(0, keepdim=True)
    mean = (votes * stacked).sum(0, keepdim=True) / total
    around = mean.shape[-1] / _AROUND
    everywhere = torch.ones_like(mean)

    def near(values: Float[Tensor, "1 1 size size"]) -> Float[Tensor, "1 1 size size"]:
        return blurred(values, around, everywhere)

    power = near((votes * stacked.square()).sum(0, keepdim=True) / total)
    products = near((total * mean).square() - (votes * stacked).square().sum(0, keepdim=True))
    pairs = near(total.square() - squares)
    common = ((products + _ALONE * power) / (pairs + _ALONE)).clamp_min(0)
    error = (power - common).clamp_min(0) * squares / total.square()
    return mean * common / (common + error).clamp_min(_LEAST**3)
