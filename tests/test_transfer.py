"""Features carried from the default head to other surfaces, and the geometry that this rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deca.conversion.registration import fit_similarity, full_landmarks, outer_skin, register_head
from deca.conversion.rigging import even_weights, fit_hinge, nearest_solution, turn_shares
from deca.conversion.surface_points import ClosestPoints, border_vertices, triangle_parts
from deca.conversion.target import TargetSurface
from deca.conversion.transfer import mirrored_vertices, transfer_features
from deca.conversion.uv_tiles import one_map
from deca.head.data import HeadData
from deca.io.heads import default_head

SEEDS = st.integers(0, 2**32 - 1)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture(scope="module")
def default() -> HeadData:
    return default_head()


def surface(default: HeadData, vertices: np.ndarray, marked: bool = True) -> TargetSurface:
    """The default head's mesh on other vertices, as a head of unknown features."""
    carried = default.skinning_weights[:, 3:] > 0.99
    balls = [np.asarray(carried[:, eye][default.triangles].all(1)) for eye in (0, 1)]
    return TargetSurface(
        vertices=vertices,
        triangles=default.triangles,
        texture_vertices=default.texture_vertices,
        texture_triangles=default.texture_triangles,
        skin=outer_skin(default),
        left_eyeball=balls[0],
        right_eyeball=balls[1],
        eye_centres=default.joint_regressor[3:] @ vertices,
        landmarks=full_landmarks(default, vertices) if marked else None,
    )


def person(default: HeadData, seed: int) -> np.ndarray:
    shape = np.random.default_rng(seed).normal(size=len(default.shape_basis)).clip(-1.5, 1.5)
    return default.template_vertices + np.tensordot(shape, default.shape_basis, 1).astype(np.float64)


def at(default: HeadData, vertices: np.ndarray, triangle: np.ndarray, barycentrics: np.ndarray) -> np.ndarray:
    return (vertices[default.triangles[triangle]] * barycentrics[..., None]).sum(1)


def test_another_person_of_the_default_head_gets_its_own_landmarks_back(default):
    turned = Rotation.from_rotvec([0.1, -0.2, 0.05]).as_matrix()
    vertices = 1.15 * person(default, 3) @ turned.T + [0.3, -0.1, 0.2]
    features = transfer_features(surface(default, vertices), default)
    found = at(default, vertices, features.dense_landmark_triangles, features.dense_landmark_barycentrics)
    true = at(default, vertices, default.dense_landmark_triangles, default.dense_landmark_barycentrics)
    off = np.linalg.norm(found - true, axis=1)
    assert np.median(off) < 0.0005
    assert np.quantile(off, 0.95) < 0.002
    skin = outer_skin(default)
    for name in ("lips", "nose", "scalp", "ears"):
        own = default.region(name)
        both = (features.regions[name] & own & skin).sum()
        assert both > 0.9 * (own & skin).sum()
        assert both > 0.9 * features.regions[name].sum()
    mean = default.albedo_mean
    assert features.albedo_mean.shape[-1] == features.albedo_basis.shape[-1] == 3
    assert np.abs(features.albedo_mean - mean).mean() < 0.03
    assert len(features.albedo_basis) == len(default.albedo_basis)
    assert len(features.landmark_arrays()) == 8
    moved = features.moved(np.array([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(
        moved.registration.vertices - features.registration.vertices, [[0.1, -0.2, 0.3]] * len(vertices)
    )
    assert moved.dense_landmark_triangles is features.dense_landmark_triangles


def test_a_head_without_landmarks_is_found_by_its_eyes(default):
    vertices = 0.9 * person(default, 5) + [0.0, 0.4, -0.3]
    registration = register_head(surface(default, vertices, marked=False), default)
    corners = default.triangles[default.dense_landmark_triangles]
    weights = default.dense_landmark_barycentrics[..., None]
    off = np.linalg.norm(((registration.vertices - vertices)[corners] * weights).sum(1), axis=1)
    assert np.median(off) < 0.0015
    assert np.quantile(off, 0.95) < 0.004


@settings(max_examples=20)
@given(SEEDS)
def test_closest_points_are_no_farther_than_any_other(seed):
    random = np.random.default_rng(seed)
    vertices = random.normal(size=(9, 3))
    triangles = np.array([random.permutation(9)[:3] for _ in range(8)])
    points = random.normal(size=(12, 3))
    finder = ClosestPoints(vertices, triangles, np.ones(8, bool))
    found = finder.find(points)
    np.testing.assert_allclose(np.linalg.norm(finder.at(found) - points, axis=1), found.distance, atol=1e-9)
    assert (found.barycentrics >= -1e-12).all()
    np.testing.assert_allclose(found.barycentrics.sum(1), 1)
    samples = random.dirichlet(np.ones(3), 300)
    everywhere = np.einsum("sk,tkc->tsc", samples, vertices[triangles]).reshape(-1, 3)
    nearest = np.linalg.norm(everywhere[None] - points[:, None], axis=2).min(1)
    assert (found.distance <= nearest + 1e-9).all()


def test_with_normals_triangles_that_face_away_come_last():
    doubled = np.concatenate([SQUARE, SQUARE + np.array([0, 0, 0.2])])
    triangles = np.concatenate([HALVES[:, ::-1], HALVES + 4])
    finder = ClosestPoints(doubled, triangles, np.ones(4, bool))
    point = np.array([[0.3, 0.4, -0.1]])
    assert finder.find(point).triangle[0] < 2
    assert finder.find(point, np.array([[0.0, 0.0, 1.0]])).triangle[0] >= 2


def test_parts_and_borders_of_a_mesh():
    triangles = np.concatenate([HALVES + 3, [[0, 1, 2]]])
    np.testing.assert_array_equal(triangle_parts(triangles, 8), [0, 0, 1])
    tetrahedron = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    assert not border_vertices(tetrahedron, 4).any()
    np.testing.assert_array_equal(border_vertices(HALVES, 5), [True, True, True, True, False])


def test_mirror_images_are_found_where_every_vertex_has_one():
    points = np.array([[1.0, 2, 3], [-1, 2, 3], [0, 1, 1]])
    np.testing.assert_array_equal(mirrored_vertices(points), [1, 0, 2])
    assert len(mirrored_vertices(points + np.array([0.1, 0, 0]))) == 0


@settings(max_examples=20)
@given(SEEDS)
def test_a_similarity_is_found_again(seed):
    random = np.random.default_rng(seed)
    source = random.normal(size=(10, 3))
    scale, rotation = random.uniform(0.2, 4), Rotation.from_rotvec(random.normal(size=3)).as_matrix()
    translation = random.normal(size=3)
    found = fit_similarity(source, scale * source @ rotation.T + translation)
    np.testing.assert_allclose(found[0], scale)
    np.testing.assert_allclose(found[1], rotation, atol=1e-9)
    np.testing.assert_allclose(found[2], translation, atol=1e-9)


@settings(max_examples=20)
@given(SEEDS, st.floats(0.1, 0.6))
def test_a_hinge_is_found_again(seed, angle):
    random = np.random.default_rng(seed)
    points, centre = random.normal(size=(20, 3)), random.normal(size=3) * [0, 1, 1]
    turn = Rotation.from_rotvec([angle, 0, 0]).as_matrix()
    hinge = fit_hinge(points, (points - centre) @ turn.T + centre)
    np.testing.assert_allclose(hinge.turn, [angle, 0, 0], atol=1e-9)
    np.testing.assert_allclose(hinge.point, centre, atol=1e-7)
    assert hinge.residual < 1e-9


def test_shares_of_a_turn_are_those_that_were_given():
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21), indexing="ij"), -1).reshape(
        -1, 2
    )
    vertices = np.concatenate([grid, np.full((len(grid), 1), 0.3)], 1)
    corner = np.arange(20 * 21).reshape(20, 21)[:, :20].ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 21, corner + 22], 1), np.stack([corner, corner + 22, corner + 1], 1)]
    )
    true = np.clip(1.5 - 2 * vertices[:, 1], 0, 1)
    hinge = fit_hinge(
        vertices, (vertices - [0, 2, 0]) @ Rotation.from_rotvec([0.4, 0, 0]).as_matrix().T + [0, 2, 0]
    )
    shares = turn_shares(vertices, triangles, true[:, None] * (hinge.carry(vertices) - vertices), hinge)
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert np.abs(shares - true).max() < 0.1
    assert np.abs(shares - true).mean() < 0.02


def test_even_weights_put_the_mean_where_it_should_be():
    points = np.random.default_rng(1).normal(size=(30, 3))
    chosen = np.arange(5, 25)
    target = points[chosen].mean(0) + np.array([0.1, 0, -0.1])
    weights = even_weights(chosen, target, points)
    np.testing.assert_allclose(weights @ points, target, atol=1e-9)
    assert abs(weights.sum() - 1) < 1e-9
    assert not weights[:5].any()
    np.testing.assert_allclose(even_weights(chosen, points[chosen].mean(0), points)[chosen], 1 / 20)


def test_the_nearest_solution_is_that_of_least_squares_from_its_start():
    random = np.random.default_rng(2)
    rows = random.normal(size=(4, 9)) * np.array([[1], [1e-3], [10], [0]])
    rows = np.concatenate([rows, rows[:1]])
    start, wanted = random.normal(size=9), rows @ random.normal(size=9)
    found = nearest_solution(rows, wanted, start)
    np.testing.assert_allclose(rows @ found, wanted, atol=1e-10)
    np.testing.assert_allclose(found, start + np.linalg.lstsq(rows, wanted - rows @ start, rcond=None)[0])


def test_tiles_come_to_lie_side_by_side():
    tile = np.array([[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]])
    alone, triangles = one_map(tile)
    np.testing.assert_allclose(alone[triangles], tile.astype(np.float32))
    several, triangles = one_map(np.concatenate([tile + np.array([step, 0]) for step in (0, 1, 3)]))
    corners = several[triangles]
    assert corners.min() >= 0
    assert corners.max() <= 1
    for first, second in ((0, 1), (1, 2), (0, 2)):
        apart = (corners[first].max(0) <= corners[second].min(0)) | (
            corners[second].max(0) <= corners[first].min(0)
        )
        assert apart.any()
