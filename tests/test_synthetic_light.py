"""Random light is the same for a seed, in range, and its nine terms hold its lamps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_head import make_small_head

from deca.geometry import vertex_normals
from deca.render.lighting import shade
from deca.training.synthetic.light import Light, lamp_reach, lamp_terms, lit_skin, random_light

SEEDS = range(150)


def normals(count: int, *, visible: bool) -> torch.Tensor:
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32))
    if visible:
        points[:, 2] = points[:, 2].abs()
    return torch.nn.functional.normalize(points, dim=1)


@pytest.fixture(scope="module")
def lights() -> list[Light]:
    return [random_light(np.random.default_rng(seed)) for seed in SEEDS]


def test_a_seed_gives_one_light(lights):
    again = random_light(np.random.default_rng(3))
    torch.testing.assert_close(again.lighting, lights[3].lighting, atol=0, rtol=0)
    assert again.gloss == lights[3].gloss
    assert not torch.equal(lights[3].lighting, lights[4].lighting)


def test_the_shading_of_a_face_is_in_range(lights):
    seen = normals(300, visible=True)
    shadings = torch.stack([shade(seen, light.lighting[0]) for light in lights])
    means = shadings.mean((1, 2))
    assert float(means.min()) > 0.25
    assert float(means.max()) < 1.8
    assert float(((means > 0.5) & (means < 1.25)).float().mean()) > 0.7
    assert float(shadings.min()) > -0.05
    assert float((shadings.amin((1, 2)) / means).median()) < 0.75, "lights are not all flat"


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (0.6, 0.8, 0.0), (-0.48, 0.6, 0.64)])
def test_a_lamp_shades_by_the_cosine(direction):
    points = normals(500, visible=False)
    terms = torch.from_numpy(lamp_terms(np.array(direction)).astype(np.float32))
    shading = shade(points, terms[:, None].expand(9, 3))[:, 0]
    expected = (points @ torch.tensor(direction)).clamp_min(0)
    # Nine terms hold 99 % of a cosine's energy.
    assert float((shading - expected).abs().max()) < 0.1
    assert float((shading - expected).abs().mean()) < 0.035


def test_a_soft_lamp_is_flatter_and_as_bright():
    front = np.array([0.0, 0.0, 1.0])
    hard, soft = lamp_terms(front), lamp_terms(front, sharpness=0.6)
    point = torch.tensor([[0.0, 0.0, 1.0]])
    hardest, softest = (
        shade(point, torch.from_numpy(terms.astype(np.float32))[:, None].expand(9, 3))[0, 0]
        for terms in (hard, soft)
    )
    assert float(softest) < float(hardest)
    assert soft[0] == hard[0]


def test_without_obstacles_the_skin_is_lit_by_the_nine_terms(lights):
    seen = normals(200, visible=True)
    for light in lights[:20]:
        reach = torch.ones(len(seen), len(light.directions))
        shading, shine = lit_skin(light, seen, torch.ones(len(seen), 1), reach)
        torch.testing.assert_close(shading, shade(seen, light.lighting[0]).clamp_min(0), atol=1e-4, rtol=1e-4)
        assert float(shine.min()) >= 0
        darker, _ = lit_skin(light, seen, torch.full((len(seen), 1), 0.5), 0.5 * reach)
        assert float(darker.mean()) < float(shading.mean())


def test_a_ball_in_front_of_a_wall_shades_it():
    wall = torch.tensor([[-2.0, -2, -1], [2, -2, -1], [2, 2, -1], [-2, 2, -1], [1.5, 1.5, -1]])
    plate = torch.tensor([[-0.5, -0.5, 0.0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    middle = torch.tensor([[0.0, 0, -1]])
    vertices = torch.cat([wall, plate, middle])
    triangles = torch.tensor([[0, 1, 9], [1, 2, 9], [2, 3, 9], [3, 0, 9], [5, 6, 7], [5, 7, 8], [0, 1, 4]])
    light = Light(
        lighting=torch.zeros(1, 9, 3),
        lamps=torch.zeros(1, 9, 3),
        directions=torch.tensor([[0.0, 0.0, 1.0]]),
        colours=torch.ones(1, 3),
        gloss=0.0,
        shininess=10.0,
        hollow=0.0,
    )
    reach = lamp_reach(light, vertices, triangles)[:, 0]
    assert float(reach[9]) == 0
    assert float(reach[5:9].min()) == 1
    assert float(reach[0]) == 1


def test_a_head_shades_what_lies_behind_it(lights):
    data = make_small_head()
    vertices = torch.from_numpy(data.template_vertices)
    triangles = torch.from_numpy(data.triangles)
    light = next(light for light in lights if len(light.directions) == 2)
    reach = lamp_reach(light, vertices, triangles)
    assert reach.shape == (len(vertices), 2)
    assert float(reach.min()) >= 0
    assert float(reach.max()) <= 1
    facing = vertex_normals(vertices[None], triangles)[0] @ light.directions.mT
    # A convex head: what faces the lamp is lit.
    assert float(reach[facing > 0.5].mean()) > 0.99


def test_light_without_lamps(lights):
    light = next(light for light in lights if not len(light.directions))
    data = make_small_head()
    reach = lamp_reach(light, torch.from_numpy(data.template_vertices), torch.from_numpy(data.triangles))
    assert reach.shape == (len(data.template_vertices), 0)
    seen = normals(10, visible=True)
    _, shine = lit_skin(light, seen, torch.ones(10, 1), torch.ones(10, 0))
    assert not shine.any()
