"""Videos: faces followed, smoothed and given to people; and `deca track` from file to files."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console
from videos import write_video

from deca.animation.person import Person
from deca.animation.skin_light import SkinLight
from deca.animation.smoothing import SmoothingConfig, scaled, smoothed
from deca.apps.errors import OutputError, UsageError
from deca.apps.stream import ahead
from deca.apps.track import track as track_video
from deca.apps.track_faces import Track, follow_faces, people_of
from deca.apps.track_options import TrackOptions
from deca.head.model import Head
from deca.io.files import data_file
from deca.io.heads import default_head
from deca.io.images import read_photo
from deca.io.maps import encode_unit
from deca.io.motion_files import read_motion
from deca.io.networks import face_detector, face_landmarker
from deca.io.picture_files import PictureFile
from deca.io.videos import new_video, video_frames
from deca.model.deca import Deca
from deca.photo.crop import Crop
from deca.photo.follow import FaceFollower
from deca.photo.sampling import sample_smoothly, scaling
from deca.render.camera import image_to_pixels, project
from deca.render.lighting import lamp, shade, turned
from deca.render.pictures import over

RATE = 30.0


def test_smoothing_stills_noise_and_keeps_a_blink() -> None:
    times = np.arange(90) / RATE
    blink = -0.05 * np.clip(1 - np.abs(np.arange(90) - 45) / 3, 0, 1)  # of a face's size, a fifth of a second
    noise = 0.001 * np.random.default_rng(0).standard_normal((90, 50))
    found = smoothed(blink[:, None] + noise, times)
    assert found[:40].std() < 0.45 * noise[:40].std()
    assert found[45].mean() < 0.8 * blink[45]
    # Nothing comes late: the deepest frame is the blink's own.
    assert abs(int(found.mean(1).argmin()) - 45) <= 1


def test_smoothing_knows_the_size_of_a_face_and_fills_what_it_is_given() -> None:
    times = np.arange(30) / RATE
    values = np.random.default_rng(1).standard_normal((30, 4)) * 0.01
    room = np.empty_like(values)
    small = smoothed(values, times, SmoothingConfig(), room)
    large = smoothed(200 * values, times, scaled(SmoothingConfig(), 200.0))
    assert small is room
    assert np.allclose(large, 200 * small)


def test_items_come_ahead_in_order_and_so_do_errors() -> None:
    assert list(ahead(range(50))) == list(range(50))

    def breaking():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ahead(breaking()))


def track(first: int, length: int, seed: int, noise: float = 0.3) -> Track:
    face = np.random.default_rng(seed).standard_normal(300)
    own = np.random.default_rng(first).standard_normal(300)
    nowhere = Path("none")
    return Track(first, nowhere, PictureFile(nowhere), length=length, colour=face + noise * own)


def test_stretches_go_to_people_by_their_colours() -> None:
    tracks = [track(0, 40, seed=1), track(10, 50, seed=2), track(60, 30, seed=1), track(95, 3, seed=1)]
    people = people_of(tracks, least=5)
    assert [[one.first for one in person] for person in people] == [[0, 60], [10]]
    # Two who are seen at once are two, however alike.
    twins = people_of([track(0, 40, seed=1), track(20, 40, seed=1)], least=5)
    assert len(twins) == 2


def test_pictures_of_any_size_are_kept_in_one_file(tmp_path: Path) -> None:
    kept = PictureFile(tmp_path / "faces.jpegs")
    photo = read_photo(data_file("astronaut.jpg"))
    pictures = [photo[40:200, 150:290], photo[:31, :77]]
    for picture in pictures:
        kept.append(picture)
    assert len(kept) == 2
    for number in (1, 0):
        apart = kept.read(number).astype(float) - pictures[number]
        assert np.abs(apart).mean() < 1.5
        assert np.abs(apart.mean((0, 1))).max() < 0.3
    (tmp_path / "faces.jpegs").write_bytes(bytes(100))
    with pytest.raises(OSError, match="picture 0 is damaged"):
        kept.read(0)


def test_the_kept_picture_of_a_face_has_its_place_in_the_frame(tmp_path: Path) -> None:
    follower = FaceFollower(face_detector(), face_landmarker())
    large = cv2.resize(still(), (1440, 1440), interpolation=cv2.INTER_CUBIC)
    for name, frame in (("small", still()), ("large", large)):
        (tmp_path / name).mkdir()
        (found,), _, size = follow_faces([(0.0, frame)], follower, tmp_path / name)
        assert size == (len(frame), len(frame))
        picture = found.pictures.read(0)
        assert max(picture.shape) <= 640
        back = sample_smoothly(
            frame, np.linalg.inv(found.T_picture_frame[0]), picture.shape[0], picture.shape[1]
        )
        assert np.abs(255 * back - picture).mean() < 2


def still(shift: float = 0.0, mirrored: bool = False) -> np.ndarray:
    photo = read_photo(data_file("astronaut.jpg"))
    frame = cv2.resize(photo[:, ::-1] if mirrored else photo, (480, 480), interpolation=cv2.INTER_AREA)
    M = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
    return cv2.warpAffine(frame, M, (480, 480), borderMode=cv2.BORDER_REPLICATE)


def test_a_face_is_followed_through_movement_and_ended_by_a_cut_or_a_gap() -> None:
    follower = FaceFollower(face_detector(), face_landmarker())
    empty = np.full((480, 480, 3), 90, np.uint8)
    frames = [*(still(2.0 * k) for k in range(4)), empty, still(), still(), still(mirrored=True)]
    tracks = [[face.track for face in follower.step(frame)] for frame in frames]
    assert tracks == [[0], [0], [0], [0], [], [1], [1], [2]]


@torch.no_grad()
def test_the_light_of_skin_is_found_again() -> None:
    deca = Deca(default_head())
    neutral = deca.head_model.neutral()
    albedo = deca.albedo_model(neutral.albedo)
    texture = encode_unit(albedo[0].numpy())
    truth = 0.6 * neutral.lighting[0] + lamp(torch.tensor([1.0, 0.3, 0.6]), torch.tensor([0.4, 0.38, 0.35]))
    lit = neutral.replace(lighting=truth[None])
    person = Person(deca, lit, torch.zeros(1, 1, 512, 512), texture, None)
    picture = over(person.seen(lit, 224).lit(), np.full((224, 224, 3), 90, np.uint8))
    vertices = deca.head_model(lit).vertices
    points = image_to_pixels(
        project(deca.landmarks.dense(Head(vertices, torch.zeros(1, 1, 3, 4))), lit.camera)[0, :, :2], 224, 224
    )
    found = SkinLight(deca.head_model, albedo, neutral.lighting[0])(
        picture, Crop(224, scaling(1.0)), points.numpy(), vertices
    )
    directions = torch.tensor([[0.0, 0.0, 1.0], [0.6, 0.2, 0.75], [-0.6, 0.2, 0.75], [0.0, 0.5, 0.85]])
    normals = torch.nn.functional.normalize(directions, dim=-1)
    wanted = shade(normals, truth)
    assert (shade(normals, found) - wanted).abs().max() < 0.08
    assert (shade(normals, neutral.lighting[0]) - wanted).abs().max() > 0.2


def test_light_turns_as_a_whole() -> None:
    light = lamp(torch.tensor([0.4, 0.5, 0.7]), torch.tensor([0.9, 0.8, 0.7]))
    normals = torch.nn.functional.normalize(
        torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    about = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    assert torch.allclose(shade(normals @ about.mT, turned(light, about)), shade(normals, light), atol=1e-5)
    # A far lamp shades by the cosine, as near as three bands come to it.
    towards = torch.nn.functional.normalize(torch.tensor([[0.4, 0.5, 0.7]]), dim=-1)
    assert shade(towards, light)[0].tolist() == pytest.approx([0.96, 0.85, 0.75], abs=0.06)
    assert shade(-towards, light).abs().max() < 0.07


def test_videos_are_written_whole_and_read_with_their_times(tmp_path: Path) -> None:
    frames = [np.full((41, 61, 3), 10 * k, np.uint8) for k in range(8)]
    with new_video(tmp_path / "a.mp4", 25.0) as append:
        for frame in frames:
            append(frame)
    read = list(video_frames(tmp_path / "a.mp4"))
    assert [round(time * 25) for time, _ in read] == list(range(8))
    assert read[0][1].shape == (40, 60, 3)
    assert abs(int(read[-1][1].mean()) - 70) < 4

    def broken() -> None:
        with new_video(tmp_path / "b.mp4", 25.0) as append:
            append(frames[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


@pytest.mark.slow
def test_a_video_becomes_people_with_motions(tmp_path: Path) -> None:
    frames = [still(1.5 * np.sin(k / 3)) for k in range(14)]
    write_video(tmp_path / "me.mp4", frames, rate=25)
    command = ["track", "me.mp4", "--out", "tracked", "--texture-size", "512"]
    deca = Path(sys.executable).with_name("deca")
    ran = subprocess.run([deca, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "tracked" / "track.json").read_text())
    assert [person["frames"] for person in summary["people"]] == [[[0, 13]]]
    folder = tmp_path / "tracked" / "person_1"
    assert {"head.glb", "motion.glb", "motion.csv", "motion.npz", "texture.png"} <= {
        path.name for path in folder.iterdir()
    }
    motion = read_motion(folder / "motion.npz", default_head()).parameters
    assert (motion.shape == motion.shape[:1]).all()
    moved = motion.camera[:, 0] * motion.camera[:, 1] * 240
    assert float(moved.max() - moved.min()) == pytest.approx(3.0, abs=1.2)
    again = subprocess.run([deca, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "--overwrite replaces it" in again.stderr


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_her.txt").write_text("dear")
    options = TrackOptions(video="me.mp4", out=tmp_path / "letters", overwrite=True)
    with pytest.raises(UsageError, match="is not replaced"):
        track_video(options, Console(quiet=True))
    assert (tmp_path / "letters" / "to_her.txt").read_text() == "dear"


def test_a_video_without_a_face_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "none.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 3)
    deca = Path(sys.executable).with_name("deca")
    for name, said in (("none.mp4", "no face found in 3 frames"), ("gone.mp4", "gone.mp4")):
        ran = subprocess.run(
            [deca, "track", name, "--out", "x"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 2
        assert said in ran.stderr
        assert not (tmp_path / "x").exists()


def test_a_full_disk_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: PictureFile, picture: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PictureFile, "append", full)
    write_video(tmp_path / "me.mp4", [still(0.0)] * 3, rate=25)
    options = TrackOptions(video=str(tmp_path / "me.mp4"), out=tmp_path / "tracked")
    with pytest.raises(OutputError, match=r"No space left on device.*TMPDIR"):
        track_video(options, Console(quiet=True))
    assert not (tmp_path / "tracked").exists()
