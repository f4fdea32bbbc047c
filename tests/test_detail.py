"""Detail normals and the dense mesh against surfaces known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_head import COLUMNS, RADII, RINGS

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.dense import DenseModel
from deca.head.detail import DetailModel, displaced_positions
from deca.head.uv import UVLayout

SIZE = 128


@pytest.fixture(scope="module")
def layout(small_head: HeadData) -> UVLayout:
    return UVLayout(small_head, SIZE)


@pytest.fixture(scope="module")
def vertices(small_head: HeadData) -> torch.Tensor:
    return torch.from_numpy(small_head.template_vertices)[None]


def _bumps(layout: UVLayout) -> torch.Tensor:
    """A smooth displacement of up to two millimetres, periodic in u so that both sides of the seam agree."""
    step = (torch.arange(SIZE) + 0.5) / SIZE
    u, v = step[None], 1 - step[:, None]
    return (
        0.002 * (torch.sin(2 * np.pi * 8 * (u - 0.03) / 0.94) * torch.cos(30 * v))[None, None] * layout.mask
    )


def test_no_displacement_leaves_the_smooth_normals(small_head, layout, vertices) -> None:
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    expected = torch.nn.functional.normalize(layout.to_uv(normals), dim=1)
    flat = DetailModel(small_head, layout)(vertices, torch.zeros(1, 1, SIZE, SIZE))
    torch.testing.assert_close(flat[..., layout.mask], expected[..., layout.mask], atol=1e-5, rtol=0)
    tangent = (
        DetailModel(small_head, layout).surface(vertices, torch.zeros(1, 1, SIZE, SIZE)).tangent_normals()
    )
    torch.testing.assert_close(tangent[:, 2], torch.ones(1, SIZE, SIZE), atol=1e-5, rtol=0)
    # A constant offset moves the surface and turns nothing.
    lifted = DetailModel(small_head, layout)(vertices, 0.002 * layout.mask[None, None])
    torch.testing.assert_close(lifted[..., layout.mask], expected[..., layout.mask], atol=1e-5, rtol=0)


def test_normals_are_those_of_the_displaced_surface(small_head, layout, vertices) -> None:
    """Finite differences of M + D N on the ellipsoid itself, where M and N are known."""
    displacement = _bumps(layout)
    found = DetailModel(small_head, layout)(vertices, displacement)[0]
    columns, rows = torch.arange(SIZE).double(), torch.arange(SIZE).double()
    longitude = ((columns + 0.5) / SIZE - 0.5) * np.pi / 0.47
    latitude = (0.5 - (rows + 0.5) / SIZE) * np.pi / 2 / 0.47
    lat, lon = torch.meshgrid(latitude, longitude, indexing="ij")
    direction = torch.stack([lon.sin() * lat.cos(), lat.sin(), lon.cos() * lat.cos()])
    radii = torch.from_numpy(RADII)[:, None, None]
    normal = torch.nn.functional.normalize(direction / radii, dim=0)
    surface = radii * direction + displacement[0].double() * normal
    along, down = torch.gradient(surface, dim=2)[0], torch.gradient(surface, dim=1)[0]
    expected = torch.nn.functional.normalize(torch.linalg.cross(down, along, dim=0), dim=0)
    inner = slice(30, 98)
    off = (found[:, inner, inner] - expected[:, inner, inner]).norm(dim=0)
    tilt = (normal[:, inner, inner] - expected[:, inner, inner]).norm(dim=0)
    # The mesh is coarse, so its own normals are a little off; the bumps tilt them far more.
    assert tilt.mean() > 0.1
    assert off.mean() < 0.2 * tilt.mean()


def test_both_sides_of_the_seam_agree(small_head, layout, vertices) -> None:
    detailed = DetailModel(small_head, layout)(vertices, _bumps(layout))[0]
    first, last = layout.mask[SIZE // 2].nonzero()[[0, -1], 0].tolist()
    middle = slice(40, 88)
    gap = (detailed[:, middle, first] - detailed[:, middle, last]).norm(dim=0)
    assert gap.max() < 0.15


def test_tangent_normals_lean_against_the_slope(small_head, layout, vertices) -> None:
    """Displacement that rises with u leans the normal to smaller u; with v, to smaller v."""
    step = (torch.arange(SIZE) + 0.5) / SIZE
    for axis, ramp in enumerate((step[None].expand(SIZE, -1), (1 - step)[:, None].expand(-1, SIZE))):
        local = DetailModel(small_head, layout).surface(vertices, 0.02 * ramp[None, None]).tangent_normals()
        inner = local[0, :, 50:78, 50:78]
        assert (inner[axis] < -0.01).all()
        assert (inner[1 - axis].abs() < inner[axis].abs()).all()


def test_the_compiled_pass_gives_the_normals_of_the_plain_one(small_head, layout, vertices) -> None:
    model = DetailModel(small_head, layout)
    heads = torch.cat([vertices, 1.1 * vertices + torch.tensor([0.01, 0.0, 0.0])])
    noise = torch.Generator().manual_seed(0)
    displacement = 0.001 * torch.randn(2, 1, SIZE, SIZE, generator=noise)
    torch.testing.assert_close(
        model(heads, displacement), model.surface(heads, displacement).normals(), atol=2e-6, rtol=0
    )


def test_gradients_reach_the_displacement(small_head, vertices) -> None:
    layout = UVLayout(small_head, 16)
    model = DetailModel(small_head, layout).double()
    displacement = (0.001 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))).double()
    points = vertices.double()
    assert torch.autograd.gradcheck(
        lambda value: model(points, value), (displacement.requires_grad_(),), fast_mode=True
    )


def test_displaced_positions_move_along_the_normal(small_head, layout, vertices) -> None:
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    moved = displaced_positions(layout, vertices, normals, torch.full((1, 1, SIZE, SIZE), 0.003))
    shift = (moved - layout.to_uv(vertices))[..., layout.mask]
    torch.testing.assert_close(shift.norm(dim=1), torch.full_like(shift[:, 0], 0.003), atol=1e-6, rtol=0)


def test_the_dense_mesh_is_round_and_whole(small_head, layout, vertices) -> None:
    model = DenseModel(small_head, layout)
    plain = model(vertices, torch.zeros(1, 1, SIZE, SIZE))
    assert len(plain.triangles) == 16 * len(small_head.triangles)
    assert plain.vertices.shape[1] == plain.triangles.max() + 1
    # Nearer to the ellipsoid than the flat triangles' own middles are.
    radii = torch.from_numpy(RADII).float()
    radial = (plain.vertices[0] / radii).norm(dim=-1)
    middles = vertices[0][torch.from_numpy(small_head.triangles)].mean(1)
    assert (radial - 1).abs().mean() < 0.5 * ((middles / radii).norm(dim=-1) - 1).abs().mean()
    off = (plain.vertices[0, :200] - vertices[0]).norm(dim=-1)
    assert off.median() < 0.0005
    lifted = model(vertices, torch.full((1, 1, SIZE, SIZE), 0.004))
    shift = (lifted.vertices - plain.vertices).norm(dim=-1)
    torch.testing.assert_close(shift, torch.full_like(shift, 0.004), atol=1e-6, rtol=0)


def test_surface_and_layout_stay_side_by_side(small_head, layout, vertices) -> None:
    """The dense mesh's UV at a vertex is that of the place on the head where the vertex lies."""
    mesh = DenseModel(small_head, layout)(vertices, torch.zeros(1, 1, SIZE, SIZE))
    u, v = mesh.texture_vertices[mesh.texture_triangles].unbind(-1)
    longitude, latitude = (u - 0.5) * np.pi / 0.47, (v - 0.5) * np.pi / 2 / 0.47
    x = RADII[0] * longitude.sin() * latitude.cos()
    expected = torch.stack([x, RADII[1] * latitude.sin()], -1)
    found = mesh.vertices[0][mesh.triangles][..., :2]
    # Beside the poles, whose caps the lattice does not reach.
    inner = (latitude.abs() < 1.2).all(-1)
    torch.testing.assert_close(found[inner], expected[inner], atol=0.006, rtol=0)


def test_copies_on_the_seam_move_together(small_head, layout, vertices) -> None:
    model = DenseModel(small_head, layout)
    halves = torch.zeros(1, 1, SIZE, SIZE)
    halves[..., SIZE // 2 :] = 0.004
    shift = model(vertices, halves).vertices - model(vertices, torch.zeros_like(halves)).vertices
    # The first vertex of a ring lies on the seam: one copy is told to stay, the other to move by 4 mm.
    on_seam = shift[0, [ring * COLUMNS for ring in range(RINGS)]].norm(dim=-1)
    torch.testing.assert_close(on_seam, torch.full_like(on_seam, 0.002), atol=1e-6, rtol=0)
