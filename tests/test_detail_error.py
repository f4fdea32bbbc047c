"""What detail gains, where the answer is known: maps, spheres with and without bumps, pictures."""

from __future__ import annotations

from functools import cache

import igl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deca.evaluation.detail_error import Gain, displacement_error, photo_gain, scan_gain
from deca.io.meshes import Mesh

SEEDS = st.integers(0, 2**32 - 1)
WAVES, HEIGHT = 12.0, 0.01


@cache
def sphere(splits: int) -> Mesh:
    """An octahedron, split so often and blown up to radius 1."""
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    x, y, z = 0, 1, 2
    upper = [[x, y, z], [y, x + 3, z], [x + 3, y + 3, z], [y + 3, x, z]]
    lower = [[b, a, z + 3] for a, b, _ in upper]
    vertices, triangles = igl.upsample(corners, np.array(upper + lower), splits)
    return Mesh(vertices / np.linalg.norm(vertices, axis=1, keepdims=True), np.asarray(triangles, np.int64))


def scaled(mesh: Mesh, factor: float) -> Mesh:
    return Mesh(factor * mesh.vertices, mesh.triangles)


def bumpy(mesh: Mesh) -> Mesh:
    """Rings about the z axis: radius 1 + HEIGHT sin(WAVES z)."""
    return Mesh(mesh.vertices * (1 + HEIGHT * np.sin(WAVES * mesh.vertices[:, 2:])), mesh.triangles)


def whole(mesh: Mesh) -> dict[str, np.ndarray]:
    return {"whole": np.arange(len(mesh.vertices))}


def test_detail_that_is_the_scan_leaves_no_error() -> None:
    smooth, scan = sphere(6), bumpy(sphere(6))
    found = scan_gain(scan, smooth, scan, whole(scan)).overall
    z = smooth.vertices[:, 2]
    radius = 1 + HEIGHT * np.sin(WAVES * z)
    assert found.distance.coarse == pytest.approx(np.abs(radius - 1).mean(), rel=0.02)
    # The gradient of f(z) on the unit sphere is f'(z) sqrt(1 - z^2), and the normal leans by it.
    slope = HEIGHT * WAVES * np.cos(WAVES * z) * np.sqrt(1 - z**2)
    leaning = np.degrees(np.arctan(np.abs(slope) / radius)).mean()
    assert found.angle.coarse == pytest.approx(leaning, rel=0.02)
    assert found.distance.detailed < 1e-12
    assert found.angle.detailed < 1e-5
    assert found.distance.percent == pytest.approx(100, abs=1e-3)
    assert found.angle.percent == pytest.approx(100, abs=1e-3)
    assert found.vertices == found.with_normals == len(scan.vertices)


def test_half_of_the_way_gains_half_of_the_distance_and_no_angle() -> None:
    smooth = sphere(5)
    found = scan_gain(scaled(smooth, 1.1), smooth, scaled(smooth, 1.05), whole(smooth)).overall
    assert found.distance.coarse == pytest.approx(0.1, rel=1e-2)
    assert found.distance.detailed == pytest.approx(0.05, rel=1e-2)
    assert found.distance.percent == pytest.approx(50, abs=0.5)
    assert found.angle.coarse < 0.05


def test_detail_that_is_wrong_gains_less_than_nothing() -> None:
    smooth = sphere(5)
    mirrored = Mesh(bumpy(smooth).vertices * [1, 1, -1], smooth.triangles[:, ::-1])
    found = scan_gain(bumpy(smooth), smooth, mirrored, whole(smooth)).overall
    assert found.distance.percent < -50
    assert found.angle.percent < -50


# Two triangles on an edge from the origin along y: a flat one of area 3, and an upright one of area 1.
STEP = Mesh(
    np.array([[0, 0, 0], [0, 2, 0], [3, 0, 0], [0, 0, 1]], np.float64), np.array([[0, 2, 1], [0, 3, 1]])
)
LEANING = np.degrees(np.arctan(1 / 3))


def test_normals_of_vertices_are_weighted_by_area() -> None:
    plane = Mesh(np.array([[-9, -9, -1], [9, -9, -1], [0, 18, -1]], np.float64), np.array([[0, 1, 2]]))
    found = scan_gain(STEP, plane, plane, {"edge": np.array([0, 1]), "flat": np.array([2])})
    assert found.regions["edge"].angle.coarse == pytest.approx(LEANING, abs=1e-9)
    assert found.regions["flat"].angle.coarse == pytest.approx(0, abs=1e-9)
    assert found.overall.angle.coarse == pytest.approx(2 / 3 * LEANING, abs=1e-9)
    assert found.overall.distance.coarse == pytest.approx(1, abs=1e-12)


def test_normals_of_surfaces_are_interpolated() -> None:
    # Above the flat triangle, half of whose weight is at the corner that does not lean.
    corner = np.array([1.5, 0.5, 0.05])
    scan = Mesh(corner + np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]), np.array([[0, 1, 2]]))
    found = scan_gain(scan, STEP, STEP, {"corner": np.array([0])})
    assert found.overall.angle.coarse == pytest.approx(LEANING / 2, abs=1e-9)
    assert found.overall.distance.coarse == pytest.approx(0.05, abs=1e-12)


def test_regions_are_measured_by_themselves_and_together_once() -> None:
    smooth = sphere(4)
    height = smooth.vertices[:, 2]
    detailed = Mesh(np.where(height[:, None] > 0, 1.1, 1.0) * smooth.vertices, smooth.triangles)
    top, bottom = np.flatnonzero(height > 0.5), np.flatnonzero(height < -0.5)
    regions = {"top": top, "bottom": bottom, "twice": np.concatenate([top, top])}
    found = scan_gain(scaled(smooth, 1.1), smooth, detailed, regions)
    assert list(found.regions) == ["top", "bottom", "twice"]
    assert found.regions["top"].distance.percent == pytest.approx(100, abs=1e-6)
    assert found.regions["bottom"].distance.percent == pytest.approx(0, abs=1e-6)
    assert found.regions["twice"] == found.regions["top"]
    assert found.overall.vertices == len(top) + len(bottom)
    assert found.overall.distance.percent == pytest.approx(50, abs=0.1)


@settings(max_examples=15)
@given(seed=SEEDS, scale=st.floats(0.01, 1000))
def test_unit_and_frame_make_no_difference(seed: int, scale: float) -> None:
    smooth, scan = sphere(3), bumpy(sphere(3))
    generator = np.random.default_rng(seed)
    turn, shift = Rotation.random(rng=generator).as_matrix(), generator.normal(size=3)
    moved = [Mesh(scale * (mesh.vertices @ turn.T + shift), mesh.triangles) for mesh in (scan, sphere(4))]
    before = scan_gain(scan, smooth, sphere(4), whole(scan)).overall
    after = scan_gain(
        moved[0], Mesh(scale * (smooth.vertices @ turn.T + shift), smooth.triangles), moved[1], whole(scan)
    ).overall
    assert after.distance.coarse == pytest.approx(scale * before.distance.coarse, rel=1e-6)
    assert after.distance.percent == pytest.approx(before.distance.percent, abs=1e-4)
    # A closest point on an edge may fall to either side, and normals are continuous across it.
    assert after.angle.coarse == pytest.approx(before.angle.coarse, abs=1e-3)
    assert after.angle.detailed == pytest.approx(before.angle.detailed, abs=1e-3)


def test_vertices_without_a_normal_count_for_the_distance_alone() -> None:
    smooth = sphere(3)
    loose = Mesh(np.concatenate([smooth.vertices, [[0, 0, 3.0]]]), smooth.triangles)
    last = len(smooth.vertices)
    found = scan_gain(loose, smooth, smooth, {"loose": np.array([last]), "both": np.array([0, last])})
    assert found.regions["loose"].distance.coarse == pytest.approx(2, abs=1e-9)
    assert np.isnan(found.regions["loose"].angle.coarse)
    assert np.isnan(found.regions["loose"].angle.percent)
    assert (found.regions["both"].vertices, found.regions["both"].with_normals) == (2, 1)
    assert found.regions["both"].angle.coarse == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("regions", "found"),
    [
        ({}, "regions: there are none"),
        ({"nose": np.zeros(0, np.int64)}, "region nose: it is empty"),
        ({"nose": np.array([0, 6])}, "region nose: names vertex 6, and the scan has 6"),
        ({"nose": np.array([-1, 0])}, "region nose: names vertex -1"),
    ],
)
def test_regions_that_are_none_are_told(regions: dict[str, np.ndarray], found: str) -> None:
    with pytest.raises(ValueError, match=found):
        scan_gain(sphere(0), sphere(0), sphere(0), regions)


def maps(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    predicted, truth = generator.normal(0, 1e-3, (2, 16, 16))
    return predicted, truth, generator.uniform(size=(16, 16)) < 0.5


def test_a_displacement_by_hand() -> None:
    truth = np.array([[3e-3, -3e-3], [3e-3, 7.0]])
    predicted = np.array([[1e-3, -1e-3], [1e-3, np.nan]])
    found = displacement_error(predicted, truth, np.array([[True, True], [True, False]]))
    assert found.correlation == pytest.approx(1, abs=1e-12)
    assert found.error == pytest.approx(2e-3, rel=1e-12)
    assert found.truth == pytest.approx(3e-3, rel=1e-12)
    assert found.ratio == pytest.approx(2 / 3, rel=1e-12)


@given(seed=SEEDS)
def test_displacement_agrees_with_numpy_and_leaves_out_the_rest(seed: int) -> None:
    predicted, truth, region = maps(seed)
    found = displacement_error(predicted, truth, region)
    expected = np.corrcoef(predicted[region], truth[region])[0, 1]
    assert found.correlation == pytest.approx(expected, abs=1e-9)
    assert found.error == pytest.approx(np.sqrt(((predicted - truth)[region] ** 2).mean()), rel=1e-9)
    elsewhere = displacement_error(np.where(region, predicted, 9), np.where(region, truth, np.inf), region)
    assert elsewhere == found


@given(seed=SEEDS, gain=st.floats(0.01, 100), shift=st.floats(-0.01, 0.01))
def test_correlation_sees_neither_scale_nor_shift_and_the_error_does(
    seed: int, gain: float, shift: float
) -> None:
    predicted, truth, region = maps(seed)
    before = displacement_error(predicted, truth, region).correlation
    after = displacement_error(gain * predicted + shift, truth, region)
    assert after.correlation == pytest.approx(before, abs=1e-6)
    assert displacement_error(-gain * predicted, truth, region).correlation == pytest.approx(
        -before, abs=1e-6
    )
    assert displacement_error(truth + shift, truth, region).error == pytest.approx(abs(shift), abs=1e-12)


def test_no_displacement_has_the_truth_for_an_error() -> None:
    _, truth, region = maps(0)
    found = displacement_error(np.zeros_like(truth), truth, region)
    assert found.ratio == pytest.approx(1, rel=1e-12)
    assert np.isnan(found.correlation)
    # A constant whose mean is rounded would correlate with something.
    assert np.isnan(displacement_error(np.full_like(truth, 1e-3 / 3), truth, region).correlation)
    assert np.isnan(displacement_error(truth, np.zeros_like(truth), region).ratio)


def test_single_precision_maps_are_summed_in_double() -> None:
    truth = np.zeros((256, 256), np.float32)
    truth[::2] = 1e-3
    found = displacement_error(truth + np.float32(1e-4), truth, np.ones_like(truth, bool))
    assert found.error == pytest.approx(1e-4, rel=1e-5)
    assert found.correlation == pytest.approx(1, abs=1e-9)


def test_maps_that_cannot_be_compared_are_told() -> None:
    predicted, truth, region = maps(0)
    with pytest.raises(ValueError, match="predicted: the mask chooses nothing"):
        displacement_error(predicted, truth, np.zeros_like(region))
    broken = truth.copy()
    broken[region] = np.nan
    with pytest.raises(ValueError, match=f"truth: {region.sum()} values in the mask are not finite"):
        displacement_error(predicted, broken, region)


def test_the_photo_is_compared_in_the_mask_alone() -> None:
    photo = np.full((4, 4, 3), 0.5, np.float32)
    coarse, detailed = photo.copy(), photo.copy()
    coarse[:2] += [0.4, -0.2, 0.0]
    detailed[:2, :, 0] -= 0.15
    detailed[2:] = 0
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    found = photo_gain(photo, coarse, detailed, mask)
    assert found.coarse == pytest.approx(0.2, rel=1e-6)
    assert found.detailed == pytest.approx(0.05, rel=1e-6)
    assert found.percent == pytest.approx(75, abs=1e-4)
    with pytest.raises(ValueError, match="photo: the mask chooses nothing"):
        photo_gain(photo, coarse, detailed, np.zeros((4, 4), bool))
    detailed[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="detailed: 1 values"):
        photo_gain(photo, coarse, detailed, mask)


@pytest.mark.parametrize(
    ("coarse", "detailed", "percent"),
    [(2.0, 1.0, 50), (2.0, 2.0, 0), (2.0, 3.0, -50), (2.0, 0.0, 100), (0.0, 0.0, 0), (0.0, 1.0, -np.inf)],
)
def test_percents(coarse: float, detailed: float, percent: float) -> None:
    assert Gain(coarse, detailed).percent == percent
