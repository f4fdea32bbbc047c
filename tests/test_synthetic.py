from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.synthesise import synthesise, textured_heads
from deca.apps.synthesise_options import SynthesiseOptions
from deca.geometry import axis_angle_to_matrix
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.io.networks import face_landmarker
from deca.io.shards import ShardFolder
from deca.parameters import Parameters
from deca.render.camera import image_to_pixels, project
from deca.training.synthetic.generator import SyntheticConfig, SyntheticFaces, perspective, skin_triangles
from deca.training.synthetic.population import ExpressionSamples, Population, PopulationConfig

CONSOLE = Console(quiet=True)


@pytest.fixture(scope="module")
def faces() -> SyntheticFaces:
    config = SyntheticConfig(size=96, perspective=0.0, clear=True, wrinkled=1.0)
    return SyntheticFaces(default_head(), Population(default_head()), config=config)


def drawn(faces, seed: int):
    subject = faces.subject(np.random.default_rng(seed), "someone")
    return faces.face(subject, np.random.default_rng([seed, 1]), "one")


def truth(face) -> Parameters:
    return Parameters(**{name: torch.from_numpy(values)[None] for name, values in face.truth.items()})


def test_a_seed_gives_the_same_face_and_another_seed_another(faces):
    first, again, other = drawn(faces, 3), drawn(faces, 3), drawn(faces, 4)
    assert (first.image == again.image).all()
    assert (first.truth["shape"] == again.truth["shape"]).all()
    assert (first.image != other.image).mean() > 0.5


def test_landmarks_are_those_of_the_true_parameters(faces):
    face = drawn(faces, 5)
    parameters = truth(face)
    head = HeadModel(default_head())(parameters)
    points = HeadLandmarks(default_head())(head)
    expected = image_to_pixels(project(points, parameters.camera)[0, :, :2], 96, 96)
    np.testing.assert_allclose(face.landmarks, expected.numpy(), atol=1e-3)
    # The stored square is twice 1.1 boxes of the landmarks wide.
    side = (face.landmarks.max(0) - face.landmarks.min(0)).mean() * 2.2
    assert side == pytest.approx(96, abs=0.1)


def test_skin_lies_on_the_face_unless_something_covers_it(faces):
    shares, cheeks = [], []
    for seed in range(20, 28):
        face = drawn(faces, seed)
        shares.append((face.skin > 0).mean())
        places = np.floor(face.dense_landmarks[[4, 50, 280]]).astype(int).clip(0, 95)
        cheeks.append(face.skin[places[:, 1], places[:, 0]].max() > 0)
        assert not face.skin[:3].any()
    assert np.mean(shares) > 0.04
    assert np.mean(cheeks) > 0.6


def test_wrinkles_are_a_displacement_within_ten_millimetres(faces):
    face = drawn(faces, 7)
    assert face.displacement.shape == (256, 256)
    assert 0 < np.abs(face.displacement).max() < 0.01


def test_people_keep_their_shape_from_picture_to_picture(faces):
    subject = faces.subject(np.random.default_rng(8), "someone")
    first, second = (faces.face(subject, np.random.default_rng(number), "one") for number in (1, 2))
    assert (first.truth["shape"] == second.truth["shape"]).all()
    assert (first.truth["expression"] != second.truth["expression"]).any()
    assert (first.truth["pose"] != second.truth["pose"]).any()


def test_yaws_reach_profiles_and_angles_are_those_of_the_axes():
    population = Population(default_head())
    random = np.random.default_rng(0)
    poses = axis_angle_to_matrix(torch.from_numpy(np.stack([population.pose(random) for _ in range(2000)])))
    yaw = torch.rad2deg(torch.atan2(-poses[:, 2, 0], torch.hypot(poses[:, 0, 0], poses[:, 1, 0])))
    assert yaw.abs().max() > 80
    assert (yaw.abs() < 30).float().mean() > 0.4
    assert yaw.mean().abs() < 3


def test_expressions_come_from_samples_or_from_chance_within_limits():
    data = default_head()
    samples = ExpressionSamples(np.full((1, 52), 0.3, np.float32), np.zeros((1, 3), np.float32))
    always = Population(data, samples, PopulationConfig(seen_expressions=1.0))
    random = np.random.default_rng(0)
    smile, jaw_open = (data.expression_names.index(name) for name in ("mouthSmileLeft", "jawOpen"))
    found = np.stack([always.expression(random)[0] for _ in range(200)])
    assert 0.05 < found[:, smile].min() < found[:, smile].max() < 0.43
    assert not found[:, jaw_open].any()
    free = np.stack([Population(data).expression(random)[0] for _ in range(200)])
    assert free.min() >= 0
    assert free.max() <= 1


def test_perspective_makes_near_things_larger_and_leaves_the_plane():
    points = torch.tensor([[[0.1, 0.2, 0.0], [0.1, 0.2, 0.1]]])
    seen = perspective(points, 0.5)
    torch.testing.assert_close(seen[0, 0], points[0, 0])
    torch.testing.assert_close(seen[0, 1], torch.tensor([0.125, 0.25, 0.1]))
    assert perspective(points, None) is points


def test_the_landmark_network_finds_a_face_that_looks_at_it(faces):
    found = SyntheticFaces(faces.data, faces.population, config=faces.config, landmarker=face_landmarker())
    for number in range(20):
        subject = found.subject(np.random.default_rng(number), "someone")
        face = found.face(subject, np.random.default_rng([3, number]), "key")
        if np.abs(face.truth["pose"]).max() < 0.3:
            break
    assert face.found_points.shape == (468, 2)
    size = np.ptp(face.dense_landmarks)
    assert np.linalg.norm(face.found_points - face.dense_landmarks, axis=1).mean() < 0.1 * size


def test_a_head_without_actions_has_faces_too(small_head):
    config = SyntheticConfig(size=48, clear=False, wrinkled=0.5)
    faces = SyntheticFaces(small_head, Population(small_head), config=config)
    face = drawn(faces, 1)
    assert face.image.shape == (48, 48, 3)
    assert skin_triangles(small_head).max() == 1


def test_the_command_goes_on_where_it_was_stopped(tmp_path):
    def run(out: str, count: int) -> ShardFolder:
        options = SynthesiseOptions(out=tmp_path / out, count=count, photos_a_person=2, size=48)
        synthesise(options, CONSOLE)
        return ShardFolder(tmp_path / out)

    run("stopped", 3)
    stopped, whole = run("stopped", 5), run("whole", 5)
    assert len(stopped) == 5
    for index in range(5):
        assert (stopped.read(index).image == whole.read(index).image).all()
    assert [entry.identity for entry in whole.entries[:4]] == [
        "synthetic-0-0",
        "synthetic-0-0",
        "synthetic-0-1",
        "synthetic-0-1",
    ]


def test_folders_without_faces_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no reconstructed faces"):
        textured_heads(tmp_path, default_head())
    with pytest.raises(UsageError, match="at least 1"):
        synthesise(SynthesiseOptions(out=tmp_path, count=0), CONSOLE)


def test_reconstructed_faces_lend_texture_and_name(tmp_path):
    from PIL import Image

    from deca.io.parameter_files import FaceRecord, write_parameters
    from deca.photo.crop import square_crop

    folder = tmp_path / "someone"
    folder.mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "texture.png")
    neutral = HeadModel(default_head()).neutral()
    crop = square_crop(np.array([50.0, 50.0]), 40.0, 32)
    write_parameters(
        folder / "parameters.json", FaceRecord(neutral, crop, (100, 100), 0.9, {}, None), default_head()
    )
    (folder / "about.json").write_text(json.dumps({"identity": "who", "licence": "CC0", "source": "a.jpg"}))
    (head,) = textured_heads(tmp_path, default_head())
    assert (head.identity, head.licence, head.source) == ("who", "CC0", "a.jpg")
    config = SyntheticConfig(size=48, photographed=1.0, wrinkled=0.0, clear=True)
    faces = SyntheticFaces(default_head(), Population(default_head()), [head], config=config)
    face = drawn(faces, 2)
    assert face.about["licence"] == "CC0"
    assert "someone" in face.about["source"]
