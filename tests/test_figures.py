"""What the figures of the default weights are computed with: alignment, ROC, angles, correlations, split."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from figures.alignment import similarity, vertex_distances
from figures.animation import gain
from figures.detail import correlation, swaps
from figures.identity import area_under_roc
from figures.landmarks import typology_angle
from figures.pose import angle_errors, angles
from figures.table import Row, markdown, summary
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deca.parameters import Parameters
from deca.training.split import held_back

SHARED = Path(__file__).parents[1].parent / "shared"


def bumpy_ball() -> np.ndarray:
    """Points about a ball of radius 100."""
    points = np.random.default_rng(0).normal(size=(500, 3))
    return points * (100 / np.linalg.norm(points, axis=1, keepdims=True) + 10 * np.sin(points[:, :1]))


def moved(points: np.ndarray, scale: float) -> np.ndarray:
    turn = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    return scale * points @ turn.T + [10.0, -20.0, 30.0]


def test_a_similarity_is_found_again_and_a_rigid_one_keeps_the_size():
    ball = bumpy_ball()
    other = moved(ball, 2.0)
    found = similarity(ball, other, with_scale=True)
    np.testing.assert_allclose(found(ball), other, atol=1e-9)
    rigid = similarity(ball, other, with_scale=False)
    assert rigid.scale == 1
    np.testing.assert_allclose(rigid.rotation, found.rotation, atol=1e-12)


def test_shapes_that_differ_in_size_alone_are_one_shape_with_scale_only():
    ball = bumpy_ball()
    bigger = moved(ball, 1.1)
    np.testing.assert_allclose(vertex_distances(ball, bigger, with_scale=True), 0, atol=1e-9)
    radii = np.linalg.norm(ball - ball.mean(0), axis=1)
    rigid = vertex_distances(ball, bigger, with_scale=False)
    np.testing.assert_allclose(rigid, 0.1 * radii, atol=1e-9)


def test_the_area_under_the_curve_counts_pairs_in_order_and_ties_by_half():
    assert area_under_roc(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])) == 1
    assert area_under_roc(np.array([4.0]), np.array([1.0, 5.0])) == 0.5
    assert area_under_roc(np.zeros(3), np.zeros(5)) == 0.5
    same, different = np.random.default_rng(0).normal(size=(2, 20))
    pairs = np.mean([(one < other) + 0.5 * (one == other) for one in same for other in different])
    assert area_under_roc(same, different) == pytest.approx(pairs)


@given(st.tuples(st.floats(-90, 90), st.floats(-60, 60), st.floats(-60, 60)))
def test_angles_are_those_a_head_was_turned_by(turns):
    pose = Rotation.from_euler("YXZ", turns, degrees=True).as_rotvec()
    np.testing.assert_allclose(angles(pose), turns, atol=1e-6)


def test_angle_errors_are_of_yaw_pitch_roll_and_the_whole():
    true = Rotation.from_euler("YXZ", [90, 0, 0], degrees=True).as_rotvec()
    predicted = Rotation.from_euler("YXZ", [80, 0, 0], degrees=True).as_rotvec()
    np.testing.assert_allclose(angle_errors(predicted, true), [10, 0, 0, 10], atol=1e-6)


def test_wrinkles_correlate_with_themselves_whatever_their_depth_and_not_with_others():
    random = np.random.default_rng(0)
    true = (0.0005 * np.tile(np.sin(np.arange(256) / 2), (256, 1))).astype(np.float32)
    seen = np.ones((256, 256), bool)
    same = correlation(3 * true + np.float32(0.001), true, seen, texel=1.0)
    assert same is not None
    assert same.whole == pytest.approx(1, abs=1e-4)
    other = correlation(random.standard_normal((256, 256)).astype(np.float32), true, seen, texel=1.0)
    assert other is not None
    assert abs(other.whole) < 0.05
    assert correlation(true, np.zeros_like(true), seen, texel=1.0) is None


@dataclass(frozen=True)
class Codes:
    """A stand-in whose displacement is its code, everywhere."""

    name = "codes"

    def encode(self, key, photo, found):
        raise NotImplementedError

    def with_detail(self, photo, found, crop, parameters):
        raise NotImplementedError

    def displacement(self, parameters: Parameters) -> torch.Tensor:
        return parameters.detail.sum().expand(1, 1, 256, 256)


def test_a_swap_within_a_person_is_compared_with_one_between_people():
    neutral = Parameters.neutral(shape=1, expression=1, albedo=1, detail=1)
    pairs = [
        (neutral.replace(detail=torch.tensor([[code]])), neutral.replace(detail=torch.tensor([[code + 1]])))
        for code in (0.0, 10.0)
    ]
    assert swaps(Codes(), pairs) == pytest.approx(10)


def test_tones_of_skin_are_told_from_light_to_dark():
    colours = [0.95, 0.84, 0.78], [0.78, 0.6, 0.48], [0.3, 0.2, 0.15]
    light, middle, dark = (typology_angle(np.array(colour)) for colour in colours)
    assert light > 41 > middle > -30 > dark


def test_a_gain_is_in_percent_of_the_static_error():
    assert gain(0.95, 1.0) == pytest.approx(5)


def test_the_table_leaves_out_what_was_not_measured():
    rows = (Row("a", ("x", "y"), 1, "< 2"), Row("b", ("z",), 1))
    cells = summary({"one": {"x": 1.0, "y": 2.0}, "two": {}}, rows)
    assert cells == [["a", "1.0 / 2.0", "-", "< 2"]]
    assert markdown(["f", "one", "two", "to be"], cells).splitlines()[1] == "|---|---:|---:|---:|"


def test_one_person_in_five_is_held_back():
    manifest = SHARED / "photos" / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("the photographs are not in ../shared")
    with open(manifest, newline="", encoding="utf-8") as file:
        people = {row["identity"] for row in csv.DictReader(file)}
    counts = Counter(identity.split("_")[0] for identity in people if held_back(identity))
    assert (counts["london"], counts["congress"]) == (21, 139)
