"""ID-MRF: how diverse and how near the patches of one feature map are to those of another (Wang et al. 2018).

Each patch of the target asks which patch of the generated map resembles it more than it resembles any other;
a generated map that repeats one patch answers few of them. Similarities take as many numbers as there are
pairs of patches, so they are made a block of rows at a time, and again in the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

PATCH = 3
BANDWIDTH = 0.5
"""h of the paper, which gives no value; this is the released code's."""
_EPSILON = 1e-5
# Pairs of patches whose similarities are held at once.
_MOST_PAIRS = 2**21
# Shorter features have no direction.
_SHORTEST = 1e-12

Relative = Callable[[Tensor], Tensor]


def mrf_loss(
    generated: Sequence[Float[Tensor, "face _ _ _"]],
    target: Sequence[Float[Tensor, "face _ _ _"]],
    weights: Sequence[float],
    term: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Float[Tensor, " face"]:
    """Weighted sum over layers of features of `patch_mrf`, or another `term` (DECA, section 4.2).

    For VGG-19 the paper weighs conv3_2 by 1 and conv4_2 by 2.
    """
    term = term or patch_mrf
    values = [
        weight * term(of_generated, of_target)
        for weight, of_generated, of_target in zip(weights, generated, target, strict=True)
    ]
    return torch.stack(values).sum(0)


def patch_mrf(
    generated: Float[Tensor, "face channel _ _"], target: Float[Tensor, "face channel _ _"]
) -> Float[Tensor, " face"]:
    """L_M = -log(1/Z sum_s max_v RSbar(v, s)) over patches v of the generated and s of the target map, 3 x 3.

    RS(v, s) = exp(mu(v, s) / (max_{r != s} mu(v, r) + eps) / h), RSbar(v, s) = RS(v, s) / sum_{r != s}
    RS(v, r), mu cosine similarity, Z the number of target patches (Wang et al. 2018, section 3.2). For
    features that are not negative, as after a ReLU; of at least two patches. No gradient goes to the target.
    """
    return _each_face(_patches(generated), _patches(target.detach()), _log_relative)


def released_contextual_mrf(
    generated: Float[Tensor, "face channel height width"],
    target: Float[Tensor, "face channel height width"],
) -> Float[Tensor, " face"]:
    """As the released code has it: features of single places less the target's mean over channels there.

    RS(v, s) = exp((1 - d(v, s) / (min_r d(v, r) + eps)) / h), RSbar(v, s) = RS(v, s) / sum_r RS(v, r), d half
    of one minus the cosine (the contextual loss, Mechrez et al. 2018). A feature that equals its mean exactly
    resembles all alike and gets no gradient; the released code's is NaN. It sums over the batch.
    """
    target = target.detach()
    mean = target.mean(1, keepdim=True)
    return _each_face(
        (generated - mean).flatten(2).mT, (target - mean).flatten(2).mT, _log_contextual_relative
    )


def _patches(features: Float[Tensor, "face channel height width"]) -> Float[Tensor, "face patch number"]:
    return torch.nn.functional.unfold(features, PATCH).mT


def _each_face(
    generated: Float[Tensor, "face patch number"],
    target: Float[Tensor, "face other number"],
    log_relative: Relative,
) -> Float[Tensor, " face"]:
    # Distances between near directions vanish in half precision.
    with torch.autocast(generated.device.type, enabled=False):
        single = torch.promote_types(generated.dtype, torch.float32)
        pairs = zip(_directions(generated.to(single)), _directions(target.to(single)), strict=True)
        return torch.stack([_one_face(v, s, log_relative) for v, s in pairs])


def _one_face(
    generated: Float[Tensor, "patch number"],
    target: Float[Tensor, "other number"],
    log_relative: Relative,
) -> Float[Tensor, ""]:
    rows = max(1, _MOST_PAIRS // len(target))
    best = [
        checkpoint(_best_of_block, block, target, log_relative, use_reentrant=False, preserve_rng_state=False)
        for block in generated.split(rows)
    ]
    # The logarithm of the mean over the target's patches, from logarithms.
    nearest = torch.stack(best).amax(0)
    return math.log(len(target)) - nearest.logsumexp(0)


def _best_of_block(
    generated: Float[Tensor, "patch number"],
    target: Float[Tensor, "other number"],
    log_relative: Relative,
) -> Float[Tensor, " other"]:
    """log RSbar of each target patch with the patch of the block that it suits best."""
    return log_relative(generated @ target.mT).amax(0)


def _log_relative(similarity: Float[Tensor, "patch other"]) -> Float[Tensor, "patch other"]:
    """log RSbar of similarities."""
    best, order = similarity.topk(2, 1)
    is_best = torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, order[:, :1], True)
    rival = torch.where(is_best, best[:, 1:], best[:, :1])
    # Where no other patch is similar at all, the ratio would change its sign.
    log_strength = similarity / (rival.clamp_min(0) + _EPSILON) / BANDWIDTH
    # The sum without s: all others' strengths for the best, all but one's small share for the rest.
    without_best = log_strength.masked_fill(is_best, -torch.inf).logsumexp(1, keepdim=True)
    everything = log_strength.logsumexp(1, keepdim=True)
    share = (log_strength - everything).masked_fill(is_best, -torch.inf)
    others = torch.where(is_best, without_best, everything + torch.log1p(-share.exp()))
    return log_strength - others


def _log_contextual_relative(similarity: Float[Tensor, "patch other"]) -> Float[Tensor, "patch other"]:
    distance = (1 - similarity) / 2
    relative = distance / (distance.amin(1, keepdim=True) + _EPSILON)
    return ((1 - relative) / BANDWIDTH).log_softmax(1)


def _directions(features: Float[Tensor, "face patch number"]) -> Float[Tensor, "face patch number"]:
    """Features over their length; zero, with no gradient, where they have hardly any."""
    squared = features.square().sum(-1, keepdim=True)
    short = squared < _SHORTEST
    # The branch that is not taken must still be finite, or its gradient is NaN.
    return torch.where(short, 0, features * torch.where(short, 1, squared).rsqrt())
