"""The mesh of one vertex a texel."""

from __future__ import annotations

import pytest
import torch

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.texel_mesh import (
    TexelTemplate,
    published_texel_template,
    texel_colours,
    texel_mesh,
    texel_template,
)
from deca.head.uv import UVLayout

SIZE = 48


@pytest.fixture(scope="module")
def layout(small_head: HeadData) -> UVLayout:
    return UVLayout(small_head, SIZE)


@pytest.fixture(scope="module")
def template(layout: UVLayout) -> TexelTemplate:
    return texel_template(layout)


def test_every_covered_texel_is_a_vertex(layout: UVLayout, template: TexelTemplate) -> None:
    assert template.size == SIZE
    assert torch.equal(template.texel, layout.mask.flatten().nonzero()[:, 0])


def test_triangles_span_whole_squares(layout: UVLayout, template: TexelTemplate) -> None:
    mask = layout.mask
    squares = mask[1:, 1:] & mask[1:, :-1] & mask[:-1, 1:] & mask[:-1, :-1]
    assert len(template.triangles) == 2 * squares.sum()
    row, column = template.texel // SIZE, template.texel % SIZE
    x, y = column[template.triangles], row[template.triangles]
    assert (x.amax(1) - x.amin(1) == 1).all()
    assert (y.amax(1) - y.amin(1) == 1).all()
    # Each is seen counter-clockwise in the map (v up), so that it faces outwards on the head.
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    assert (area == -1).all()


def test_vertices_lie_on_the_head_or_above_it(
    small_head: HeadData, layout: UVLayout, template: TexelTemplate
) -> None:
    vertices = torch.from_numpy(small_head.template_vertices)[None]
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    flat = texel_mesh(template, vertices, normals, torch.zeros(1, 1, SIZE, SIZE))
    torch.testing.assert_close(flat, layout.at_texels(vertices))
    raised = texel_mesh(template, vertices, normals, torch.full((1, 1, SIZE, SIZE), 0.004))
    torch.testing.assert_close((raised - flat).norm(dim=-1), torch.full_like(flat[..., 0], 0.004))


def test_colours_are_those_of_the_texels(template: TexelTemplate) -> None:
    texture = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    colours = texel_colours(template, texture)
    row, column = template.texel // SIZE, template.texel % SIZE
    assert torch.equal(colours[1, 7], texture[1, :, row[7], column[7]])


def test_the_arrays_of_a_converted_file_are_the_template(template: TexelTemplate) -> None:
    names = ("texel", "corners", "barycentrics", "triangles")
    arrays = {name: getattr(template, name).numpy() for name in names}
    again = published_texel_template(arrays | {"size": torch.tensor(SIZE).numpy()})
    assert again.size == SIZE
    assert all(torch.equal(getattr(again, name), getattr(template, name)) for name in names)
