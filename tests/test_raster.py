"""Every rasteriser gives the same triangle for every pixel, and the right one."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deca.head.data import HeadData
from deca.raster import cpu, reference
from deca.raster.rasterise import rasterise

Rasteriser = Callable[[Tensor, Tensor, int, int], Tensor]


def _triton(vertices: Tensor, triangles: Tensor, height: int, width: int) -> Tensor:
    from deca.raster import cuda

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return cuda.rasterise(vertices.to(device), triangles.to(device), height, width).cpu()


def _has_triton() -> bool:
    if not torch.cuda.is_available():
        # Without a GPU the kernel runs in the interpreter, which Triton must be told before its import.
        os.environ["TRITON_INTERPRET"] = "1"
    return find_spec("triton") is not None


IMPLEMENTATIONS = [
    pytest.param(reference.rasterise, id="reference"),
    pytest.param(cpu.rasterise, id="cpu"),
    pytest.param(
        _triton,
        id="triton",
        marks=pytest.mark.skipif(not _has_triton(), reason="the CPU build of torch brings no triton"),
    ),
]
every = pytest.mark.parametrize("draw", IMPLEMENTATIONS)


def _soup(seed: int, corners_on_pixels: bool) -> tuple[Tensor, Tensor]:
    """Random triangles, some beyond the image; on pixel centres, ties and edges are common."""
    generator = torch.Generator().manual_seed(seed)
    vertices = torch.rand(2, 24, 3, generator=generator) * 3 - 1.5
    if corners_on_pixels:
        vertices = ((vertices * 8).round() + 0.5) / 8
    return vertices, torch.randint(0, 24, (30, 3), generator=generator)


def _brute_force(vertices: Tensor, triangles: Tensor, height: int, width: int) -> Tensor:
    """float64 barycentrics of every pixel in every triangle, exact for corners on a coarse lattice."""
    column, row = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    point = torch.stack([(column + 0.5) / width * 2 - 1, (row + 0.5) / height * 2 - 1], -1).double()
    best = torch.full((height, width), float("inf"), dtype=torch.float64)
    ids = torch.full((height, width), -1)
    for number, corners in enumerate(vertices.double()[triangles]):
        a, b, c = corners[:, :2]

        def cross(u: Tensor, v: Tensor) -> Tensor:
            return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

        area = cross(b - a, c - a)
        if area == 0:
            continue
        weights = torch.stack(
            [cross(b - point, c - point), cross(c - point, a - point), cross(a - point, b - point)]
        )
        weights = weights / area
        depth = (weights * corners[:, 2, None, None]).sum(0)
        wins = (weights >= 0).all(0) & (depth < best - 1e-12)
        best, ids = torch.where(wins, depth, best), torch.where(wins, number, ids)
    return ids


@every
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_brute_force_on_a_lattice(draw: Rasteriser, seed: int) -> None:
    vertices, triangles = _soup(seed, corners_on_pixels=True)
    # 16 pixels over [-1, 1]: a lattice step of 1/8 is a pixel, and every corner a pixel centre.
    expected = torch.stack([_brute_force(face, triangles, 16, 16) for face in vertices])
    found = draw(vertices, triangles, 16, 16)
    assert torch.equal(found >= 0, expected >= 0)
    # Depths that are equal but for the last digit may go either way.
    assert (found == expected).float().mean() > 0.97


@every
@pytest.mark.parametrize("on_pixels", [False, True])
def test_agrees_with_the_reference(draw: Rasteriser, on_pixels: bool) -> None:
    for seed in range(4):
        vertices, triangles = _soup(seed, on_pixels)
        expected = reference.rasterise(vertices, triangles, 13, 19)
        assert torch.equal(draw(vertices, triangles, 13, 19), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.integers(1, 40), st.integers(1, 40))
def test_compiled_and_plain_agree_on_anything(seed: int, on_pixels: bool, height: int, width: int) -> None:
    vertices, triangles = _soup(seed, on_pixels)
    expected = reference.rasterise(vertices, triangles, height, width)
    assert torch.equal(cpu.rasterise(vertices, triangles, height, width), expected)


@every
def test_agrees_on_a_head(draw: Rasteriser, small_head: HeadData) -> None:
    vertices, triangles = _seen(small_head)
    expected = reference.rasterise(vertices, triangles, 40, 48)
    assert (expected >= 0).float().mean() > 0.3
    assert torch.equal(draw(vertices, triangles, 40, 48), expected)


@every
def test_what_cannot_be_drawn_is_left_out(draw: Rasteriser) -> None:
    square = torch.tensor([[[-0.5, -0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.5]]])
    odd = torch.tensor([[[float("nan"), 0, 0], [float("inf"), 0, 0], [0, 0, float("nan")], [3e4, 0, 0]]])
    triangles = torch.tensor([[4, 1, 2], [5, 1, 2], [6, 1, 2], [7, 1, 2], [0, 0, 1], [0, 1, 2], [0, 2, 3]])
    ids = draw(torch.cat([square, odd], 1), triangles, 8, 8)
    assert set(ids.unique().tolist()) == {-1, 5, 6}
    assert (ids >= 0).sum() == 16


@every
def test_the_nearest_wins_and_the_lowest_id_among_equals(draw: Rasteriser) -> None:
    corners = torch.tensor([[-1.0, -1, 0], [3, -1, 0], [-1, 3, 0]])
    layers = torch.stack([corners + torch.tensor([0, 0, depth]) for depth in (0.5, -0.25, -0.25, 1)])
    triangles = torch.arange(12).view(4, 3)
    assert (draw(layers.view(1, 12, 3), triangles, 5, 7) == 1).all()
    # Turned round it is seen from behind, and drawn all the same.
    assert (draw(layers.view(1, 12, 3), triangles.flip(1), 5, 7) == 1).all()


def test_the_order_of_the_triangles_does_not_matter(small_head: HeadData) -> None:
    vertices, triangles = _seen(small_head)
    order = torch.randperm(len(triangles), generator=torch.Generator().manual_seed(0))
    straight = rasterise(vertices, triangles, 64, 64)
    shuffled = rasterise(vertices, triangles[order], 64, 64)
    restored = torch.where(shuffled >= 0, order[shuffled], -1)
    assert (restored == straight).float().mean() > 0.999


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_neighbours_leave_no_gap(seed: int) -> None:
    """A fan round an inner point covers what the polygon covers, wherever the point lies."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]])
    inner = torch.rand(1, 2, generator=generator) * 1.6 - 0.8
    vertices = torch.cat([torch.cat([square, inner]), torch.zeros(5, 1)], 1)[None]
    fan = torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    whole = rasterise(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]), 33, 33) >= 0
    assert torch.equal(rasterise(vertices, fan, 33, 33) >= 0, whole)


def test_too_many_triangles_are_refused() -> None:
    triangles = torch.zeros(1, 3, dtype=torch.int64).expand(1 << 24, 3)
    with pytest.raises(ValueError, match="at most"):
        rasterise(torch.zeros(1, 1, 3), triangles, 2, 2)


def _seen(head: HeadData) -> tuple[Tensor, Tensor]:
    vertices = torch.from_numpy(head.template_vertices)[None]
    turned = vertices * torch.tensor([7.0, -7.0, -7.0])
    return torch.cat([turned, turned.flip(-1) * 0.9]), torch.from_numpy(head.triangles)
