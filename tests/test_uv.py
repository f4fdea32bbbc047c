"""World-to-UV and back, regions, filling and albedo maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from deca.geometry import interpolate
from deca.head.albedo import AlbedoModel, resize_map
from deca.head.data import HeadData, HeadError
from deca.head.uv import UVLayout, sample_map


def test_texels_hold_the_values_at_their_own_uv(small_head: HeadData) -> None:
    layout = UVLayout(small_head, 64)
    # (u, v) is linear in each triangle; away from the seam the texture vertices are vertices.
    corners = torch.from_numpy(small_head.texture_vertices)[torch.from_numpy(small_head.texture_triangles)]
    at_texels = (corners[layout.triangle_ids[layout.mask]] * layout.barycentrics[..., None]).sum(1)
    row, column = layout.mask.nonzero().unbind(1)
    expected = torch.stack([(column + 0.5) / 64, 1 - (row + 0.5) / 64], -1)
    torch.testing.assert_close(at_texels, expected, atol=1e-5, rtol=0)


def test_to_uv_and_sampling_give_the_surface_back(small_head: HeadData) -> None:
    layout = UVLayout(small_head, 512)
    vertices = torch.from_numpy(small_head.template_vertices)
    batch = torch.stack([vertices, 2 * vertices])
    positions = layout.fill(layout.to_uv(batch))
    weights = torch.tensor([[0.2, 0.3, 0.5]]).expand(len(small_head.triangles), 3)
    expected = interpolate(batch, torch.from_numpy(small_head.triangles), weights)
    corners = torch.from_numpy(small_head.texture_vertices[small_head.texture_triangles])
    uv = (corners * weights[..., None]).sum(1).expand(2, -1, 2)
    torch.testing.assert_close(sample_map(positions, uv), expected, atol=5e-4, rtol=0)


def test_filling_keeps_the_islands_and_reaches_everywhere(small_head: HeadData) -> None:
    layout = UVLayout(small_head, 48)
    values = torch.rand(2, 3, 48, 48) + 1
    values[:, :, ~layout.mask] = 0
    filled = layout.fill(values)
    assert torch.equal(filled[:, :, layout.mask], values[:, :, layout.mask])
    assert (filled > 0).all()
    assert not layout.mask.all()


def test_regions_are_those_of_their_triangles(small_head: HeadData) -> None:
    layout = UVLayout(small_head, 48)
    nose = layout.region_mask("nose")
    assert nose.any()
    assert torch.equal(nose, nose.flip(1))
    assert small_head.region("nose")[layout.triangle_ids[nose].unique()].all()
    with pytest.raises(HeadError, match="forehead"):
        layout.region_mask("moustache")


def test_a_layout_that_covers_nothing_is_an_error(small_head: HeadData) -> None:
    nowhere = replace(small_head, texture_vertices=small_head.texture_vertices * 0)
    with pytest.raises(ValueError, match="no triangle covers"):
        UVLayout(nowhere, 16)


def test_albedo_is_the_mean_plus_the_components(small_head: HeadData) -> None:
    model = AlbedoModel.averaged(small_head.albedo_mean, small_head.albedo_basis, 32)
    coefficients = torch.tensor([[0.0] * 6, [0.0, 2.0, 0.0, 0.0, 0.0, -1.0]])
    maps = model(coefficients)
    mean = torch.from_numpy(small_head.albedo_mean).permute(2, 0, 1)
    torch.testing.assert_close(maps[0], mean)
    basis = torch.from_numpy(small_head.albedo_basis)
    change = (2 * basis[1] - basis[5]).permute(2, 0, 1)
    torch.testing.assert_close(maps[1] - maps[0], resize_map(change[None], 32)[0])


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_resizing_keeps_place_and_mean(size: int) -> None:
    ramp = torch.from_numpy(np.linspace(0.5, 31.5, 32, dtype=np.float32) / 32).expand(1, 1, 32, 32)
    resized = resize_map(ramp, size)
    assert resized.shape == (1, 1, size, size)
    inner = slice(max(1, size // 16), -max(1, size // 16))
    expected = (torch.arange(size) + 0.5) / size
    torch.testing.assert_close(resized[0, 0, 0, inner], expected[inner], atol=2e-3, rtol=0)
