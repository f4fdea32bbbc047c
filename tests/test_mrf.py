"""ID-MRF: against its formula written out, exact gradients, no NaN, and the same in blocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deca.training import mrf
from deca.training.mrf import mrf_loss, patch_mrf, released_contextual_mrf

TERMS = (patch_mrf, released_contextual_mrf)


def _features(faces: int = 2, height: int = 5, width: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Generated and target features as after a ReLU, double precision."""
    random = torch.Generator().manual_seed(seed)
    shape = (2, faces, 6, height, width)
    generated, target = torch.rand(shape, dtype=torch.float64, generator=random)
    return generated, target


def _written_out(generated: Tensor, target: Tensor) -> float:
    """The paper's formula for one face, patch by patch."""

    def patches(features: Tensor) -> list[Tensor]:
        _, height, width = features.shape
        return [
            features[:, y : y + 3, x : x + 3].flatten() for y in range(height - 2) for x in range(width - 2)
        ]

    v_patches, s_patches = patches(generated), patches(target)
    best = torch.zeros(len(s_patches), dtype=torch.float64)
    for v in v_patches:
        mu = torch.stack([torch.cosine_similarity(v, s, 0) for s in s_patches])
        others = [[r for r in range(len(s_patches)) if r != s] for s in range(len(s_patches))]
        rival = torch.stack([mu[rest].max() for rest in others])
        strength = torch.exp(mu / (rival + 1e-5) / 0.5)
        normalised = strength / torch.stack([strength[rest].sum() for rest in others])
        best = torch.maximum(best, normalised)
    return float(-torch.log(best.mean()))


def test_the_paper_s_form_is_its_formula() -> None:
    generated, target = _features()
    expected = [_written_out(*pair) for pair in zip(generated, target, strict=True)]
    assert patch_mrf(generated, target).tolist() == pytest.approx(expected, rel=1e-12)
    # Maps of two sizes have patches too.
    other = _features(2, 4, 6, seed=1)[1]
    expected = [_written_out(*pair) for pair in zip(generated, other, strict=True)]
    assert patch_mrf(generated, other).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_nothing_is_nearer_than_the_same(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    generated, target = _features(1, 8, 8)
    same, near = term(target, target), term(torch.lerp(target, generated, 0.2), target)
    one = term(target[..., :1, :1].expand_as(target), target)
    assert same < near < term(generated, target)
    # One patch over and over is what the loss is against.
    assert one > near


@pytest.mark.parametrize("term", TERMS)
def test_gradients_are_exact_in_blocks_as_in_one(
    term: Callable[[Tensor, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, target = _features()
    generated.requires_grad_()
    whole = term(generated, target)
    (gradient,) = torch.autograd.grad(whole.sum(), generated)
    monkeypatch.setattr(mrf, "_MOST_PAIRS", 30)
    blocks = term(generated, target)
    (block_gradient,) = torch.autograd.grad(blocks.sum(), generated)
    torch.testing.assert_close(blocks, whole, atol=0, rtol=1e-14)
    torch.testing.assert_close(block_gradient, gradient, atol=1e-14, rtol=1e-12)
    small, target = generated[:1, :3, :4].detach().requires_grad_(), target[:1, :3, :4]
    assert torch.autograd.gradcheck(lambda x: term(x, target), small)


@pytest.mark.parametrize("term", TERMS)
def test_no_number_is_missing_in_hard_cases(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    generated, target = (features.float() for features in _features(6))
    # A feature that equals its mean, and one that is nothing; on either side or on both.
    generated[0, :, 2, 2] = target[0, :, 2, 2].mean()
    target[1, :, 1, 1] = 0.5
    target[2], generated[2] = 0, 0
    generated[3] = target[3]
    target[4] = 1
    generated[5] = -target[5]
    generated.requires_grad_()
    value = term(generated, target)
    assert value.isfinite().all()
    (gradient,) = torch.autograd.grad(value.sum(), generated)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("term", TERMS)
def test_a_face_has_the_same_value_in_any_batch(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    generated, target = _features(4)
    alone = torch.cat([term(generated[i : i + 1], target[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(term(generated, target), alone, atol=0, rtol=1e-14)


@pytest.mark.parametrize("term", TERMS)
def test_the_target_learns_nothing(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    generated, target = _features()
    target.requires_grad_()
    assert not term(generated, target).requires_grad


def test_half_precision_is_left_where_distances_vanish() -> None:
    generated, target = (features.float() for features in _features())
    expected = released_contextual_mrf(generated, target)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(released_contextual_mrf(generated, target), expected)


def test_layers_are_weighed_and_added() -> None:
    shallow, deep = _features(), _features(2, 4, 4, seed=1)
    expected = patch_mrf(*shallow) + 2 * patch_mrf(*deep)
    actual = mrf_loss([shallow[0], deep[0]], [shallow[1], deep[1]], (1.0, 2.0))
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("term", TERMS)
def test_the_graph_keeps_blocks_not_pairs(term: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The numbers kept for the backward pass are a few of each map's own, not one a pair of patches."""
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    generated, target = (features.float() for features in _features(1, 34, 34))
    generated.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        term(generated, target)
    pairs = 4 * (32 * 32) ** 2
    assert sum(kept.values()) < pairs / 2
