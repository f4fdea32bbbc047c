"""Detection: decoding and suppression by hand, and faces of every size, place and turn in real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo import detect as detection
from deca.photo.detect import (
    INPUT_SIZE,
    decode,
    detect,
    near_views,
    overlap,
    weighted_suppression,
    whole_view,
)
from deca.photo.faces import find_faces, largest_face
from deca.photo.sampling import sample_smoothly, scaling, transform_points, translation


@pytest.fixture(scope="module")
def astronaut():
    return read_photo(data_file("astronaut.jpg"))


@pytest.fixture(scope="module")
def face(astronaut):
    (found,) = faces_of(astronaut)
    return found


def faces_of(photo):
    return find_faces(photo, face_detector(), face_landmarker())


def error(found, points):
    """Mean distance of the 468 points in percent of the outer-eye distance."""
    eyes = np.linalg.norm(points[33, :2] - points[263, :2])
    return 100 * np.linalg.norm(found.dense468[:, :2] - points[:, :2], axis=1).mean() / eyes


def drawn(photo, T_photo_target, height, width):
    return np.round(255 * sample_smoothly(photo, T_photo_target, height, width)).astype(np.uint8)


def test_decoding_one_anchor():
    regressions = np.zeros((48 * 48, 16), np.float32)
    logits = np.full(48 * 48, -9, np.float32)
    anchor = 5 * 48 + 7
    logits[anchor] = 2
    regressions[anchor] = [1, 2, 20, 30, *range(12)]
    boxes, key_points, scores = decode(regressions, logits)
    x, y = 7.5 * 4, 5.5 * 4
    np.testing.assert_allclose(boxes, [[x + 1 - 10, y + 2 - 15, x + 1 + 10, y + 2 + 15]])
    np.testing.assert_allclose(key_points[0], np.arange(12).reshape(6, 2) + np.array([x, y]))
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-2)))


def test_suppression_averages_a_cluster_by_score_and_keeps_the_rest():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], float)
    key_points = np.arange(36).reshape(3, 6, 2).astype(float)
    merged_boxes, merged_points, scores = weighted_suppression(boxes, key_points, np.array([0.6, 0.9, 0.7]))
    np.testing.assert_allclose(merged_boxes, [[0.6, 0, 10.6, 10], [50, 50, 60, 60]])
    np.testing.assert_allclose(merged_points[0], 0.4 * key_points[0] + 0.6 * key_points[1])
    np.testing.assert_allclose(scores, [0.9, 0.7])


def test_overlap_of_a_quarter():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [0, 0, 0, 0]], float)
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 1 / 7, 0, 0])


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), turns=st.integers(0, 3))
def test_the_whole_view_holds_the_photo_and_touches_its_longer_sides(height, width, turns):
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
    seen = transform_points(np.linalg.inv(whole_view(height, width, turns)), corners)
    assert seen.min() == pytest.approx(0, abs=1e-6)
    assert seen.max() == pytest.approx(INPUT_SIZE)
    np.testing.assert_allclose(seen.mean(0), INPUT_SIZE / 2)


@given(height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_near_views_cover_the_photo_with_room_to_share(height, width):
    longer = max(height, width)
    corners = np.array([[0.0, 0.0], [INPUT_SIZE, INPUT_SIZE]])
    squares = np.array([transform_points(T, corners).reshape(4) for T in near_views(height, width)])
    for axis, length in ((0, width), (1, height)):
        starts, ends = np.unique(squares[:, axis].round(6)), np.unique(squares[:, axis + 2].round(6))
        assert starts[0] <= 0
        assert ends[-1] >= length - 1e-6
        np.testing.assert_allclose(ends - starts, longer / 2, atol=1e-5)
        assert (ends[:-1] - starts[1:] >= longer / 8 - 1e-5).all()


def test_a_view_is_turned_back_into_the_photo():
    """A detector that always sees one box in the view's top left corner."""

    def network(pictures):
        regressions = np.zeros((1, 48 * 48, 16), np.float32)
        regressions[0, 0, :4] = [8, 18, 20, 40]
        logits = np.full((1, 48 * 48, 1), -9, np.float32)
        logits[0, 0] = 5
        return regressions, logits

    photo = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    expected = {
        0: [0, 0, 20, 40],
        3: [INPUT_SIZE - 40, 0, INPUT_SIZE, 20],
        2: [INPUT_SIZE - 20, INPUT_SIZE - 40, INPUT_SIZE, INPUT_SIZE],
        1: [0, INPUT_SIZE - 20, 40, INPUT_SIZE],
    }
    for turns, box in expected.items():
        (found,) = detect(photo, [whole_view(INPUT_SIZE, INPUT_SIZE, turns)], network)
        np.testing.assert_allclose(found.box, box, atol=1e-9)


def test_the_astronaut(astronaut, face):
    """Key points in the photo as anyone can read them off it."""
    right_eye, left_eye, nose, mouth = face.detection.key_points[:4]
    np.testing.assert_allclose([right_eye, left_eye], [[202, 108], [247, 108]], atol=8)
    np.testing.assert_allclose([nose, mouth], [[224, 130], [226, 151]], atol=10)
    assert face.detection.score > detection.SCORE_THRESHOLD
    assert face.landmarks.presence > 0.999


def test_every_quarter_turn(astronaut, face):
    height = astronaut.shape[0]
    points = face.dense468[:, :2]
    for turns in (1, 2, 3):
        # A quarter turn counter-clockwise takes (x, y) to (y, width - x); the photo is square.
        points = np.stack([points[:, 1], height - points[:, 0]], 1)
        (found,) = faces_of(np.ascontiguousarray(np.rot90(astronaut, turns)))
        assert error(found, points) < 4


@pytest.mark.parametrize("degrees", [20, 45, 110, 160, 230, 300])
def test_any_turn(astronaut, face, degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    T_photo_target = translation(256.0, 256.0) @ turn @ translation(-362.0, -362.0)
    (found,) = faces_of(drawn(astronaut, T_photo_target, 724, 724))
    assert error(found, transform_points(np.linalg.inv(T_photo_target), face.dense468)) < 6


@pytest.mark.parametrize(
    ("share", "x", "y"), [(0.9, 0.5, 0.5), (0.3, 0.2, 0.8), (0.1, 0.9, 0.1), (0.03, 0.3, 0.3)]
)
def test_any_size_and_place(astronaut, face, share, x, y):
    """The face takes a share of a picture of 1500 pixels, at a place far from the middle."""
    size = 1500
    centre = (face.box[:2] + face.box[2:]) / 2
    scale = (face.box[3] - face.box[1]) / (share * size)
    T_photo_target = translation(*centre) @ scaling(scale) @ translation(-x * size, -y * size)
    found = largest_face(faces_of(drawn(astronaut, T_photo_target, size, size)))
    assert error(found, transform_points(np.linalg.inv(T_photo_target), face.dense468)) < 6


def test_a_face_that_fills_the_photo(astronaut, face):
    left, top, right, bottom = face.box.round().astype(int)
    (found,) = faces_of(np.ascontiguousarray(astronaut[top:bottom, left:right]))
    assert error(found, face.dense468 - [left, top, 0]) < 8


def test_several_faces_from_left_to_right(astronaut, face):
    small = drawn(astronaut, scaling(2.0), 256, 256)
    photo = np.zeros((512, 1024, 3), np.uint8)
    photo[128:384, :256] = small
    photo[:, 512:] = astronaut
    photo[128:384, 256:512] = small
    faces = faces_of(photo)
    assert len(faces) == 3
    for found, (scale, offset) in zip(
        faces, [(0.5, [0, 128]), (0.5, [256, 128]), (1, [512, 0])], strict=True
    ):
        assert error(found, face.dense468[:, :2] * scale + offset) < 6
    assert largest_face(faces) is faces[2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (300, 2), (400, 300)])
def test_no_face(shape):
    assert faces_of(np.full((*shape, 3), 128, np.uint8)) == []
    assert faces_of(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)) == []
