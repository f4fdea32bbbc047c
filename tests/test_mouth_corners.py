"""Corners of mouths: they go to where the line between the lips ends, and stay where no line is seen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import Float

from deca.apps.reconstruct import Reconstructor
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.parameters import Parameters
from deca.photo.faces import find_faces
from deca.photo.mouth_corners import with_corners
from deca.photo.sampling import Photo

LONDON = Path(__file__).parents[1].parent / "shared" / "photos" / "london"
RIGHT, LEFT = 61, 291
SIZE = 400
# Pixels; where the network would see the corners, and how far the line goes on.
CORNERS = np.array([[130.0, 200.0], [270.0, 200.0]])
WIDTH = 140.0


def landmarks() -> Float[np.ndarray, "468 3"]:
    """Corners and the middle of the lips; everything else far away."""
    points = np.full((468, 3), 390.0)
    points[[RIGHT, LEFT], :2] = CORNERS
    points[[13, 14], :2] = 200.0
    return points


def face(ends: tuple[tuple[float, float], tuple[float, float]], noise: float = 0.0, seed: int = 0) -> Photo:
    """Skin with one dark line through both corners to the ends."""
    picture = np.full((SIZE, SIZE), 170, np.uint8)
    points = np.array([ends[0], *CORNERS, ends[1]])
    # OpenCV counts pixel centres as integers, and sixteenths of them.
    line = np.rint((points - 0.5) * 16).astype(np.int32)
    cv2.polylines(picture, [line[None]], isClosed=False, color=80, thickness=3, lineType=cv2.LINE_AA, shift=4)
    grey = cv2.GaussianBlur(picture, (0, 0), 1.5)[..., None].repeat(3, 2)
    noisy = grey + noise * np.random.default_rng(seed).standard_normal(grey.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


def found(picture: Photo) -> Float[np.ndarray, "2 2"]:
    return with_corners(picture, landmarks())[[RIGHT, LEFT], :2]


def test_corners_go_to_the_ends_of_the_line() -> None:
    # One goes on level, the other rises: a smile of one side.
    ends = ((118.0, 200.0), (284.0, 190.0))
    corners = found(face(ends))
    assert np.linalg.norm(corners - ends, axis=1).max() < 0.03 * WIDTH
    assert corners[1, 1] < 194
    assert abs(corners[0, 1] - 200) < 1
    # And where it ends at the network's corners, they stay.
    assert (
        np.linalg.norm(found(face(((130.0, 200.0), (270.0, 200.0)))) - CORNERS, axis=1).max() < 0.02 * WIDTH
    )


def test_noise_moves_them_little() -> None:
    ends = ((118.0, 200.0), (284.0, 190.0))
    corners = np.array([found(face(ends, noise=4.0, seed=seed)) for seed in range(20)])
    assert corners.std(0).max() < 0.005 * WIDTH


def test_noise_moves_the_end_of_a_line_that_fades_little() -> None:
    ends = ((118.0, 200.0), (290.0, 200.0))
    across = np.linspace(0, 1, SIZE)[None, :, None]
    strength = np.clip((290 / SIZE - across) / (40 / SIZE), 0, 1)
    corners = []
    for seed in range(30):
        line = face(ends).astype(float)
        fading = 170 + (line - 170) * strength
        noise = 4 * np.random.default_rng(seed).standard_normal(line.shape)
        corners.append(found((fading + noise).clip(0, 255).round().astype(np.uint8)))
    assert np.std(corners, axis=0)[1].max() < 0.0037 * WIDTH


def test_what_is_near_goes_with_them_and_the_rest_stays() -> None:
    points = landmarks()
    points[0, :2], points[1, :2] = [262.0, 200.0], [218.0, 200.0]
    moved = with_corners(face(((118.0, 200.0), (284.0, 190.0))), points)
    steps = np.linalg.norm((moved - points)[[LEFT, 0, 1]], axis=1)
    assert steps[0] > steps[1] > 0.5 * steps[0]
    assert steps[2] == 0
    assert np.array_equal(moved[:, 2], points[:, 2])


def test_a_face_that_lies_on_its_side_has_the_same_corners() -> None:
    picture = face(((118.0, 200.0), (284.0, 190.0)))
    lying = np.ascontiguousarray(picture.transpose(1, 0, 2)[::-1])
    points = landmarks()
    turned = np.stack([points[:, 1], SIZE - points[:, 0], points[:, 2]], 1)
    corners = with_corners(lying, turned)[[RIGHT, LEFT], :2]
    assert np.stack([SIZE - corners[:, 1], corners[:, 0]], 1) == pytest.approx(found(picture), abs=0.05)


def test_corners_stay_where_no_line_is_seen() -> None:
    plain = np.full((SIZE, SIZE, 3), 170, np.uint8)
    assert np.array_equal(with_corners(plain, landmarks()), landmarks())
    assert np.array_equal(with_corners(np.zeros_like(plain), landmarks()), landmarks())
    # A mouth of a few pixels.
    small = landmarks() * 0.1
    assert np.array_equal(
        with_corners(cv2.resize(face(((118.0, 200.0), (284.0, 190.0))), (40, 40)), small), small
    )


@pytest.mark.skipif(not LONDON.is_dir(), reason="the photographs of ../shared are not here")
def test_slight_smiles_are_fitted() -> None:
    # Lips closed in both photos. The network's points alone let the corners of 011 rise by 2.5 mm over the
    # middle of the lips, and see nothing of the smile of 082, who lifts the left one.
    reconstructor = Reconstructor(texture_size=512)
    rises = {}
    for name in ("011", "082"):
        neutral, smiling = (fitted(reconstructor, f"{name}_{note}") for note in ("neutral", "smiling"))
        driven = neutral.replace(expression=smiling.expression, jaw=smiling.jaw)
        rises[name] = raised(reconstructor, driven) - raised(reconstructor, neutral)
    assert rises["011"].min() > 3.5
    assert rises["082"][1] > rises["082"][0] + 0.5


def fitted(reconstructor: Reconstructor, name: str) -> Parameters:
    (one,) = find_faces(read_photo(LONDON / f"{name}.jpg"), face_detector(), face_landmarker())
    return reconstructor.geometry(one)[1].parameters


def raised(reconstructor: Reconstructor, parameters: Parameters) -> Float[np.ndarray, " 2"]:
    """The corners' heights over the middle of the lips, right and left, on the unturned head; millimetres."""
    deca = reconstructor.deca
    level = parameters.replace(pose=parameters.pose * 0)
    points = deca.landmarks.dense(deca.head_model(level))[0].detach().numpy() * 1000
    return points[[RIGHT, LEFT], 1] - points[[13, 14], 1].mean()
