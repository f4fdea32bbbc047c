"""The presets hold the published weights."""

from __future__ import annotations

from dataclasses import fields

import pytest

from deca.training.presets import PAPER, PRESETS, RELEASED


def test_the_paper_s_weights() -> None:
    """Table of ../shared/method.md, "Training, as published"."""
    coarse, detail = PAPER.coarse, PAPER.detail
    assert (coarse.photometric, coarse.identity, coarse.shape_consistency) == (2, 0.2, 1)
    assert (coarse.landmarks, coarse.eyes, coarse.shape, coarse.expression) == (1, 1, 1e-4, 1e-4)
    assert (coarse.lips, coarse.lighting) == (0, 0)
    assert (detail.photometric, detail.mrf, detail.symmetry) == (2, 0.05, 0.005)
    assert (detail.consistency, detail.size, detail.roughness) == (1, 0.005, 0)
    # 1e-4 of a sum over 68 points in pixels of 224, as a mean in [-1, 1].
    assert PAPER.pretrain.landmarks == pytest.approx(1e-4 * 68 * 2 * 112)
    assert (PAPER.pretrain.eyes, PAPER.pretrain.shape, PAPER.pretrain.expression) == (1, 1e-4, 1e-4)
    assert not PAPER.released


def test_the_released_code_s_weights() -> None:
    """Both halves of its doubled batch together weigh what is published; sums carry the number of photos."""
    coarse, detail = RELEASED.coarse, RELEASED.detail
    both = 1 + coarse.shape_consistency
    assert (both * coarse.landmarks, both * coarse.eyes, both * coarse.lips) == (1, 1, 0.5)
    assert (both * coarse.photometric, both * coarse.identity, coarse.lighting) == (2, 0.2, 1)
    for weight in (coarse.shape, coarse.expression, coarse.albedo):
        assert weight == pytest.approx(64e-4)
    both = 1 + detail.consistency
    assert (both * detail.photometric, both * detail.size, both * detail.roughness) == (2, 0.005, 0.005)
    assert both * detail.mrf == pytest.approx(12 * 0.1)
    assert both * detail.symmetry == pytest.approx(12 * 0.005)
    assert RELEASED.released


def test_pretraining_needs_no_rendering() -> None:
    for preset in PRESETS.values():
        drawn = ("photometric", "identity", "shape_consistency", "albedo")
        assert all(getattr(preset.pretrain, name) == 0 for name in drawn)
        assert all(getattr(preset.coarse, name) > 0 for name in drawn)
        weights = [
            getattr(stage, field.name) for stage in (preset.coarse, preset.detail) for field in fields(stage)
        ]
        assert all(weight >= 0 for weight in weights)
