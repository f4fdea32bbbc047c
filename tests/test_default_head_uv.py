"""The default head's texture layout: the flattening it is made by, and the layout and regions that ship."""

from __future__ import annotations

import numpy as np
import pytest
from default_head.charts import Chart, boundary_loops, round_chart, with_mirror_images
from default_head.flatten import minimise_distortion, reference_triangles, tutte_embedding
from default_head.layout_quality import islands, measure_distortion, narrowest_gap
from default_head.regions import NAMES, mirrored_triangles
from default_head.texels import Texels, rasterise_layout
from hypothesis import given, settings
from hypothesis import strategies as st

from deca.head.data import HeadData
from deca.io.heads import default_head


def grid(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of a flat grid of unit squares and its triangles, counter-clockwise seen from above."""
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1).astype(float)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    first = np.stack([corner, corner + 1, corner + columns + 1], 1)
    second = np.stack([corner, corner + columns + 1, corner + columns], 1)
    return vertices, np.concatenate([first, second])


@pytest.fixture(scope="module")
def head() -> HeadData:
    return default_head()


@pytest.fixture(scope="module")
def texels(head: HeadData) -> Texels:
    return rasterise_layout(head.texture_vertices.astype(float), head.texture_triangles, 1024)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 3), st.floats(0.3, 3), st.floats(-1, 1))
def test_a_stretched_and_sheared_flat_sheet_regains_its_shape(wide: float, high: float, shear: float) -> None:
    vertices, triangles = grid(4, 5)
    start = vertices[:, :2] @ np.array([[wide, 0], [shear, high]])
    shapes = reference_triangles(vertices, triangles)
    free = np.zeros(start.shape, bool)
    flat = minimise_distortion(start, triangles, shapes, np.ones(len(triangles)), free, iterations=100)
    quality = measure_distortion(vertices, triangles, flat, triangles)
    np.testing.assert_allclose(quality.ratio, 1, atol=1e-3)
    np.testing.assert_allclose(quality.map_area, 0.5, atol=1e-3)


def test_a_ball_open_at_the_bottom_is_flattened_without_a_flip_and_better_than_it_began() -> None:
    rings, around = 9, 24
    polar = np.radians(np.linspace(15, 140, rings))[:, None]
    azimuth = np.arange(around) * 2 * np.pi / around
    circles = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar) + 0 * azimuth], -1
    )
    vertices = np.concatenate([[[0, 0, 1]], circles.reshape(-1, 3)])
    here, after = np.arange(around), (np.arange(around) + 1) % around
    triangles = [np.stack([0 * here, 1 + here, 1 + after], 1)]
    for inner in range(1, 1 + (rings - 1) * around, around):
        triangles.append(np.stack([inner + here, inner + around + here, inner + around + after], 1))
        triangles.append(np.stack([inner + here, inner + around + after, inner + after], 1))
    ball = np.concatenate(triangles)

    chart = round_chart(vertices, ball, np.arange(len(ball)))
    points = np.zeros((len(vertices), 2))
    points[ball] = chart.corners
    fixed = np.arange(len(vertices)) >= len(vertices) - around
    start = tutte_embedding(ball, fixed, points)
    relaxed, began = (measure_distortion(vertices, ball, flat, ball) for flat in (points, start))
    assert relaxed.map_area.min() > 0
    assert np.average(relaxed.ratio, weights=relaxed.head_area) < np.average(
        began.ratio, weights=began.head_area
    )


def test_the_border_runs_with_the_triangles_on_its_left() -> None:
    _, triangles = grid(3, 3)
    (loop,) = boundary_loops(triangles)
    start = loop.index(0)
    assert loop[start:] + loop[:start] == [0, 1, 2, 5, 8, 7, 6, 3]


def test_a_chart_and_its_mirror_image_share_the_midline() -> None:
    vertices, triangles = grid(2, 3)
    # Mirror-symmetric triangles of a sheet one square high and two wide, its middle column on the midline.
    triangles = np.array([[1, 2, 5], [1, 5, 4], [0, 1, 3], [1, 4, 3]])
    mirror = np.array([2, 1, 0, 5, 4, 3])
    right = np.array([0, 1])
    chart = Chart(right, vertices[triangles[right]][..., :2] * 0.5)
    points, texture_triangles = with_mirror_images([chart], triangles, mirror)
    assert len(points) == 6
    np.testing.assert_allclose(points[texture_triangles][:, :, 0].sum(), 0.5 * 12)
    with pytest.raises(ValueError, match="2 triangles lie in no chart"):
        with_mirror_images([Chart(right[:1], chart.corners[:1])], triangles, mirror)


def test_each_texel_of_two_triangles_with_a_common_edge_belongs_to_one() -> None:
    corners = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])
    once = rasterise_layout(corners, np.array([[0, 1, 2], [0, 2, 3]]), 8)
    assert (once.layers == 1).all()
    twice = rasterise_layout(corners, np.array([[0, 1, 2], [0, 2, 3], [0, 1, 3]]), 8)
    assert twice.layers.max() == 2
    u, v = np.moveaxis(once.interpolate(corners, np.array([[0, 1, 2], [0, 2, 3]])), -1, 0)
    np.testing.assert_allclose(u[3], (np.arange(8) + 0.5) / 8)
    np.testing.assert_allclose(v[:, 3], 1 - (np.arange(8) + 0.5) / 8)


def test_texels_outside_take_the_nearest_value() -> None:
    layers = np.zeros((5, 5), int)
    layers[1, 1] = layers[3, 4] = 1
    image = np.zeros((5, 5, 1))
    image[1, 1], image[3, 4] = 2, 3
    spread = Texels(layers, np.zeros((5, 5, 3)), layers).spread(image)[..., 0]
    assert spread[0, 0] == 2
    assert spread[4, 4] == 3


def test_the_gap_between_islands_is_that_between_their_texels() -> None:
    points = np.array([[0, 0], [0.25, 0], [0.25, 1], [0, 1], [0.5, 0], [1, 0], [1, 1], [0.5, 1]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    assert islands(triangles).tolist() == [0, 0, 1, 1]
    # Columns 0..3 and 8..15 of 16 are covered: from the last of one to the first of the other it is five.
    assert narrowest_gap(rasterise_layout(points, triangles, 16), triangles) == 5


def test_the_layout_that_ships_has_no_flip_and_no_overlap(head: HeadData, texels: Texels) -> None:
    quality = measure_distortion(
        head.template_vertices, head.triangles, head.texture_vertices, head.texture_triangles
    )
    assert quality.map_area.min() > 0
    assert texels.layers.max() == 1
    assert narrowest_gap(texels, head.texture_triangles) >= 4


def test_the_face_takes_half_of_the_map_and_is_hardly_distorted(head: HeadData) -> None:
    quality = measure_distortion(
        head.template_vertices, head.triangles, head.texture_vertices, head.texture_triangles
    )
    face = head.region("face")
    assert quality.map_area[face].sum() >= 0.5
    assert np.average(quality.ratio[face], weights=quality.head_area[face]) < 1.35
    scale = quality.scale[face]
    assert np.quantile(scale, 0.95) / np.quantile(scale, 0.05) < 2


def test_the_mirror_image_of_a_point_lies_in_the_mirrored_column(head: HeadData, texels: Texels) -> None:
    assert (texels.covered == texels.covered[:, ::-1]).all()
    image = mirrored_triangles(head.triangles, head.vertex_mirror)
    corners = head.texture_vertices[head.texture_triangles]
    for triangle in range(0, len(image), 7):
        here = dict(zip(head.triangles[triangle].tolist(), corners[triangle], strict=True))
        there = dict(zip(head.triangles[image[triangle]].tolist(), corners[image[triangle]], strict=True))
        for vertex, place in here.items():
            mirrored = there[int(head.vertex_mirror[vertex])]
            np.testing.assert_allclose(mirrored, [1 - place[0], place[1]], atol=1e-6)


def test_seams_show_neither_on_the_face_nor_on_the_ears(head: HeadData) -> None:
    # A vertex on a seam has several texture vertices; on the face only the edges of lids and lips may.
    pairs = np.unique(np.stack([head.triangles.ravel(), head.texture_triangles.ravel()], 1), axis=0)
    split = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)
    inside = head.triangles[head.region("mouth_interior") | head.region("eye_sockets")]
    seen = np.setdiff1d(split, inside)
    assert len(seen) > 0
    assert not np.isin(seen, head.triangles[head.region("face") | head.region("ears")]).any()


def test_irises_stand_in_the_middle_of_mirrored_islands(head: HeadData) -> None:
    island = islands(head.texture_triangles)
    middles = []
    for side in (1, -1):
        ball = head.region("eyeballs") & (head.template_vertices[head.triangles].mean(1)[:, 0] * side > 0)
        vertices = np.unique(head.triangles[ball])
        pole = vertices[head.template_vertices[vertices, 2].argmax()]
        around = np.flatnonzero(ball & (head.triangles == pole).any(1))
        corners = head.texture_vertices[head.texture_triangles[island == island[around[0]]]]
        middle = (corners.min((0, 1)) + corners.max((0, 1))) / 2
        of_pole = head.texture_triangles[around][head.triangles[around] == pole]
        np.testing.assert_allclose(head.texture_vertices[of_pole[0]], middle, atol=2e-3)
        middles.append(middle)
    np.testing.assert_allclose(middles[0], middles[1] * [-1, 1] + [1, 0], atol=1e-6)


def test_regions_are_symmetric_and_the_face_is_bare_skin(head: HeadData) -> None:
    assert set(NAMES) <= set(head.region_names)
    image = mirrored_triangles(head.triangles, head.vertex_mirror)
    for name in NAMES:
        region = head.region(name)
        assert region.any(), name
        assert (region == region[image]).all(), name
    face = head.region("face")
    for name in ("eyes", "lips", "nose", "forehead"):
        assert (face | ~head.region(name)).all(), name
    apart = ("face", "ears", "scalp", "neck", "eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")
    assert (np.sum([head.region(name) for name in apart], axis=0) == 1).all()
