from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_faces import NO_AUGMENTATION, STORED, FaceMaker, training_config, write_faces

from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.networks import dense_landmark_mirror
from deca.io.shards import ShardFolder, ShardWriter
from deca.parameters import Parameters
from deca.photo.crop import crop_image, landmark_crop
from deca.photo.ibug import MIRROR
from deca.render.camera import project
from deca.training.augmentation import as_found, vary_picture
from deca.training.config import AugmentationConfig, ConfigError
from deca.training.data import FaceData, training_face
from deca.training.sampling import FolderOrder, RingOrder

SIZE = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data")
    write_faces(path / "faces", people=3, photos=3, truth=True)
    write_faces(path / "photos", people=4, photos=1, truth=False)
    return path


def face_data(folder: Path, small_head, **changes) -> FaceData:
    processes = {key: changes.pop(key) for key in ("process", "processes") if key in changes}
    config = training_config(folder, **changes).complete()
    return FaceData(config, [ShardFolder(path) for path in config.shards], small_head, SIZE, **processes)


def test_in_an_epoch_every_photo_comes_once_and_rings_are_of_one_person():
    person = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2])
    order = FolderOrder(person, 2, (0,))
    assert order.rings == 2 + 1 + 3
    for epoch in range(3):
        rings = [order[epoch * order.rings + number] for number in range(order.rings)]
        assert all(len(set(person[ring])) == 1 for ring in rings)
        assert set(np.concatenate(rings)) == set(range(9))
        # Only what fills a ring up comes twice.
        assert np.bincount(np.concatenate(rings)).max() == 2
    assert [order[n].tolist() for n in range(6)] != [order[n + 6].tolist() for n in range(6)]


def test_a_person_with_many_photos_never_stands_beside_the_same_photo():
    order = FolderOrder(np.zeros(8, int), 4, (3,))
    assert all(len(set(order[number].tolist())) == 4 for number in range(10))


def test_folders_are_mixed_by_weight_and_each_is_seen_in_its_own_order():
    people = [np.arange(50), np.arange(20), np.arange(7)]
    order = RingOrder(people, [6.0, 3.0, 1.0], 1, seed=5)
    drawn = [order[number] for number in range(2000)]
    folders = [folder for folder, _ in drawn]
    assert [folders.count(number) for number in range(3)] == [1200, 600, 200]
    # All of a folder's photos come before one comes again.
    for number, person in enumerate(people):
        photos = [int(photo[0]) for folder, photo in drawn if folder == number]
        for start in range(0, len(photos) - len(person), len(person)):
            assert sorted(photos[start : start + len(person)]) == list(range(len(person)))
    again = RingOrder(people, [6.0, 3.0, 1.0], 1, seed=5)
    assert again[1234][0] == drawn[1234][0]
    assert again[1234][1].tolist() == drawn[1234][1].tolist()
    other = RingOrder(people, [6.0, 3.0, 1.0], 1, seed=6)
    assert [other[number][0] for number in range(50)] != folders[:50]


def test_too_small_a_part_is_an_error():
    with pytest.raises(ValueError, match="less than one in 1000"):
        RingOrder([np.arange(3), np.arange(3)], [1.0, 1e-6], 1, 0)


def test_without_augmentation_the_crop_is_that_of_inference(small_head):
    face = FaceMaker(small_head).face(3, 0, truth=False)
    config = replace(NO_AUGMENTATION, scale_least=1.25, scale_most=1.25)
    found = training_face(face, SIZE, config, False, np.random.default_rng(0))
    crop = landmark_crop(face.landmarks, SIZE)
    np.testing.assert_allclose(found.image.transpose(2, 0, 1), crop_image(face.image, crop)[0], atol=1e-5)


def test_landmarks_mask_and_camera_follow_the_crop(small_head):
    maker = FaceMaker(small_head)
    face = maker.face(5, 1, truth=True)
    config = replace(NO_AUGMENTATION, shift=0.1)
    found = training_face(face, SIZE, config, False, np.random.default_rng(2))
    assert found.truth is not None
    truth = Parameters(**{name: torch.from_numpy(values)[None] for name, values in found.truth.items()})
    head = HeadModel(small_head)(truth)
    seen = project(HeadLandmarks(small_head)(head), truth.camera)[0, :, :2]
    np.testing.assert_allclose(found.landmarks[:, :2], seen, atol=1e-4)
    assert (found.landmarks[:, 2] == 1).all()
    dense = project(HeadLandmarks(small_head).dense(head), truth.camera)[0, :, :2]
    np.testing.assert_allclose(found.dense_landmarks[:, :2], dense, atol=1e-4)
    # The head drawn with the crop's camera covers what the crop shows.
    surface = maker.surface_model(head.vertices, project(head.vertices, truth.camera), SIZE, SIZE)
    drawn = surface.fragments.triangle_ids[0].numpy() >= 0
    shown = found.image.sum(2) > 0.2
    assert (drawn != shown).mean() < 0.03
    assert (found.skin[~drawn] < 0.6).mean() > 0.99


def test_colours_and_the_light_of_the_truth_go_together(small_head):
    face = FaceMaker(small_head).face(5, 1, truth=True)
    plain = replace(NO_AUGMENTATION, scale_least=1.25, scale_most=1.25)
    before = training_face(face, SIZE, plain, False, np.random.default_rng(0))
    after = training_face(face, SIZE, replace(plain, gain=0.3, colour=0.3), False, np.random.default_rng(0))
    assert before.truth is not None
    assert after.truth is not None
    gains = after.truth["lighting"][0] / before.truth["lighting"][0]
    assert np.ptp(gains) > 0.01
    unclipped = (after.image > 0.05) & (after.image < 0.99)
    np.testing.assert_allclose(after.image[unclipped], (before.image * gains)[unclipped], atol=1e-5)


def test_a_mirrored_face_has_its_landmarks_on_the_other_side(small_head):
    face = FaceMaker(small_head).face(5, 1, truth=False)
    config = replace(NO_AUGMENTATION, scale_least=1.25, scale_most=1.25)
    plain = training_face(face, SIZE, config, False, np.random.default_rng(0))
    mirrored = training_face(face, SIZE, config, True, np.random.default_rng(0))
    np.testing.assert_allclose(mirrored.image, plain.image[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(mirrored.skin, plain.skin[:, ::-1], atol=1e-5)
    expected = plain.landmarks[MIRROR] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored.landmarks, expected, atol=1e-5)
    expected = plain.dense_landmarks[dense_landmark_mirror()] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored.dense_landmarks, expected, atol=1e-5)
    # The subject's right eye, 36 to 41, is still on the viewer's left.
    assert mirrored.landmarks[36:42, 0].mean() < mirrored.landmarks[42:48, 0].mean()


def test_the_mirror_of_the_68_points_is_that_of_a_face_seen_from_the_front(small_head):
    model = HeadModel(small_head)
    neutral = model.neutral()
    points = HeadLandmarks(small_head).full(model(neutral))[0, 17:].numpy()
    mirror = MIRROR[17:] - 17
    distance = np.abs(points[mirror] * [-1, 1, 1] - points).max(1)
    # The head is coarse: its landmarks lie on flat triangles.
    assert distance.max() < 0.005
    assert (MIRROR[MIRROR] == np.arange(68)).all()
    assert (MIRROR[:17] == np.arange(16, -1, -1)).all()


def test_points_that_are_not_known_have_no_confidence(small_head):
    face = FaceMaker(small_head).face(5, 1, truth=False)
    landmarks = face.landmarks.copy()
    landmarks[40] = np.nan
    face = replace(face, landmarks=landmarks, dense_landmarks=np.zeros((0, 2), np.float32))
    found = training_face(face, SIZE, NO_AUGMENTATION, False, np.random.default_rng(0))
    assert found.landmarks[40].tolist() == [0, 0, 0]
    assert found.landmarks[:, 2].sum() == 67
    assert not found.dense_landmarks.any()


ALWAYS = AugmentationConfig(grey=1.0, blur=1.0, noise=1.0, jpeg=1.0, occluder=1.0)


def test_varied_pictures_stay_pictures_and_what_is_covered_is_no_skin():
    random = np.random.default_rng(0)
    picture, skin = random.random((SIZE, SIZE, 3), np.float32), np.ones((SIZE, SIZE), np.float32)
    found, seen, _ = vary_picture(picture, skin, True, ALWAYS, np.random.default_rng(1))
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert 0.02 < (seen == 0).mean() < 0.8
    # Known truth keeps its colours; others may lose them, and their skin with them.
    assert np.abs(found - found.mean(2, keepdims=True)).max() > 0.1
    grey, nothing, _ = vary_picture(
        picture, skin, False, replace(ALWAYS, jpeg=0.0, noise=0.0), np.random.default_rng(1)
    )
    assert np.ptp(grey, 2).max() < 1e-6
    assert not nothing.any()
    untouched, same, gains = vary_picture(picture, skin, False, NO_AUGMENTATION, np.random.default_rng(1))
    np.testing.assert_array_equal(untouched, picture)
    np.testing.assert_array_equal(same, skin)
    assert gains.tolist() == [1, 1, 1]


def test_found_points_are_near_the_true_ones_from_the_front_and_a_networks_in_profile():
    random = np.random.default_rng(0)
    true = np.concatenate([random.uniform(-0.5, 0.5, (468, 2)), np.ones((468, 1))], 1)
    network = true + np.array([0.3, 0.0, 0.0])
    front, profile = np.zeros(3), np.array([0.0, 1.2, 0.0])
    front = [as_found(true, network, front, random) for _ in range(60)]
    profile = [as_found(true, network, profile, random) for _ in range(60)]
    for drawn in (front, profile):
        none = [not one.any() for one in drawn]
        assert 0 < sum(none) < 20
    errors = [np.abs(one - true)[:, :2].mean() for one in front if one.any()]
    assert 0.001 < np.median(errors) < 0.02
    assert all(one is network for one in profile if one.any())
    assert as_found(true, None, np.array([0.0, 1.2, 0.0]), random)[:, 2].max() <= 1


def test_rows_are_rings_and_the_truth_is_that_of_their_faces(folder, small_head):
    batch = face_data(folder, small_head, batch_size=6, ring=3)[0]
    assert len(batch) == 6
    assert batch.ring == 3
    assert batch.image.shape == (6, 3, SIZE, SIZE)
    assert batch.person.tolist() == [batch.person[0]] * 3 + [batch.person[3]] * 3
    assert len(set(batch.names[:3])) == 3
    assert batch.truth.known.all()
    shape = batch.truth.parameters.shape
    assert (shape[:3] == shape[0]).all()
    assert (shape[3] != shape[0]).any()


def test_photos_and_known_faces_stand_in_one_batch(folder, small_head):
    shards = {str(folder / "faces"): 1.0, str(folder / "photos"): 1.0}
    batch = face_data(folder, small_head, shards=shards, batch_size=16, ring=2)[0]
    assert 0 < int(batch.truth.known.sum()) < 16
    assert not batch.truth.parameters.camera[~batch.truth.known].any()
    # Photos of people with one photo stand in a ring with themselves.
    first = (~batch.truth.known).nonzero()[0, 0] // 2 * 2
    assert batch.names[first] == batch.names[first + 1]


def same(first, second) -> bool:
    return (
        first.names == second.names
        and first.image.equal(second.image)
        and first.landmarks.equal(second.landmarks)
        and first.truth.parameters.camera.equal(second.truth.parameters.camera)
    )


def test_a_step_depends_on_the_seed_and_its_number_alone(folder, small_head):
    settings = {"augmentation": AugmentationConfig()}
    one = face_data(folder, small_head, **settings)
    expected = [one[number] for number in range(3)]
    two = face_data(folder, small_head, **settings)
    assert same(two[2], expected[2])
    assert not same(two[1], expected[2])
    found = list(two.batches(1, 3, 0))
    assert all(same(batch, other) for batch, other in zip(found, expected[1:], strict=True))
    assert not same(face_data(folder, small_head, seed=1, **settings)[0], expected[0])


WORKERS = """
from pathlib import Path
from small_head import make_small_head
from test_train_data import AugmentationConfig, face_data, same

if __name__ == "__main__":
    data = face_data(Path({folder!r}), make_small_head(), augmentation=AugmentationConfig())
    found = list(data.batches(1, 3, 2))
    assert len(found) == 2
    assert all(same(batch, data[number]) for number, batch in enumerate(found, 1))
    print("the same")
"""


def test_workers_read_the_same_faces(folder, tmp_path):
    # In a process of its own: whole runs of the tests ended in a segmentation fault where it was theirs.
    program = tmp_path / "workers.py"
    program.write_text(WORKERS.format(folder=str(folder)))
    found = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert found.stdout == "the same\n", found.stderr


def test_processes_and_accumulated_parts_share_a_step_out(folder, small_head):
    whole = face_data(folder, small_head, batch_size=8)[1]
    shares = [
        face_data(folder, small_head, batch_size=8, accumulation=2, devices=2, process=process, processes=2)[
            part
        ]
        for part in (2, 3)
        for process in (0, 1)
    ]
    assert torch.cat([share.image for share in shares]).equal(whole.image)
    assert sum((share.names for share in shares), ()) == whole.names


def test_displacements_come_with_the_detail_stage_alone(folder, small_head):
    batch = face_data(
        folder, small_head, stage="detail", batch_size=3, ring=3, initial_weights="coarse.safetensors"
    )[0]
    assert batch.truth.displacement.shape == (3, 1, 256, 256)
    assert batch.truth.displacement_known.all()
    assert 3e-4 < float(batch.truth.displacement.abs().max()) < 6e-4
    assert face_data(folder, small_head)[0].truth.displacement.shape == (4, 1, 1, 1)


def test_truth_of_another_head_is_refused(folder, small_head):
    with pytest.raises(ConfigError, match=r"head 'small'.*'other'"):
        face_data(folder, replace(small_head, name="other"))
    fewer = replace(small_head, albedo_basis=small_head.albedo_basis[:3])
    with pytest.raises(ConfigError, match=r"albedo of shape \(6,\)"):
        face_data(folder, fewer)[0]


def test_people_who_are_held_back_are_not_learnt_from(folder, small_head, tmp_path):
    maker = FaceMaker(small_head)
    with ShardWriter(tmp_path / "many") as writer:
        for person in range(12):
            writer.add(maker.face(person, person, truth=False))
    shards = {str(tmp_path / "many"): 1.0}
    everyone = face_data(folder, small_head, shards=shards).photos
    fewer = face_data(folder, small_head, shards=shards, hold_back=True).photos
    assert everyone == [12]
    assert 0 < fewer[0] < 12


def test_faces_were_stored_at_the_size_that_the_tests_believe(folder):
    assert ShardFolder(folder / "faces").read(0).image.shape == (STORED, STORED, 3)
