"""Pictures made in one compiled pass, against the same surface shaded in plain PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, normalize

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.render import clay as clay_lights
from deca.render.camera import project
from deca.render.lighting import shade
from deca.render.openness import openness, shown_openness
from deca.render.pictures import AMBIENT, OPEN, SAMPLES, WHITE_OF_EYES, View, clay, lit, look, over, textured
from deca.render.surface import Surface, SurfaceModel

SIZE = 40
CAMERA = torch.tensor([[8.0, 0.003, -0.002]])


@pytest.fixture(scope="module")
def vertices(small_head: HeadData) -> torch.Tensor:
    return torch.from_numpy(small_head.template_vertices)[None]


@pytest.fixture(scope="module")
def open_sky(vertices: torch.Tensor) -> torch.Tensor:
    return torch.rand(1, vertices.shape[1], 1, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def view(small_head: HeadData, vertices: torch.Tensor, open_sky: torch.Tensor) -> View:
    return look(small_head, vertices, project(vertices, CAMERA), open_sky, SIZE)


@pytest.fixture(scope="module")
def surface(small_head: HeadData, vertices: torch.Tensor) -> Surface:
    samples = SIZE * SAMPLES
    return SurfaceModel(small_head)(vertices, project(vertices, CAMERA), samples, samples)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def mean_of_samples(surface: Surface, colours: torch.Tensor) -> np.ndarray:
    rgba = torch.cat([colours, torch.ones_like(colours[:, :1])], -1)
    return avg_pool2d(surface.fragments.image(rgba), SAMPLES)[0].permute(1, 2, 0).numpy()


def as_map(texture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(texture).permute(2, 0, 1)[None].float() / 255


def clay_colours(normals: torch.Tensor, open_sky: torch.Tensor) -> torch.Tensor:
    """Three lamps, sky and ground, one sheen: the formula in plain PyTorch."""
    normals = normalize(normals, dim=-1)
    directions = normalize(torch.tensor([direction for direction, _ in clay_lights.LAMPS]), dim=-1)
    strengths = torch.tensor([strength for _, strength in clay_lights.LAMPS])
    up = normals[:, 1:2] * 0.5 + 0.5
    ambient = up * torch.tensor(clay_lights.SKY) + (1 - up) * torch.tensor(clay_lights.GROUND)
    diffuse = (normals @ directions.T).clamp_min(0) @ strengths
    halfway = normalize(directions[0] + torch.tensor([0.0, 0.0, 1.0]), dim=-1)
    sheen = clay_lights.SHEEN * (normals @ halfway).clamp_min(0)[:, None] ** 24
    lit = (torch.tensor(clay_lights.COLOUR) * (ambient + diffuse) + sheen).clamp(0, 1)
    return lit * (clay_lights.DEEPEST + (1 - clay_lights.DEEPEST) * open_sky)


def test_textures_agree_with_the_plain_road(view: View, surface: Surface, texture: np.ndarray) -> None:
    facing = normalize(surface.normals, dim=-1)[:, 2:].clamp(0, 1)
    colours = surface.sample(as_map(texture)) * (AMBIENT + (1 - AMBIENT) * facing)
    np.testing.assert_allclose(textured(view, texture), mean_of_samples(surface, colours), atol=2e-4)


def test_light_agrees_with_the_plain_road(
    small_head: HeadData,
    vertices: torch.Tensor,
    view: View,
    surface: Surface,
    open_sky: torch.Tensor,
    texture: np.ndarray,
) -> None:
    layout = UVLayout(small_head, 64)
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    normals_uv = layout.fill(layout.to_uv(normals))
    generator = torch.Generator().manual_seed(4)
    left = 0.5 + 0.5 * torch.rand(1, 1, 32, 32, generator=generator)
    lighting = 0.3 * torch.randn(9, 3, generator=generator)
    lighting[0] += 3
    picture = lit(view, texture, normals_uv[0].numpy(), lighting.numpy(), left[0, 0].numpy())
    shading = shade(normalize(surface.sample(normals_uv), dim=-1), lighting).clamp_min(0)
    sky = (surface.fragments.interpolate(open_sky) / OPEN).clamp_max(1)
    colours = surface.sample(as_map(texture)) * shading * sky * surface.sample(left)
    np.testing.assert_allclose(picture, mean_of_samples(surface, colours), atol=1e-3)


def test_clay_agrees_with_the_plain_road(
    small_head: HeadData,
    vertices: torch.Tensor,
    view: View,
    surface: Surface,
    open_sky: torch.Tensor,
    texture: np.ndarray,
) -> None:
    layout = UVLayout(small_head, 64)
    noise = 0.2 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    normals = vertex_normals(vertices, torch.from_numpy(small_head.triangles))
    normals_uv = layout.fill(layout.to_uv(normals)) + noise
    coarse, detailed = clay(view, texture, normals_uv[0].numpy())
    eyes = [small_head.joint_names.index(name) for name in ("left_eye", "right_eye")]
    weights = torch.from_numpy(small_head.skinning_weights)[None, :, eyes].sum(-1, keepdim=True)
    assert weights.max() > 0.3

    def clays(seen: Surface) -> list[torch.Tensor]:
        """Coarse and detailed colours at the covered pixels."""
        covered = seen.fragments
        lightness = seen.sample(as_map(texture)).mean(1, keepdim=True)
        irises = 1 - covered.interpolate(weights) * (1 - lightness / WHITE_OF_EYES).clamp(0, 1)
        sky = covered.interpolate(open_sky)
        return [clay_colours(way, sky) * irises for way in (seen.normals, seen.sample(normals_uv))]

    # Where all samples of a pixel show one triangle, the colour at its centre stands for them.
    middle = SurfaceModel(small_head)(vertices, project(vertices, CAMERA), SIZE, SIZE)
    ids = view.triangle_ids.reshape(SIZE, SAMPLES, SIZE, SAMPLES)
    whole = (ids == ids[:, :1, :, :1]).all((1, 3))
    assert 0.3 < whole.mean() < 1
    for picture, fine, plain in zip((coarse, detailed), clays(surface), clays(middle), strict=True):
        rgba = torch.cat([plain, torch.ones_like(plain[:, :1])], -1)
        at_centre = middle.fragments.image(rgba)[0].permute(1, 2, 0).numpy()
        expected = np.where(whole[..., None], at_centre, mean_of_samples(surface, fine))
        np.testing.assert_allclose(picture, expected, atol=3e-4)


def test_pictures_are_smooth_at_the_edge(view: View, texture: np.ndarray) -> None:
    alpha = textured(view, texture)[..., 3]
    assert set(np.unique(alpha)) == {0, 0.25, 0.5, 0.75, 1}


def test_a_picture_lies_over_its_background() -> None:
    picture = np.array([[[0.0, 0.0, 0.0, 0.0], [0.5, 0.25, 0.0, 0.5], [1.0, 0.0, 1.2, 1.0]]], np.float32)
    background = np.array([[[10, 20, 30], [100, 200, 255], [9, 9, 9]]], np.uint8)
    assert over(picture, background)[0].tolist() == [[10, 20, 30], [178, 164, 128], [255, 0, 255]]


def test_clay_is_lit_from_the_front_and_never_black() -> None:
    facing = clay_lights.clay_colour(*np.array([0, 0, 1, 1], np.float32))
    away = clay_lights.clay_colour(*np.array([0, 0, -1, 1], np.float32))
    inside = clay_lights.clay_colour(*np.array([0, 0, 1, 0], np.float32))
    assert min(facing) > 0.4
    assert 0 < min(away) < min(facing)
    assert max(inside) < 0.5 * min(facing)


def test_the_sky_is_open_outside_and_shut_inside(small_head: HeadData, vertices: torch.Tensor) -> None:
    """A head inside a head sees nothing of the sky; the outer one, being convex, all of it."""
    triangles = torch.from_numpy(small_head.triangles)
    both = torch.cat([vertices, 0.5 * vertices], 1)
    found = openness(both, torch.cat([triangles, triangles + 200]))[0, :, 0]
    assert found[:200].min() > 0.95
    assert found[200:].max() < 0.02


def test_a_wall_hides_its_part_of_the_sky() -> None:
    """On a floor one metre from a wall ten metres high, 1 + cos(arctan 10) halves are open."""
    corners = [[x, y, z] for x in (-10.0, 10.0) for y, z in ((0.0, 10.0), (0.0, 0.0), (10.0, 0.0))]
    on_floor = [[-1e-3, 0.0, 1.0], [0.0, 0.0, 1.001], [1e-3, 0.0, 1.0]]
    triangles = torch.tensor([[0, 4, 1], [0, 3, 4], [1, 5, 2], [1, 4, 5], [6, 7, 8]])
    found = openness(torch.tensor([corners + on_floor]), triangles)[0, 6:, 0]
    expected = 0.5 * (1 + np.cos(np.arctan(10)))
    torch.testing.assert_close(found, torch.full_like(found, expected), atol=0.05, rtol=0)


def test_teeth_between_parted_lips_are_not_in_the_dark() -> None:
    data, head_model = default_head(), HeadModel(default_head())
    neutral = head_model.neutral()
    expression = torch.zeros_like(neutral.expression)
    for name in ("mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"):
        expression[0, data.expression_names.index(name)] = 0.8
    vertices = head_model(neutral.replace(expression=expression)).vertices
    incisors = np.unique(data.triangles[data.region("teeth")])
    front = incisors[np.argsort(-vertices[0, incisors, 2].numpy())[:20]]
    shown, without = shown_openness(data, vertices), openness(vertices, head_model.triangles)
    assert float(shown[0, front].mean()) > 1.3 * float(without[0, front].mean())
    others = np.setdiff1d(np.arange(vertices.shape[1]), incisors)
    assert torch.equal(shown[0, others], without[0, others])
