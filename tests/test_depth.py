"""The depth that the landmark network assumes of faces, taken out of the points of turned ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from calibrate_depth import INNER, laid_on

from deca.geometry import axis_angle_to_matrix
from deca.io.heads import default_head
from deca.io.networks import dense_landmark_mirror, face_landmarker
from deca.photo.landmarks import landmarks_in_region, region_of_points
from deca.training.synthetic.generator import SyntheticConfig, SyntheticFaces
from deca.training.synthetic.population import Population, PopulationConfig


def drawn(points: np.ndarray, yaw: float, roll: float) -> np.ndarray:
    """Points (metres, y up) of a turned and tilted face as a far camera sees it: pixels, y down, depth."""
    turns = torch.tensor([[0.0, yaw, 0.0], [0.0, 0.0, roll]], dtype=torch.float64)
    turned, tilted = axis_angle_to_matrix(turns).numpy()
    rotation = tilted @ turned
    return (points @ rotation.T) * [1500.0, -1500.0, -1500.0] + [320.0, 240.0, 5.0]


@pytest.mark.parametrize("yaw", [0.0, 0.7, -0.5, 1.2])
@pytest.mark.parametrize("roll", [0.0, 0.4, 3.0])
def test_a_mean_face_of_the_networks_depth_gets_its_own(yaw, roll):
    depths = face_landmarker().depths
    assumed = depths.points + depths.depths[:, None] * [0, 0, 1]
    found, true = drawn(assumed, yaw, roll), drawn(depths.points, yaw, roll)
    corrected = depths.corrected(found)
    np.testing.assert_allclose(corrected[:, :2], true[:, :2], atol=1e-6)
    np.testing.assert_array_equal(corrected[:, 2], found[:, 2])
    moved = np.linalg.norm((corrected - found)[INNER], axis=1).max()
    assert moved > 1 if yaw else moved < 1e-6


def test_depths_are_alike_on_both_sides_and_those_of_a_longer_nose():
    depths, mirror = face_landmarker().depths, dense_landmark_mirror()
    np.testing.assert_allclose(depths.depths[mirror], depths.depths, atol=1e-9)
    np.testing.assert_allclose(depths.points[mirror], depths.points * [-1, 1, 1], atol=1e-9)
    # The tip of the nose against the corners of the mouth.
    assert 0.005 < depths.depths[1] - depths.depths[[61, 291]].mean() < 0.015


def test_points_of_turned_faces_come_nearer_to_the_true_ones():
    random = np.random.default_rng(5)
    population = Population(default_head(), None, PopulationConfig(frontal_share=0.0, largest_yaw=0.8))
    config = SyntheticConfig(size=320, wrinkled=0.0, clear=True)
    faces = SyntheticFaces(population.data, population, (), (), config, face_landmarker())
    before, after = [], []
    for _ in range(30):
        face = faces.face(faces.subject(random, "nobody"), random, "face")
        assert face.truth is not None
        assert face.found_points is not None
        if abs(float(face.truth["pose"][1])) < 0.25:
            continue
        true = face.dense_landmarks.astype(float)
        region = region_of_points(face.found_points)
        found = landmarks_in_region(face.image, region, face_landmarker()).points
        for points, errors in ((found, before), (face_landmarker().depths.corrected(found), after)):
            errors.append(np.linalg.norm((laid_on(points[:, :2], true) - true)[INNER], axis=1).mean())
    assert len(before) > 10
    assert np.mean(after) < 0.93 * np.mean(before)
    assert np.mean(np.array(after) < before) > 0.7
