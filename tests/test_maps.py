"""Maps as PNG files, and normals told in the tangent space of the coarse mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch.nn.functional import normalize

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.normal_map import from_tangent_space, texture_tangents, to_tangent_space
from deca.io.maps import (
    MapError,
    decode_normals,
    encode_normals,
    encode_unit,
    read_displacement,
    write_displacement,
    write_map,
)


@given(displacement=arrays(np.float32, (5, 7), elements=st.floats(-0.0625, 0.0625, width=32)))
def test_displacements_come_back_to_half_a_grey_level(
    displacement: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("map") / "displacement.png"
    scale = write_displacement(path, displacement)
    found = read_displacement(path)
    assert np.abs(found - displacement).max() <= 0.5001 * scale + 1e-9
    assert (found[displacement == 0] == 0).all()
    with Image.open(path) as image:
        assert image.mode == "I;16"


def test_a_displacement_without_scale_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "plain.png")
    with pytest.raises(MapError, match=r"plain\.png: this picture has no scale"):
        read_displacement(tmp_path / "plain.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(MapError, match=r"empty\.png: not a readable picture"):
        read_displacement(tmp_path / "empty.png")
    with pytest.raises(FileNotFoundError, match="no such displacement map"):
        read_displacement(tmp_path / "none.png")
    with pytest.raises(ValueError, match="not finite"):
        write_displacement(tmp_path / "nan.png", np.full((2, 2), np.nan, np.float32))
    assert not (tmp_path / "nan.png").exists()


def test_a_damaged_displacement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    write_displacement(path, np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(MapError, match=r"cut\.png"):
        read_displacement(path)


def test_colours_are_written_as_they_are(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 5, 3), np.uint8)
    write_map(tmp_path / "albedo.png", image)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "albedo.png")), image)


def test_colours_are_clipped() -> None:
    assert encode_unit(np.array([-1.0, 0.5, 2.0]).reshape(3, 1, 1)).tolist() == [[[0, 128, 255]]]


def test_normals_come_back_within_half_a_degree() -> None:
    normals = np.random.default_rng(0).normal(size=(3, 20, 20))
    normals /= np.linalg.norm(normals, axis=0)
    found = decode_normals(encode_normals(normals))
    angle = np.degrees(np.arccos((found * normals).sum(0).clip(-1, 1)))
    assert angle.max() < 0.5


def tangents_of(head: HeadData) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vertices, normals at the texture vertices and tangents of a head."""
    vertices = torch.from_numpy(head.template_vertices)[None]
    triangles, texture_triangles = torch.from_numpy(head.triangles), torch.from_numpy(head.texture_triangles)
    normals = vertex_normals(vertices, triangles)
    texture_vertices = torch.from_numpy(head.texture_vertices)
    tangents = texture_tangents(vertices, normals, triangles, texture_vertices, texture_triangles)
    at_texture = torch.zeros(1, len(texture_vertices), 3)
    at_texture[:, texture_triangles] = normals[:, triangles]
    return vertices, at_texture, tangents


def test_tangents_follow_u_around_the_head(small_head: HeadData) -> None:
    """On the small head u grows with longitude and v with latitude: the directions are known."""
    _, normals, tangents = tangents_of(small_head)
    away = np.abs(small_head.texture_vertices[:, 1] - 0.5) < 0.3
    longitude = (small_head.texture_vertices[:, 0] - 0.5) / 0.47 * np.pi
    east = np.stack([0.075 * np.cos(longitude), 0 * longitude, -0.095 * np.sin(longitude)], 1)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    found = tangents[0, :, :3].numpy()
    assert ((found * east).sum(1)[away] > 0.97).all()
    assert (tangents[..., 3] == 1).all()
    bitangent = torch.linalg.cross(normals, tangents[..., :3])
    assert (bitangent[0, away, 1] > 0.5).all()  # along v: upwards


def test_tangents_are_unit_and_lie_in_the_surface(small_head: HeadData) -> None:
    _, normals, tangents = tangents_of(small_head)
    torch.testing.assert_close(tangents[..., :3].norm(dim=-1), torch.ones(tangents.shape[:2]))
    assert (tangents[..., :3] * normals).sum(-1).abs().max() < 1e-5


def test_a_mirrored_map_has_the_other_hand_and_the_same_bitangent(small_head: HeadData) -> None:
    u, v = small_head.texture_vertices.T
    mirrored = replace(small_head, texture_vertices=np.stack([1 - u, v], 1))
    _, normals, tangents = tangents_of(small_head)
    _, _, flipped = tangents_of(mirrored)
    assert (flipped[..., 3] == -1).all()
    torch.testing.assert_close(flipped[..., :3], -tangents[..., :3])
    torch.testing.assert_close(
        flipped[..., 3:] * torch.linalg.cross(normals, flipped[..., :3]),
        tangents[..., 3:] * torch.linalg.cross(normals, tangents[..., :3]),
    )


def test_a_collapsed_map_still_has_tangents(small_head: HeadData) -> None:
    flat = replace(small_head, texture_vertices=np.full_like(small_head.texture_vertices, 0.5))
    _, normals, tangents = tangents_of(flat)
    torch.testing.assert_close(tangents[..., :3].norm(dim=-1), torch.ones(tangents.shape[:2]))
    assert (tangents[..., :3] * normals).sum(-1).abs().max() < 1e-5


@given(seed=st.integers(0, 2**31))
def test_into_tangent_space_and_back(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)

    def directions() -> torch.Tensor:
        return normalize(torch.randn(2, 3, 4, 4, generator=random), dim=1)

    detail, normals, tangent = directions(), directions(), directions()
    hand = torch.where(torch.rand(2, 1, 4, 4, generator=random) < 0.5, -1.0, 1.0)
    tangents = torch.cat([tangent, hand], 1)
    inside = to_tangent_space(detail, normals, tangents)
    torch.testing.assert_close(from_tangent_space(inside, normals, tangents), detail, atol=2e-3, rtol=0)
    torch.testing.assert_close(inside[:, 2], (detail * normals).sum(1), atol=1e-5, rtol=0)


def test_an_undisplaced_surface_is_straight_up(small_head: HeadData) -> None:
    _, normals, tangents = tangents_of(small_head)
    maps = normals.transpose(1, 2)[..., None], tangents.transpose(1, 2)[..., None]
    inside = to_tangent_space(maps[0], *maps)
    wanted = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand_as(inside)
    torch.testing.assert_close(inside, wanted, atol=1e-5, rtol=0)
    nowhere = to_tangent_space(
        torch.zeros_like(maps[0]), torch.zeros_like(maps[0]), torch.zeros_like(maps[1])
    )
    torch.testing.assert_close(nowhere, wanted)


def test_a_slope_leans_away_from_where_the_surface_rises() -> None:
    """Rising along u the normal has a negative x, rising along v a negative y: less green."""
    flat = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None]
    along_x = torch.tensor([1.0, 0.0, 0.0, 1.0])[None, :, None, None]
    rising_u = normalize(torch.tensor([-0.5, 0.0, 1.0]), dim=0)[None, :, None, None]
    rising_v = normalize(torch.tensor([0.0, -0.5, 1.0]), dim=0)[None, :, None, None]
    assert to_tangent_space(rising_u, flat, along_x)[0, 0] < 0
    green = encode_normals(to_tangent_space(rising_v, flat, along_x)[0].numpy())[..., 1]
    assert green < 100
