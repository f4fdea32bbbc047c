"""Tangents: directions known in closed form, and the normal maps that engines read with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import normalize

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.detail import DetailModel
from deca.head.tangents import texture_tangents
from deca.head.uv import UVLayout


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


def test_an_engine_reads_the_detail_normals_back(small_head: HeadData) -> None:
    """A normal map laid along these tangents as glTF says gives the normals in the head frame."""
    layout = UVLayout(small_head, 64)
    detail = DetailModel(small_head, layout)
    vertices, texture_normals, tangents = tangents_of(small_head)
    displacement = 0.002 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    x, y, z = detail.surface(vertices, displacement).tangent_normals()[0].flatten(1)[:, layout.texel]
    corners = torch.from_numpy(small_head.texture_triangles)[layout.triangle_ids.flatten()[layout.texel]]

    def interpolated(values: torch.Tensor) -> torch.Tensor:
        return (values[0, corners] * layout.barycentrics[..., None]).sum(1)

    normal, tangent = normalize(interpolated(texture_normals), dim=1), interpolated(tangents)
    bitangent = torch.linalg.cross(normal, tangent[:, :3]) * tangent[:, 3:].sign()
    found = x[:, None] * tangent[:, :3] + y[:, None] * bitangent + z[:, None] * normal
    wanted = detail(vertices, displacement)[0].flatten(1)[:, layout.texel].T
    cosine = (normalize(found, dim=1) * wanted).sum(1)
    assert torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).max() < 3
