"""Landmarks: regions by hand, the laws of mirroring, and the manual points of real people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.photo.faces import find_faces
from deca.photo.ibug import DENSE_INDICES, SECOND_WEIGHTS, ibug68
from deca.photo.landmarks import (
    FaceRegion,
    landmarks_in_region,
    mirror_indices,
    region_of_points,
)
from deca.photo.sampling import transform_points

LONDON = Path(__file__).parents[1].parent / "shared" / "photos" / "london"
# The places that the manual outlines and iBUG share: iBUG index -> outline index.
MANUAL = {
    8: 129,
    33: 55,
    36: 18,
    39: 22,
    42: 23,
    45: 27,
    48: 87,
    50: 89,
    51: 90,
    52: 91,
    54: 93,
    57: 106,
    62: 96,
}
MANUAL[66] = 101
# Pairs of iBUG points that are each other's mirror image.
MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


@pytest.fixture(scope="module")
def canonical():
    with np.load(data_file("face_geometry_468.npz"), allow_pickle=False) as geometry:
        return geometry["vertices"].astype(np.float64)


def test_mirror_indices(canonical):
    mirror = mirror_indices(canonical)
    np.testing.assert_array_equal(mirror[mirror], np.arange(468))
    np.testing.assert_allclose(canonical[mirror], canonical * [-1, 1, 1], atol=1e-6)


def test_ibug_points_mirror_each_other(canonical):
    points = ibug68(canonical)
    np.testing.assert_allclose(points[MIRROR], points * [-1, 1, 1], atol=0.02)


def test_ibug_points_lie_where_the_scheme_says(canonical):
    points = ibug68(canonical)
    right, left = points[36:42], points[42:48]
    assert right[:, 0].max() < 0 < left[:, 0].min()
    # Upper lids above lower lids, brows above eyes, nose tip foremost, upper lip above lower, chin lowest.
    assert (points[[37, 38, 43, 44], 1] > points[[41, 40, 47, 46], 1]).all()
    assert points[17:27, 1].min() > points[36:48, 1].max()
    assert points[:, 2].argmax() == 30
    assert (points[[61, 62, 63], 1] > points[[67, 66, 65], 1]).all()
    assert (points[[50, 51, 52], 1] > points[[61, 62, 63], 1]).all()
    assert points[:, 1].argmin() == 8


@pytest.mark.parametrize("line", [range(17), range(17, 22), range(22, 27), range(27, 31)])
def test_ibug_lines_have_equal_steps(canonical, line):
    steps = np.linalg.norm(np.diff(ibug68(canonical)[list(line), :2], axis=0), axis=1)
    assert steps.max() < 1.12 * steps.min()


def test_ibug_weights_and_indices():
    assert DENSE_INDICES.shape == (68, 2)
    assert ((SECOND_WEIGHTS >= 0) & (SECOND_WEIGHTS < 1)).all()
    assert len(np.unique(DENSE_INDICES[:, 0] * 1000 + DENSE_INDICES[:, 1])) == 68


@given(
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    size=st.floats(1, 500),
    angle=st.floats(-3.1, 3.1),
)
def test_region_follows_the_points(x, y, size, angle):
    """A level face turned, scaled and moved has the region of the level one, turned, scaled and moved."""
    level = np.random.default_rng(3).uniform(0, 1, (468, 2))
    level[33], level[263] = (0.3, 0.4), (0.7, 0.4)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = size * np.array([[cosine, -sine], [sine, cosine]])
    expected, found = region_of_points(level), region_of_points(level @ turn.T + [x, y])
    np.testing.assert_allclose(found.centre, turn @ expected.centre + [x, y], atol=1e-6)
    assert found.side == pytest.approx(size * expected.side)
    assert found.angle == pytest.approx(angle)
    corners = np.array([[0.0, 0.0], [192.0, 192.0]])
    span = np.diff(transform_points(found.T_photo_region(192), corners), axis=0)
    assert np.linalg.norm(span) == pytest.approx(np.sqrt(2) * found.side)


def test_output_is_mapped_into_the_photo():
    """A network that always answers the same point, and its mirror image for the mirrored picture."""

    def network(pictures):
        assert pictures.shape == (2, 3, 192, 192)
        points = np.zeros((2, 468, 3), np.float32)
        points[0], points[1] = (48, 96, -10), (144, 96, -10)
        return points.reshape(2, 1404, 1, 1), np.full((2, 1, 1, 1), 3, np.float32)

    region = FaceRegion(np.array([100.0, 50.0]), 384.0, np.pi / 2)
    photo = np.zeros((100, 200, 3), np.uint8)
    found = landmarks_in_region(
        photo, region, replace(face_landmarker(), network=network, mirror=np.arange(468))
    )
    # A quarter of the side left of the middle, the square's x axis pointing down in the photo.
    np.testing.assert_allclose(found.points, np.tile([[100.0, -46.0, -20.0]], (468, 1)), atol=1e-9)
    assert found.presence == pytest.approx(1 / (1 + np.exp(-3)))


def test_a_mirrored_photo_gives_mirrored_points(canonical):
    photo = read_photo(data_file("astronaut.jpg"))
    (face,) = find_faces(photo, face_detector(), face_landmarker())
    region = face.landmarks.region
    width = photo.shape[1]
    mirrored_region = FaceRegion(
        np.array([width - region.centre[0], region.centre[1]]), region.side, -region.angle
    )
    mirrored = landmarks_in_region(np.ascontiguousarray(photo[:, ::-1]), mirrored_region, face_landmarker())
    expected = face.landmarks.points[mirror_indices(canonical)] * [-1, 1, 1] + [width, 0, 0]
    np.testing.assert_allclose(mirrored.points, expected, atol=2e-3)


def test_depth_is_smaller_where_nearer():
    photo = read_photo(data_file("astronaut.jpg"))
    (face,) = find_faces(photo, face_detector(), face_landmarker())
    nose_tip, ears = face.ibug68[30, 2], face.ibug68[[0, 16], 2]
    assert nose_tip < 0 < ears.min()


def test_manual_points_of_twelve_people():
    photos = sorted(LONDON.glob("*_neutral.jpg"))[::7]
    if not photos:
        pytest.skip("the London photos are not beside the project")
    errors = []
    for path in photos:
        outline = np.array(json.loads(path.with_suffix(".points189.json").read_text()), float)
        (face,) = find_faces(read_photo(path), face_detector(), face_landmarker())
        eyes = np.linalg.norm(outline[MANUAL[36]] - outline[MANUAL[45]])
        difference = face.ibug68[list(MANUAL), :2] - outline[list(MANUAL.values())]
        errors.append(np.linalg.norm(difference, axis=1) / eyes)
    assert np.mean(errors) < 0.021
    assert np.mean(errors, 0).max() < 0.04
