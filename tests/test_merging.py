"""What photos of one person have in common: reliefs on which they agree stay, others fade."""

from __future__ import annotations

import pytest
import torch

from deca.fitting.merging import merged_relief
from deca.fitting.observation import Observation

SIZE = 128


def observation(visible: torch.Tensor | None = None) -> Observation:
    """A photo that sees the whole map, or a part of it, from the front."""
    nothing, one = torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    seen = one.bool() if visible is None else visible
    return Observation(nothing, seen, one, nothing, nothing, nothing[:, :2], one)


def noise(number: int) -> torch.Tensor:
    """Bumps of a tenth of a millimetre."""
    return 1e-4 * torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(number))


def test_one_photos_relief_and_one_that_all_agree_on_stay():
    relief = noise(0)
    assert torch.allclose(merged_relief([relief], [observation()], [0.5]), relief)
    together = merged_relief([relief] * 3, [observation()] * 3, [1.0, 0.5, 0.2])
    assert torch.allclose(together, relief, rtol=1e-3, atol=1e-9)
    hidden = torch.zeros(1, 1, SIZE, SIZE).bool()
    unseen = merged_relief([relief] * 2, [observation(hidden)] * 2, [1.0, 1.0])
    assert torch.allclose(unseen, relief, rtol=1e-3, atol=1e-9)


def test_relief_of_one_photo_alone_fades_and_the_rest_is_nearer_the_truth_than_its_mean():
    truth, photos = noise(0), range(1, 5)
    reliefs = [truth + 3 * noise(number) for number in photos]
    views, weights = [observation()] * len(reliefs), [1.0] * len(reliefs)
    mean = torch.stack(reliefs).mean(0)
    merged = merged_relief(reliefs, views, weights)
    assert (merged - truth).square().mean() < 0.5 * (mean - truth).square().mean()
    errors = merged_relief([noise(number) for number in photos], views, weights)
    assert errors.square().mean() < 0.1 * torch.stack([noise(n) for n in photos]).mean(0).square().mean()


def test_what_one_photo_alone_sees_stays():
    left = torch.zeros(1, 1, SIZE, SIZE).bool()
    left[..., : SIZE // 2] = True
    reliefs = [noise(1), noise(2)]
    merged = merged_relief(reliefs, [observation(left), observation(~left)], [1.0, 1.0])
    assert merged[..., 0].numpy() == pytest.approx(reliefs[0][..., 0].numpy(), rel=1e-3, abs=1e-9)
    assert merged[..., -1].numpy() == pytest.approx(reliefs[1][..., -1].numpy(), rel=1e-3, abs=1e-9)
