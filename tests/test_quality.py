"""Measures of a picture of a face: known turns, blur that grows, points that move."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deca.geometry import axis_angle_to_matrix
from deca.io.face_mesh import face_mesh
from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.face_area import face_area, face_size
from deca.photo.faces import find_faces
from deca.photo.landmarks import FaceLandmarks, FaceRegion
from deca.photo.quality import blur, disagreement, exposure, yaw_and_pitch


@given(st.floats(-85, 85), st.floats(-60, 60), st.floats(-60, 60), st.floats(10, 500))
def test_a_known_turn_is_found(yaw, pitch, roll, scale):
    turns = [[0.0, yaw, 0.0], [pitch, 0.0, 0.0], [0.0, 0.0, roll]]
    y, x, z = axis_angle_to_matrix(torch.tensor(turns, dtype=torch.float64).deg2rad()).numpy()
    vertices = face_mesh().vertices.astype(np.float64)
    points = vertices @ (y @ x @ z).T * scale * np.array([1.0, -1.0, -1.0]) + [50.0, 60.0, 0.0]
    assert yaw_and_pitch(points, vertices) == pytest.approx((yaw, pitch), abs=1e-6)


def test_a_face_turned_to_its_left_looks_to_the_viewers_right():
    vertices = face_mesh().vertices.astype(np.float64)
    R = axis_angle_to_matrix(torch.tensor([0.0, np.radians(30), 0.0], dtype=torch.float64)).numpy()
    turned = vertices @ R.T
    nose, cheeks = turned[4], turned[[234, 454]].mean(0)
    assert nose[0] > cheeks[0]


def test_blur_grows_with_blur_and_does_not_depend_on_brightness():
    blocks = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.float32)
    texture = cv2.resize(blocks, None, fx=12, fy=12, interpolation=cv2.INTER_NEAREST)
    pictures = [cv2.GaussianBlur(texture, (0, 0), deviation) for deviation in (0.7, 1.5, 3.0, 6.0)]
    found = [blur(picture.astype(np.uint8)) for picture in pictures]
    assert found == sorted(found)
    assert found[0] < 0.4
    assert found[-1] > 0.6
    assert blur((pictures[1] * 0.5).astype(np.uint8)) == pytest.approx(found[1], abs=0.02)
    assert blur(np.full((20, 20, 3), 7, np.uint8)) == 1.0
    sideways = cv2.GaussianBlur(texture, (41, 1), 6.0).astype(np.uint8)
    assert blur(sideways) > 0.6


def test_exposure_is_of_the_face_alone():
    points = face_mesh().vertices * [8.0, -8.0, -8.0] + [100.0, 100.0, 0.0]
    area = face_area(points, face_mesh(), 200, 1000.0)
    picture = np.full((*area.face.shape, 3), 255, np.uint8)
    picture[area.face] = 128
    assert exposure(picture, area) == pytest.approx((128 / 255, 0.0), abs=1e-3)
    rows, columns = np.nonzero(area.face)
    picture[rows[: len(rows) // 4], columns[: len(rows) // 4]] = 1
    assert exposure(picture, area)[1] == pytest.approx(0.25, abs=0.01)


def test_points_of_a_clear_face_stay_where_they_are():
    photo = read_photo(data_file("astronaut.jpg"))
    (face,) = find_faces(photo, face_detector(), face_landmarker())
    assert 0 < disagreement(photo, face.landmarks, face_landmarker()) < 0.015


def test_points_that_follow_the_square_disagree_by_its_shift():
    # A network that sees the same in every square: its points move as the square does.
    outline = face_mesh().vertices * [6.0, -6.0, -6.0] + [96.0, 96.0, 0.0]

    def network(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mirrored = outline * [-1.0, 1.0, 1.0] + [192.0, 0.0, 0.0]
        landmarker = face_landmarker()
        return np.stack([outline, mirrored[landmarker.mirror]]), np.full((2, 1), 9.0)

    landmarker = replace(face_landmarker(), network=network)
    region = FaceRegion(np.array([200.0, 200.0]), 192.0, 0.3)
    photo = np.zeros((400, 400, 3), np.uint8)
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turned = (outline[:, :2] - 96) @ np.array([[cosine, sine], [-sine, cosine]]) + 200
    points = np.concatenate([turned, outline[:, 2:]], 1)
    found = disagreement(photo, FaceLandmarks(points, 1.0, region), landmarker)
    assert found == pytest.approx(0.05 * 192 * np.sqrt(2) / face_size(points), rel=0.25)
