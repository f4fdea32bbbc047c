"""Mouths: closed lips are seen as closed whatever their tone, teeth as together or apart; fits follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deca.animation.landmark_motion import LandmarkMotion
from deca.animation.person import Person
from deca.apps.reconstruct import Reconstructor
from deca.fitting.landmarks import fit_landmarks
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.io.images import read_photo
from deca.io.maps import encode_unit
from deca.io.networks import face_detector, face_landmarker
from deca.model.deca import Deca
from deca.parameters import Parameters
from deca.photo.faces import FoundFace, find_faces
from deca.photo.mouth import LOWER_LIP, UNKNOWN_MOUTH, UPPER_LIP, Mouth, see_mouth, with_lips
from deca.photo.sampling import Photo, transform_points
from deca.render.camera import project
from deca.render.pictures import over

LONDON = Path(__file__).parents[1].parent / "shared" / "photos" / "london"
SIZE = 400
SMILE = {
    f"{name}{side}": value
    for name, value in (("mouthSmile", 0.5), ("mouthUpperUp", 0.8), ("mouthLowerDown", 0.8))
    for side in ("Left", "Right")
}


@pytest.fixture(scope="module")
def reconstructor() -> Reconstructor:
    return Reconstructor(texture_size=512)


def picture_of(deca: Deca, tone: float, jaw: float, actions: dict[str, float]) -> Photo:
    """A head in studio light, as a photo."""
    neutral = deca.head_model.neutral()
    albedo = torch.zeros_like(neutral.albedo)
    albedo[0, 0] = tone
    expression = torch.zeros_like(neutral.expression)
    for name, value in actions.items():
        expression[0, default_head().expression_names.index(name)] = value
    looks = neutral.replace(albedo=albedo, expression=expression, jaw=torch.tensor([[jaw, 0.0, 0.0]]))
    texture = encode_unit(deca.albedo_model(albedo)[0].numpy())
    person = Person(deca, looks, torch.zeros(1, 1, 512, 512), texture, None)
    return over(person.seen(looks, SIZE).lit(), np.full((SIZE, SIZE, 3), 90, np.uint8))


def found_in(picture: Photo) -> FoundFace:
    (face,) = find_faces(picture, face_detector(), face_landmarker())
    return face


def gap(points: np.ndarray) -> float:
    """Between the middles of the lips, over the face's height."""
    return float(np.linalg.norm((points[13] - points[14])[:2]) / np.ptp(points[:, 1]))


def fitted_gap(deca: Deca, parameters: Parameters) -> float:
    return gap(project(deca.landmarks.dense(deca.head_model(parameters)), parameters.camera)[0].numpy())


@torch.no_grad()
@pytest.mark.parametrize("tone", [-2.0, 2.0])
def test_rendered_mouths_are_seen_and_fitted_as_they_are(reconstructor: Reconstructor, tone: float) -> None:
    deca = reconstructor.deca
    closed = found_in(picture_of(deca, tone, 0.0, {}))
    smiling = found_in(picture_of(deca, tone, 0.0, SMILE))
    opened = found_in(picture_of(deca, tone, 0.2, {}))
    assert gap(closed.dense468) < 0.01
    assert min(closed.teeth_together, smiling.teeth_together) > 0.9
    assert opened.teeth_together < 0.2
    assert gap(smiling.dense468) > 0.02
    fits = [reconstructor.geometry(face)[1].parameters for face in (closed, smiling, opened)]
    assert fitted_gap(deca, fits[0]) < 0.015
    assert fitted_gap(deca, fits[1]) > 0.02
    jaws = [float(parameters.jaw[0, 0]) for parameters in fits]
    assert max(jaws[:2]) < 0.02
    assert jaws[2] > 0.1


@torch.no_grad()
def test_teeth_that_are_together_hold_the_jaw(reconstructor: Reconstructor) -> None:
    # The astronaut smiles, and her teeth fill the opening.
    photo = read_photo(data_file("astronaut.jpg"))
    face = found_in(photo)
    assert face.teeth_together > 0.9
    mouth = see_mouth(photo, face.dense468)
    assert mouth.lips_apart == 1
    assert np.array_equal(with_lips(face.dense468, mouth), face.dense468)
    crop, held = reconstructor.geometry(face)
    points = torch.from_numpy(transform_points(crop.T_image_photo, face.dense468[:, :2]))
    free = fit_landmarks(reconstructor.deca.head_model, points)
    assert float(held.parameters.jaw[0, 0]) < 0.5 * float(free.parameters.jaw[0, 0])
    for fit in (held, free):
        assert fitted_gap(reconstructor.deca, fit.parameters) == pytest.approx(gap(face.dense468), rel=0.15)


def test_lips_meet_at_their_line_and_stay_where_they_touch() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(0, 100, (468, 3))
    points[10], points[152] = [50.0, 0.0, 0.0], [50.0, 100.0, 0.0]
    points[list(LOWER_LIP)] = points[list(UPPER_LIP)] + [0.0, 5.0, 0.0]
    moved = with_lips(points, Mouth(lips_apart=0.0, line=0.2, teeth_together=1.0))
    lips = [*UPPER_LIP, *LOWER_LIP]
    others = np.setdiff1d(np.arange(468), lips)
    assert np.array_equal(moved[others], points[others])
    left = 0.004 * np.linalg.norm(points[10, :2] - points[152, :2])
    gaps = moved[list(LOWER_LIP)] - moved[list(UPPER_LIP)]
    assert gaps[:, 1] == pytest.approx(np.full(9, left))
    upper_moved = (moved - points)[list(UPPER_LIP), 1]
    assert upper_moved == pytest.approx(np.full(9, 0.2 * (5 - left)))
    again = with_lips(moved, Mouth(lips_apart=0.0, line=0.2, teeth_together=1.0))
    assert again == pytest.approx(moved)


def test_a_face_that_lies_on_its_side_has_the_same_mouth() -> None:
    photo = read_photo(data_file("astronaut.jpg"))
    points = found_in(photo).dense468
    lying = np.ascontiguousarray(photo.transpose(1, 0, 2)[::-1])
    turned = np.stack([points[:, 1], photo.shape[1] - points[:, 0], points[:, 2]], 1)
    upright, found = see_mouth(photo, points), see_mouth(lying, turned)
    assert found.lips_apart == upright.lips_apart
    assert found.teeth_together == pytest.approx(upright.teeth_together, abs=0.02)


def test_a_mouth_of_few_pixels_is_unknown() -> None:
    points = np.random.default_rng(0).uniform(0, 30, (468, 3))
    points[61], points[291] = [5.0, 20.0, 0.0], [20.0, 20.0, 0.0]
    assert see_mouth(np.zeros((40, 40, 3), np.uint8), points) == UNKNOWN_MOUTH


@pytest.mark.skipif(not LONDON.is_dir(), reason="the photographs of ../shared are not here")
def test_people_with_closed_lips_are_not_seen_to_part_them() -> None:
    # The landmark network alone sees two of three of these apart by more than a hundredth.
    paths = sorted(LONDON.glob("*_neutral.jpg"))[::4]
    gaps = [gap(found_in(read_photo(path)).dense468) for path in paths]
    assert np.mean(np.array(gaps) < 0.01) > 0.75
    assert max(gaps) < 0.015
    # Smiles that show teeth.
    smiles = [found_in(read_photo(LONDON / f"{name}_smiling.jpg")) for name in ("002", "025", "096", "130")]
    assert min(face.teeth_together for face in smiles) > 0.9
    assert min(gap(face.dense468) for face in smiles) > 0.06


@torch.no_grad()
def test_so_does_the_motion_of_a_known_person(reconstructor: Reconstructor) -> None:
    face = found_in(read_photo(data_file("astronaut.jpg")))
    crop, fit = reconstructor.geometry(face)
    points = transform_points(crop.T_image_photo, face.dense468[:, :2])
    solver = LandmarkMotion(reconstructor.deca.head_model, fit.parameters)
    jaws = []
    for together in (1.0, 0.0):
        solver.start(points, together)
        parameters = solver.step(points, together)
        jaws.append(float(parameters.jaw[0, 0]))
        assert fitted_gap(reconstructor.deca, parameters) == pytest.approx(gap(face.dense468), rel=0.15)
    assert jaws[0] < 0.5 * jaws[1]
