"""The albedo model: averaged by default, every n-th texel as released."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deca.head.albedo import AlbedoModel, resize_map

RANDOM = np.random.default_rng(3)
MEAN = RANDOM.random((32, 32, 3), np.float32)
BASIS = RANDOM.standard_normal((11, 32, 32, 3), np.float32) / 10
ALBEDO = torch.from_numpy(RANDOM.standard_normal((2, 11), np.float32))


def test_components_brought_down_once_sum_to_the_whole_map_brought_down() -> None:
    full = AlbedoModel.averaged(MEAN, BASIS, 32)(ALBEDO)
    expected = torch.from_numpy(MEAN + np.einsum("bk,khwc->bhwc", ALBEDO.numpy(), BASIS)).permute(0, 3, 1, 2)
    torch.testing.assert_close(full, expected)
    small = AlbedoModel.averaged(MEAN, BASIS, 8)
    assert small.basis.shape == (11, 3, 8, 8)
    torch.testing.assert_close(small(ALBEDO), resize_map(full, 8))


def test_small_components_are_enlarged_after_they_are_summed() -> None:
    large = AlbedoModel.averaged(MEAN, BASIS[:, ::4, ::4], 64)
    assert large.basis.shape == (11, 3, 8, 8)
    assert large(ALBEDO).shape == (2, 3, 64, 64)


def test_the_released_albedo_takes_every_fourth_texel() -> None:
    released = AlbedoModel.released(MEAN, BASIS, 8)(ALBEDO)
    full = AlbedoModel.averaged(MEAN, BASIS, 32)(ALBEDO)
    torch.testing.assert_close(released, full[:, :, ::4, ::4])


def test_a_head_without_components_has_one_albedo() -> None:
    model = AlbedoModel.averaged(MEAN, BASIS[:0], 16)
    torch.testing.assert_close(model(torch.zeros(1, 0)), model.mean)


@pytest.mark.parametrize(
    ("mean", "basis", "size"), [(MEAN, BASIS, 12), (MEAN, BASIS, 64), (MEAN, BASIS[:, :16, :16], 16)]
)
def test_the_released_albedo_refuses_what_it_cannot_pick_from(mean, basis, size: int) -> None:
    with pytest.raises(ValueError, match="every n-th texel"):
        AlbedoModel.released(mean, basis, size)


def test_components_larger_than_the_map_are_refused() -> None:
    with pytest.raises(ValueError, match="components of 16 texels for a map of 8"):
        AlbedoModel(torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 16, 16))
