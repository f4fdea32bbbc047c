"""Wrinkles lie where faces have them, belong to a person, and answer to the right actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_head import make_small_head

from deca.head.data import HeadData
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.training.synthetic.face_chart import FaceChart
from deca.training.synthetic.furrows import Furrow, relief_of, smooth_curve
from deca.training.synthetic.wrinkle_lines import person_furrows
from deca.training.synthetic.wrinkles import MOVEMENTS, WrinkleModel, WrinklePerson

SIZE = 128
STILL = torch.zeros(1, 3)


@pytest.fixture(scope="module")
def head() -> HeadData:
    return default_head()


@pytest.fixture(scope="module")
def model(head) -> WrinkleModel:
    return WrinkleModel(head, UVLayout(head, SIZE))


@pytest.fixture(scope="module")
def people(model) -> list[WrinklePerson]:
    return [model.person(np.random.default_rng(seed)) for seed in range(12)]


def actions(data: HeadData, **strengths: float) -> torch.Tensor:
    """Expression coefficients; a name without a side stands for both."""
    expression = torch.zeros(1, len(data.expression_names))
    for name, strength in strengths.items():
        found = [
            i
            for i, known in enumerate(data.expression_names)
            if known in (name, f"{name}Left", f"{name}Right")
        ]
        assert found, name
        expression[0, found] = strength
    return expression


def change(model: WrinkleModel, person: WrinklePerson, expression: torch.Tensor) -> np.ndarray:
    """What an expression adds to the resting face, millimetres."""
    moved = model.displacement(person, expression, STILL) - model.displacement(person, 0 * expression, STILL)
    return 1000 * moved[0, 0].numpy()


def centre(model: WrinkleModel, relief: np.ndarray) -> np.ndarray:
    """Where in the chart a relief lies, millimetres, weighed by its square."""
    weights = relief**2 * model.chart.valid
    return (model.chart.places * weights[..., None]).sum((0, 1)) / weights.sum()


def test_a_seed_gives_one_person(model, people):
    again = model.person(np.random.default_rng(3))
    torch.testing.assert_close(again.static, people[3].static, atol=0, rtol=0)
    torch.testing.assert_close(again.moved, people[3].moved, atol=0, rtol=0)
    assert (people[3].static != people[4].static).any()


def test_a_resting_face_has_the_static_relief(model, people, head):
    for person in people:
        found = model.displacement(person, actions(head), STILL)
        assert found.shape == (1, 1, SIZE, SIZE)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found[0, 0], person.static, atol=0, rtol=0)


def test_wrinkles_are_millimetres_deep(model, people, head):
    everything = torch.ones(1, len(head.expression_names))
    depths = []
    for person in people:
        relief = 1000 * model.displacement(person, everything, STILL)
        assert float(relief.abs().max()) <= 10
        assert float((relief.abs() < 2).float().mean()) > 0.99
        depths.append(-float(relief.min()))
    assert 0.4 < np.median(depths) < 3


def test_old_skin_is_rougher_than_young(model):
    people = [model.person(np.random.default_rng(seed)) for seed in range(24)]
    depth = np.array([float(person.static.square().mean().sqrt()) for person in people])
    ages = np.array([person.age for person in people])
    assert (ages < 40).mean() > 0.35
    assert np.median(depth[ages > 60]) > 2 * np.median(depth[ages < 32])


def test_skin_alone_has_relief(model, people, head):
    everything = torch.ones(1, len(head.expression_names))
    for person in people[:4]:
        relief = model.displacement(person, everything, STILL)[0, 0].numpy()
        assert not relief[model.chart.skin == 0].any()


@pytest.mark.parametrize(
    ("action", "group"),
    [
        ("mouthSmile", "fold"),
        ("browDown", "frown"),
        ("eyeSquint", "crow"),
        ("noseSneer", "nose"),
        ("browOuterUp", ""),
    ],
)
def test_each_side_moves_alone(model, people, head, action, group):
    for side, sign in (("Left", 1), ("Right", -1)):
        expression = actions(head, **{f"{action}{side}": 1.0})
        relief = np.mean([change(model, person, expression) ** 2 for person in people], 0)
        x = model.chart.places[..., 0] * sign
        assert relief[x > 1].sum() > 0
        # Lines between the brows and in the middle of the forehead cross over a little.
        assert relief[x < -1].sum() < 0.15 * relief[x > 1].sum()
        assert relief[x < -27].sum() < 1e-3 * relief[x > 1].sum()
    both = model.movements(actions(head, **{action: 1.0}), STILL)
    for name, effort in zip(MOVEMENTS, both, strict=True):
        if group and name.startswith(group):
            assert effort > 0.3


def test_lines_lie_where_faces_have_them(model, people, head):
    points = model.chart.landmarks

    def place(**strengths: float) -> np.ndarray:
        relief = sum(np.abs(change(model, person, actions(head, **strengths))) for person in people)
        return centre(model, np.asarray(relief))

    x, y = place(browDown=1.0)
    assert abs(x) < 5, "frown lines stand between the brows"
    assert points[27, 1] < y < points[19, 1] + 12
    x, y = place(browInnerUp=1.0, browOuterUp=1.0)
    assert abs(x) < 8, "forehead lines lie above the brows"
    assert y > points[19, 1] + 6
    x, y = place(mouthSmileLeft=1.0)
    assert points[35, 0] < x < points[54, 0] + 22, "folds run from nose to mouth"
    assert points[57, 1] < y < points[30, 1] + 5
    x, y = place(eyeSquintLeft=1.0)
    assert x > points[47, 0] - 10, "crow's feet lie outside the eye, lines below it"
    assert points[33, 1] < y < points[24, 1]
    x, y = place(mouthShrugLower=1.0)
    assert abs(x) < 5
    assert points[8, 1] < y < points[57, 1] + 2
    x, y = place(mouthPucker=1.0)
    assert points[8, 1] < y < points[33, 1]
    x, y = place(noseSneerLeft=1.0)
    assert 2 < x < points[54, 0] + 10


def test_more_of_an_action_is_deeper_and_smooth(model, people, head):
    steps = [
        np.abs(change(model, people[0], actions(head, mouthSmile=s))).max() for s in (0, 0.02, 0.3, 0.6, 1.0)
    ]
    assert steps == sorted(steps)
    assert steps[1] < 0.05 * steps[-1], "no jump at rest"
    assert steps[-1] > 0.1


def test_an_open_jaw_draws_the_folds(model, people, head):
    open_, shut = torch.tensor([[0.3, 0.0, 0.0]]), STILL
    relief = model.displacement(people[0], actions(head), open_) - model.displacement(
        people[0], actions(head), shut
    )
    assert relief.any()
    named = model.displacement(people[0], actions(head, jawOpen=0.7), shut)
    assert (named != model.displacement(people[0], actions(head), shut)).any()


def test_sides_differ_in_one_person(model, people):
    folds = list(MOVEMENTS).index("foldLeft"), list(MOVEMENTS).index("foldRight")
    for person in people[:5]:
        left, right = (person.moved[index] for index in folds)
        assert abs(float(left.min() - right.min())) > 1e-6


def test_heads_without_actions_keep_the_static_relief():
    data = make_small_head()
    count = len(data.expression_names)
    data = replace(data, expression_names=tuple(f"expression{index}" for index in range(count)))
    model = WrinkleModel(data, UVLayout(data, 64))
    person = model.person(np.random.default_rng(0))
    found = model.displacement(person, torch.ones(1, count), torch.tensor([[0.3, 0.0, 0.0]]))
    assert found.shape == (1, 1, 64, 64)
    assert found.any()
    torch.testing.assert_close(found[0, 0], person.static, atol=0, rtol=0)


def test_a_small_head_with_actions_wrinkles():
    data = make_small_head()
    model = WrinkleModel(data, UVLayout(data, 64))
    person = model.person(np.random.default_rng(1))
    assert change(model, person, actions(data, browInnerUp=1.0, mouthSmile=1.0)).any()


def test_the_chart_finds_its_places_again(head):
    chart = FaceChart(head, UVLayout(head, SIZE))
    corners = 1000 * head.template_vertices[head.triangles[head.full_landmark_triangles]]
    landmarks = (corners * head.full_landmark_barycentrics[..., None]).sum(1)
    inner = [*range(17, 36), 48, 51, 54, 57, 8]
    found = chart.at(chart.landmarks[inner])
    assert np.abs(found[:, :3] - landmarks[inner]).max() < 2.5
    assert np.median(np.abs(found[:, :3] - landmarks[inner])) < 0.3


def test_a_furrow_has_its_depth_and_width(model):
    """On the cheek a straight furrow is as deep and as wide as asked, and has shoulders."""
    x = np.linspace(-25, 25, 5)
    places = smooth_curve(np.stack([x, np.full(5, model.chart.landmarks[21, 1] + 25)], 1))
    furrow = Furrow(places, np.ones(len(places)), 3.0, 1.0, 0.5, "group", shoulder=0.3)
    still, moved = relief_of(model.chart, [furrow], ["group"])
    np.testing.assert_allclose(2 * moved[0], still, atol=1e-6)
    assert -1.05 < still.min() < -0.85
    assert 0.2 < still.max() < 0.4
    rows = model.chart.places[..., 1][still < -0.5 * 0.94]
    # Half of the depth is reached at 1.18 deviations to both sides.
    assert 4.5 < np.ptp(rows) < 8.5


def test_crossing_furrows_are_not_twice_as_deep(model):
    height = model.chart.landmarks[21, 1] + 25
    across = smooth_curve(np.array([[-20, height], [20, height]]))
    upright = smooth_curve(np.array([[0, height - 15], [0, height + 15]]))
    both = [Furrow(line, np.ones(len(line)), 2.5, 1.0, 0.0, "group") for line in (across, upright)]
    still, moved = relief_of(model.chart, both, ["group"])
    assert -1.5 < still.min() < -1.0
    assert not moved.any()


def test_every_kind_of_line_lies_on_the_face(model):
    random = np.random.default_rng(0)
    low, high = model.chart.landmarks.min(0), model.chart.landmarks.max(0)
    groups = set()
    for age in (20.0, 50.0, 85.0):
        for furrow in person_furrows(model.chart, age, random):
            groups.add(furrow.group)
            assert np.isfinite(furrow.places).all()
            assert (furrow.places > low - np.array([5, 75])).all()
            assert (furrow.places < high + np.array([5, 65])).all()
            assert furrow.shape.min() >= -1e-6
            assert 0.3 < furrow.width < 8
    assert {"forehead", "neck", "fine", "lips", "chin"} <= groups
    assert {
        f"{name}{side}" for name in ("frown", "nose", "crow", "fold") for side in ("Left", "Right")
    } <= groups
