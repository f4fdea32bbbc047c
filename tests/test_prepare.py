"""`deca prepare`: from photos to shards, whatever stops it on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from light_photos import write_photos
from PIL import Image
from rich.console import Console

from deca.apps.drop_list import DROPPED
from deca.apps.errors import OutputError, UsageError
from deca.apps.face_preparation import beyond_limits, sample_key
from deca.apps.prepare import SETTINGS, prepare
from deca.apps.prepare_options import PrepareOptions, QualityLimits
from deca.io.files import data_file
from deca.io.images import read_photo
from deca.io.maps import write_displacement
from deca.io.networks import face_detector, face_landmarker
from deca.io.shards import MANIFEST, ShardFolder, StoredFace
from deca.photo.faces import find_faces
from deca.photo.quality import Quality
from deca.photo.sampling import transform_points
from deca.render.camera import image_to_pixels, project

PATIENCE = 300.0
GOOD = Quality(200.0, 0.4, 0.5, 0.0, 10.0, 0.0, 0.1, 0.01, 0.0)


def options(folder: Path, **changes: object) -> PrepareOptions:
    return replace(PrepareOptions(folder=folder, out=folder.parent / "shards", workers=1), **changes)  # pyright: ignore


def run(options: PrepareOptions) -> tuple[int, list[str]]:
    """Failures, and the lines that a user sees."""
    console = Console(width=500, force_terminal=False, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    failures = prepare(options, console)
    return failures, console.export_text().splitlines()


def faces(folder: Path) -> dict[str, StoredFace]:
    """The faces of a folder of shards, by photo."""
    shards = ShardFolder(folder)
    return {entry.photo: shards.read(index) for index, entry in enumerate(shards.entries)}


def dropped(folder: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (folder / DROPPED).read_text().splitlines()]
    return {line["photo"]: line["reason"] for line in lines}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two photos of one person, and one of another."""
    (tmp_path / "photos" / "ann").mkdir(parents=True)
    (tmp_path / "photos" / "bob").mkdir()
    with Image.open(data_file("astronaut.jpg")) as astronaut:
        astronaut.save(tmp_path / "photos" / "ann" / "1.jpg")
        astronaut.crop((60, 0, 400, 340)).resize((510, 510)).save(tmp_path / "photos" / "ann" / "2.png")
        astronaut.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "photos" / "bob" / "1.jpg")
    return tmp_path / "photos"


def test_a_stored_face_is_the_square_around_its_landmarks(photos, tmp_path):
    assert run(options(photos, licence="CC0", source="NASA"))[0] == 0
    stored = faces(tmp_path / "shards")
    assert {name: face.about["identity"] for name, face in stored.items()} == {
        "ann/1.jpg": "ann",
        "ann/2.png": "ann",
        "bob/1.jpg": "bob",
    }
    photo = read_photo(photos / "ann" / "2.png")
    (found,) = find_faces(photo, face_detector(), face_landmarker())
    face = stored["ann/2.png"]
    assert face.image.shape == (320, 320, 3)
    assert (face.about["source"], face.about["licence"]) == ("NASA", "CC0")
    T_photo_crop = np.array(face.about["T_photo_crop"])
    seen = transform_points(T_photo_crop, face.landmarks)
    assert np.abs(seen - found.ibug68[:, :2]).max() < 1e-3
    assert np.abs(transform_points(T_photo_crop, face.dense_landmarks) - found.dense468[:, :2]).max() < 1e-3
    # The box of the landmarks, enlarged by 1.1 and twice, around its centre.
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    assert (high - low).mean() * 2.2 == pytest.approx(320, abs=0.01)
    assert (low + high) / 2 == pytest.approx([160, 160], abs=0.01)
    # Its pixels are the photo's.
    pixel = transform_points(np.linalg.inv(T_photo_crop), np.array([[200.5, 120.5]]))[0]
    around = face.image[int(pixel[1]) - 2 : int(pixel[1]) + 3, int(pixel[0]) - 2 : int(pixel[0]) + 3]
    assert np.abs(around.mean((0, 1)) - photo[118:123, 198:203].mean((0, 1))).max() < 12
    nose, eye = face.landmarks[30].astype(int), face.landmarks[36:42].mean(0).astype(int)
    assert face.skin[nose[1], nose[0]] > 200
    assert face.skin[eye[1], eye[0]] == 0
    assert face.about["quality"]["size"] == pytest.approx(
        np.sqrt(np.ptp(found.dense468[:, :2], 0).prod()), rel=1e-4
    )


def test_the_same_command_does_nothing_more_and_new_photos_are_added(photos, tmp_path):
    run(options(photos))
    before = contents(tmp_path / "shards")
    failures, said = run(options(photos))
    assert failures == 0
    assert len(said) == 3
    assert all("done before, skipped" in line for line in said)
    assert contents(tmp_path / "shards") == before
    (photos / "ann" / "2.png").rename(photos / "bob" / "3.png")
    assert run(options(photos))[0] == 0
    assert list(faces(tmp_path / "shards")) == ["ann/1.jpg", "ann/2.png", "bob/1.jpg", "bob/3.png"]
    assert (
        contents(tmp_path / "shards").items()
        >= {name: data for name, data in before.items() if name != MANIFEST}.items()
    )


def test_bad_files_fail_and_photos_without_a_usable_face_are_dropped(photos, tmp_path):
    (photos / "ann" / "text.jpg").write_text("no picture")
    Image.new("RGB", (200, 200), "teal").save(photos / "bob" / "wall.png")
    failures, said = run(options(photos, least_size=130.0))
    assert failures == 1
    assert sum("text.jpg: not a picture file" in line for line in said) == 1
    reasons = {"ann/text.jpg": "failed", "bob/wall.png": "no face", "ann/1.jpg": "size", "bob/1.jpg": "size"}
    assert dropped(tmp_path / "shards") == reasons
    assert list(faces(tmp_path / "shards")) == ["ann/2.png"]
    lines = [json.loads(line) for line in (tmp_path / "shards" / DROPPED).read_text().splitlines()]
    (small,) = [line for line in lines if line["photo"] == "ann/1.jpg"]
    assert small["quality"]["size"] == pytest.approx(100, abs=3)
    assert small["said"] == f"size is {small['quality']['size']:.3g}, less than 130"
    # What failed is tried again, what was dropped is not; nothing is told twice.
    before = contents(tmp_path / "shards")
    failures, said = run(options(photos, least_size=130.0))
    assert failures == 1
    assert sum("skipped" in line for line in said) == 4
    assert contents(tmp_path / "shards") == before
    Image.new("RGB", (200, 200), "teal").save(photos / "ann" / "text.jpg")
    assert run(options(photos, least_size=130.0))[0] == 0
    assert dropped(tmp_path / "shards") == {**reasons, "ann/text.jpg": "no face"}


def test_a_photo_of_two_people_is_dropped_unless_one_is_far_larger(photos, tmp_path):
    with Image.open(data_file("astronaut.jpg")) as astronaut:
        for name, width in (("two", 512), ("one", 256)):
            both = Image.new("RGB", (1024, 512))
            both.paste(astronaut, (0, 0))
            both.paste(astronaut.resize((width, width)), (512, 0))
            both.save(photos / "bob" / f"{name}.jpg")
    run(options(photos))
    assert dropped(tmp_path / "shards") == {"bob/two.jpg": "rival"}
    found = faces(tmp_path / "shards")["bob/one.jpg"]
    assert found.about["quality"]["size"] > 90
    assert 0.15 < found.about["quality"]["rival"] < 0.35


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"size": 59.0}, "size"),
        ({"blur": 0.8}, "blur"),
        ({"exposure": 0.01}, "exposure"),
        ({"exposure": 0.99}, "exposure"),
        ({"clipped": 0.6}, "clipped"),
        ({"yaw": -91.0}, "yaw"),
        ({"occlusion": 0.7}, "occlusion"),
        ({"disagreement": 0.04}, "disagreement"),
        ({"rival": 0.9}, "rival"),
    ],
)
def test_each_limit_drops_and_says_what_it_measured(change, reason):
    drop = beyond_limits("x.jpg", replace(GOOD, **change), QualityLimits())
    assert (drop and drop.reason) == reason
    assert drop is None or f"{abs(change[reason]):g}" in drop.said


def test_shards_of_other_settings_are_not_added_to(photos, tmp_path):
    run(options(photos))
    before = contents(tmp_path / "shards")
    with pytest.raises(UsageError, match="were made with size 320, not 256; choose another --out"):
        run(options(photos, size=256))
    with pytest.raises(UsageError, match="were made with folder"):
        run(options(photos / "ann", identity="photo", out=tmp_path / "shards"))
    assert contents(tmp_path / "shards") == before
    assert run(options(photos, workers=2, faces_a_shard=7))[0] == 0
    assert contents(tmp_path / "shards") == before
    assert run(options(photos, workers=3, out=tmp_path / "others"))[0] == 0
    assert contents(tmp_path / "others") == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"workers": 0}, "--workers 0: at least one"),
        ({"faces_a_shard": 0}, "--faces-a-shard 0"),
        ({"skin_classes": (1,)}, "--skin-classes: name the network"),
        ({"segmenter": Path("none.onnx")}, "--segmenter: say which"),
        ({"segmenter": Path("none.onnx"), "skin_classes": (1,)}, r"none\.onnx: no such network"),
        ({"truth": "nobody"}, "--truth: no head 'nobody'"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(photos, tmp_path, change, said):
    with pytest.raises(UsageError, match=said):
        run(options(photos, **change))
    assert not (tmp_path / "shards").exists()


def test_a_folder_that_cannot_be_written_ends_the_run(photos, tmp_path):
    (tmp_path / "shards").write_text("a file")
    with pytest.raises(OutputError, match="shards: cannot be written"):
        run(options(photos))


def test_keys_of_like_names_differ():
    names = ["a/b.jpg", "a-b.jpg", "a/b.png", "A/b.jpg", "é/b.jpg", "v.mp4#1", "v.mp4#2", "x" * 300 + ".jpg"]
    keys = [sample_key(name) for name in names]
    assert len(set(keys)) == len(keys)
    assert keys[0].startswith("a-b-")
    assert all(len(key) <= 80 for key in keys)


def command(folder: Path, out: Path, *more: str) -> list[str]:
    deca = str(Path(sys.executable).with_name("deca"))
    return [deca, "prepare", str(folder), "--out", str(out), "--identity", "photo", "--workers", "1", *more]


def stopped(run: list[str], when: Callable[[], bool], how: signal.Signals) -> int:
    """The exit status of a command that is stopped when something has happened."""
    # A test that runs in the background of a shell would hand on that Ctrl-C is ignored.
    process = subprocess.Popen(
        run, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    try:
        end = time.monotonic() + PATIENCE
        while not when() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(how)
        return process.wait(PATIENCE)
    finally:
        process.kill()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_so_does_an_interrupted_one(tmp_path):
    paths = write_photos(tmp_path / "photos", 24, 700)
    out = tmp_path / "shards"
    run = command(tmp_path / "photos", out, "--faces-a-shard", "4")
    assert stopped(run, lambda: (out / "shard-000001.tar").exists(), signal.SIGKILL) == -signal.SIGKILL
    killed = len(ShardFolder(out))
    assert 4 <= killed < 24
    assert stopped(run, lambda: (out / f"shard-{killed // 4:06}.tar").exists(), signal.SIGINT) == 130
    interrupted = ShardFolder(out)
    assert killed < len(interrupted) < 24
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    # The last shard is closed, however few faces it holds: nothing that was done is lost.
    assert len(list(out.glob("*.tar"))) == -(-len(interrupted) // 4)
    assert subprocess.run(run, check=False).returncode == 0
    stored = faces(out)
    assert sorted(stored) == sorted(path.name for path in paths)
    assert len(ShardFolder(out)) == 24


def write_truth(folder: Path, name: str, **changes: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
    """A portrait of the default head with its truth beside it: its true landmarks, and its vertices."""
    from portrait import side_light, take_portrait

    portrait = take_portrait(lighting=side_light(0.1), **changes)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(portrait.photo).save(folder / f"{name}.png")
    parameters = {key: value[0].numpy() for key, value in vars(portrait.parameters).items()}
    np.savez(folder / f"{name}.truth.npz", **parameters)  # pyright: ignore[reportArgumentType]
    return portrait.landmarks_photo.numpy(), portrait.vertices


def test_the_truth_of_a_synthetic_photo_comes_along_with_the_camera_of_the_square(tmp_path):
    pose, camera = torch.tensor([[0.05, 0.3, 0.0]]), torch.tensor([[5.0, 0.02, 0.03]])
    landmarks_photo, vertices = write_truth(tmp_path / "photos" / "one", "a", pose=pose, camera=camera)
    displacement = np.random.default_rng(0).uniform(-1e-3, 1e-3, (32, 32)).astype(np.float32)
    write_displacement(tmp_path / "photos" / "one" / "a.displacement.png", displacement)
    write_truth(tmp_path / "photos" / "two", "b")
    assert run(options(tmp_path / "photos", truth="default", most_occlusion=1.0))[0] == 0
    shards = ShardFolder(tmp_path / "shards")
    assert {entry.photo: (entry.truth, entry.head) for entry in shards.entries} == {
        "one/a.png": (True, "default"),
        "two/b.png": (True, "default"),
    }
    face = faces(tmp_path / "shards")["one/a.png"]
    assert face.truth is not None
    assert face.displacement is not None
    assert np.abs(face.displacement - displacement).max() < 2e-8
    assert (face.truth["pose"] == pose[0].numpy()).all()
    # The head seen by the stored camera lies where it lies in the whole picture.
    whole = image_to_pixels(project(vertices, camera)[..., :2], 640, 640)[0].numpy()
    stored_camera = torch.from_numpy(face.truth["camera"])[None]
    square = image_to_pixels(project(vertices, stored_camera)[..., :2], 320, 320)[0].numpy()
    assert np.abs(transform_points(np.array(face.about["T_photo_crop"]), square) - whole).max() < 1e-2
    # Landmarks are the network's, near the truth.
    seen = transform_points(np.array(face.about["T_photo_crop"]), face.dense_landmarks)
    assert 0 < np.abs(seen - landmarks_photo).mean() < 4


def test_a_truth_that_is_missing_or_of_another_head_fails(tmp_path):
    write_truth(tmp_path / "photos" / "one", "a")
    path = tmp_path / "photos" / "one" / "a.truth.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "shape": np.zeros(7, np.float32)})  # pyright: ignore[reportArgumentType]
    failures, said = run(options(tmp_path / "photos", truth="default"))
    assert failures == 1
    assert "a.truth.npz: shape missing, unknown or not as the head default has it" in said[0]
    path.unlink()
    failures, said = run(options(tmp_path / "photos", truth="default"))
    assert failures == 1
    assert "a.truth.npz: no such file; --truth wants one beside each photo" in said[0]


def test_trees_of_published_data_sets_become_shards(tmp_path):
    with Image.open(data_file("astronaut.jpg")) as astronaut:
        for name in (
            "vggface2/train/n000012/0001_01.jpg",
            "bupt/African/m.0abc/1.jpg",
            "celeba/img_align_celeba/000007.jpg",
            "voxceleb2/id00012/21Uxsk56VDQ/00001/30.jpg",
        ):
            (tmp_path / name).parent.mkdir(parents=True)
            astronaut.save(tmp_path / name)
    (tmp_path / "celeba" / "identity_CelebA.txt").write_text("000007.jpg 2880\n")
    expected = {
        "vggface2": ("n000012", "VGGFace2"),
        "bupt": ("m.0abc", "BUPT-Balancedface"),
        "celeba": ("2880", "CelebA"),
        "voxceleb2": ("id00012", "VoxCeleb2"),
    }
    for layout, (identity, source) in expected.items():
        out = tmp_path / "shards" / layout
        assert run(options(tmp_path / layout, layout=layout, out=out))[0] == 0
        (entry,) = ShardFolder(out).entries
        assert (entry.identity, entry.source) == (identity, source)
    (face,) = faces(tmp_path / "shards" / "bupt").values()
    assert face.about["group"] == "African"


def test_videos_give_a_few_frames_that_are_done_together(tmp_path):
    pytest.importorskip("av")
    from videos import write_video

    photo = cv2.resize(read_photo(data_file("astronaut.jpg"))[:340, 60:400], (320, 320))
    blurred = cv2.GaussianBlur(photo, (0, 0), 4)
    folder = tmp_path / "dev" / "id00012" / "21Uxsk56VDQ"
    write_video(folder / "00001.mp4", [photo if number in (5, 14) else blurred for number in range(20)])
    write_video(folder / "00002.mp4", [np.zeros_like(photo)] * 8)
    (folder / "00003.mp4").write_bytes(b"damaged")
    chosen = options(tmp_path / "dev", layout="voxceleb2", frames=2)
    failures, said = run(chosen)
    assert failures == 1
    assert any("00003.mp4: not a readable video" in line for line in said)
    stored = faces(tmp_path / "shards")
    start = "id00012/21Uxsk56VDQ/0000"
    assert sorted(stored) == [f"{start}1.mp4#14", f"{start}1.mp4#5"]
    assert {face.about["identity"] for face in stored.values()} == {"id00012"}
    assert {face.about["video"] for face in stored.values()} == {"21Uxsk56VDQ"}
    assert dropped(tmp_path / "shards")[f"{start}2.mp4"] == "no face"
    failures, said = run(chosen)
    assert failures == 1
    assert sum("skipped" in line for line in said) == 2
    assert len(ShardFolder(tmp_path / "shards")) == 2


def test_a_segmenter_takes_the_place_of_the_colours(photos, tmp_path):
    from test_segmenters import write_network

    network = write_network(tmp_path / "all.onnx", size=32)
    chosen = options(photos, segmenter=network, skin_classes=(0, 1, 2), segmenter_input="unit")
    assert run(chosen)[0] == 0
    face = faces(tmp_path / "shards")["ann/1.jpg"]
    eye = face.landmarks[36:42].mean(0).astype(int)
    assert face.skin[eye[1], eye[0]] == 255
    assert face.skin[2, 2] == 0
    settings = json.loads((tmp_path / "shards" / SETTINGS).read_text())
    assert settings["skin_classes"] == [0, 1, 2]
