"""The REALY benchmark against the official program's results, and bending against known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deca.evaluation import realy
from deca.evaluation.optimal_step import Keypoints, bend

CASES = Path(__file__).parents[1].parent / "shared" / "evaluation"
# A unit of the cases is a centimetre.
UNIT = 10.0


@pytest.mark.parametrize("region", realy.REGIONS)
@pytest.mark.parametrize("name", ["realy_s1", "realy_s2", "realy_s3"])
def test_errors_are_the_official_ones(name, region):
    path = CASES / "realy" / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the evaluation cases are not in ../shared")
    with np.load(path, allow_pickle=False) as archive:
        case = dict(archive)
    tolerance = json.loads((CASES / "summary.json").read_text())["realy"][name][region]
    triangles, truths = case["pred_f"].astype(np.int64), case["kp_gt"].astype(np.float64)
    vertices = case["pred_v"].astype(np.float64)
    places = realy.KeypointPlaces.of(case["kp_rows"], triangles)
    laid = realy.globally_laid(places(vertices), truths)(vertices)
    np.testing.assert_allclose(laid[::4] * UNIT, case["global_pred_v_sub"] * UNIT, atol=2e-4, rtol=0)
    scan = realy.Region(case[f"{region}_v"].astype(np.float64), case[f"{region}_f"].astype(np.int64))
    found = realy.evaluate_region(region, scan, truths, laid, triangles, places)
    assert found.rigid_steps == case[f"{region}_rigid_steps"]
    assert found.solves == case[f"{region}_solves"]
    np.testing.assert_allclose(
        found.laid(laid)[::4] * UNIT,
        case[f"{region}_aligned_pred_v_sub"] * UNIT,
        atol=tolerance["tol_aligned_mm"],
        rtol=0,
    )
    np.testing.assert_allclose(
        found.bent * UNIT, case[f"{region}_deformed_v"] * UNIT, atol=tolerance["tol_deformed_mm"], rtol=0
    )
    assert found.error * UNIT == pytest.approx(
        float(case[f"{region}_error"]) * UNIT, abs=tolerance["tol_mm"], rel=0
    )


def sheet(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A flat square mesh, four units wide."""
    x, y = np.meshgrid(np.linspace(-2, 2, count), np.linspace(-2, 2, count))
    rows, columns = np.meshgrid(np.arange(count - 1), np.arange(count - 1), indexing="ij")
    corner = (rows * count + columns).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + count + 1], 1),
            np.stack([corner, corner + count + 1, corner + count], 1),
        ]
    )
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], 1), triangles


def test_a_sheet_moved_by_a_shift_is_bent_onto_it():
    vertices, triangles = sheet()
    target = vertices + np.array([0.05, 0.02, 0.1])
    bent = bend(vertices, triangles, target, None)
    np.testing.assert_allclose(bent.vertices, target, atol=1e-5)
    assert bent.solves >= 3


def test_keypoints_pull_their_vertices_before_points_do():
    vertices, triangles = sheet()
    target = vertices + np.array([0.0, 0.0, 0.4])
    corners = np.array([0, 11, 132, 143])
    bent = bend(vertices, triangles, target, Keypoints(corners, target[corners]))
    np.testing.assert_allclose(bent.vertices, target, atol=1e-3)


def test_keypoint_places_weigh_the_corners_of_their_triangles():
    triangles = np.array([[0, 1, 2], [2, 1, 3]])
    rows = np.tile([1.0, 0.25, 0.5], (realy.KEYPOINTS, 1))
    vertices = np.eye(4, 3) * 8
    found = realy.KeypointPlaces.of(rows, triangles)(vertices)
    np.testing.assert_allclose(found, np.tile([0.0, 4.0, 2.0], (realy.KEYPOINTS, 1)))
