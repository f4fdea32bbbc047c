"""The released detail: displacement, grid normals and their blend."""

from __future__ import annotations

import torch

from deca.geometry import vertex_normals
from deca.head.released_detail import (
    grid_normals,
    released_detail_normals,
    released_displacement,
    released_vertex_normals,
)


def _bumpy() -> torch.Tensor:
    """A grid of texels a millimetre apart, rough."""
    row, column = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    depth = torch.rand(256, 256, generator=torch.Generator().manual_seed(0))
    return 0.001 * torch.stack([column, -row, depth])[None]


def test_grid_normals_are_the_vertex_normals_of_its_triangles() -> None:
    """A second road: the triangles written out, and the normals of a mesh."""
    surface = _bumpy()
    index = torch.arange(246 * 252).view(246, 252)
    here, right, down, across = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    cut = [torch.stack([here, down, right], -1), torch.stack([right, down, across], -1)]
    triangles = torch.cat([part.flatten(0, 1) for part in cut])
    part = surface[:, :, 5:251, 2:254]
    expected = vertex_normals(part.flatten(2).mT.contiguous(), triangles).mT.view_as(part)
    found = grid_normals(surface)
    torch.testing.assert_close(found[:, :, 5:251, 2:254], expected, atol=1e-5, rtol=0)
    beside = torch.ones(256, 256, dtype=torch.bool)
    beside[5:251, 2:254] = False
    assert not found[:, :, beside].any()


def test_normals_of_specks_are_left_short() -> None:
    """A right triangle of 0.1 mm: its cross product measures 1e-8 square metres, and is divided by 1e-6."""
    speck = torch.tensor([[[0.0, 0, 0], [1e-4, 0, 0], [0, 1e-4, 0]]])
    triangles = torch.tensor([[0, 1, 2]])
    torch.testing.assert_close(
        released_vertex_normals(speck, triangles).norm(dim=-1), torch.full((1, 3), 0.01)
    )
    torch.testing.assert_close(
        released_vertex_normals(100 * speck, triangles), torch.tensor([0.0, 0, 1]).expand(1, 3, 3)
    )


def test_outside_the_mask_the_normals_are_the_coarse_ones() -> None:
    surface, normals = _bumpy(), torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    mask = torch.zeros(256, 256)
    mask[:, 128:] = 1
    noise = 0.002 * torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(1))
    detailed = released_detail_normals(surface, normals, noise, mask, torch.zeros(256, 256))
    assert torch.equal(detailed[..., :128], normals[..., :128])
    lone = grid_normals(surface + noise * normals)
    torch.testing.assert_close(detailed[..., 130:], lone[..., 130:])


def test_the_fixed_map_is_added_inside_and_outside_the_mask() -> None:
    fixed = torch.linspace(-0.001, 0.001, 256).expand(256, 256)
    displacement = torch.full((2, 1, 256, 256), 0.003)
    torch.testing.assert_close(released_displacement(displacement, fixed)[1, 0], 0.003 + fixed)
    normals = torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    one = displacement[:1]
    masked = released_detail_normals(_bumpy(), normals, one * 0, torch.ones(256, 256), fixed)
    torch.testing.assert_close(masked, grid_normals(_bumpy() + fixed * normals))


def test_gradients_are_finite_where_the_map_is_bare() -> None:
    displacement = torch.zeros(1, 1, 256, 256, requires_grad=True)
    bare, mask = torch.zeros(1, 3, 256, 256), torch.ones(256, 256)
    released_detail_normals(bare, bare, displacement, mask, torch.zeros(256, 256)).sum().backward()
    assert displacement.grad is not None
    assert displacement.grad.isfinite().all()
