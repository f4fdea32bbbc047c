"""Training shards: what comes back, what a crash leaves, and what other programs read in them."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deca.io.shard_members import decode_face
from deca.io.shards import MANIFEST, ShardError, ShardFolder, ShardWriter, StoredFace

SIZE = 64


def make_face(key: str, seed: int = 0, truth: bool = False) -> StoredFace:
    """A smooth picture, so that JPEG keeps it well, with random landmarks."""
    random = np.random.default_rng(seed)
    corners = Image.fromarray(random.integers(0, 256, (2, 2, 3), np.uint8))
    image = np.asarray(corners.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    about = {
        "identity": f"person {seed % 3}",
        "photo": f"folder/{key}.jpg",
        "source": "made up",
        "licence": "CC0 « »",
        "quality": {"blur": 0.5, "yaw": float(seed)},
        "T_photo_crop": np.eye(3).tolist(),
        "more": [seed],
    }
    parameters = {"shape": random.normal(size=10), "eyes": random.normal(size=(2, 3)), "detail": np.zeros(0)}
    return StoredFace(
        key=key,
        image=image,
        skin=random.integers(0, 256, (SIZE, SIZE), np.uint8),
        landmarks=random.uniform(0, SIZE, (68, 2)).astype(np.float32),
        dense_landmarks=random.uniform(0, SIZE, (0 if seed == 1 else 468, 2)).astype(np.float32),
        about={**about, "head": "small"} if truth else about,
        truth={name: values.astype(np.float32) for name, values in parameters.items()} if truth else None,
        displacement=random.uniform(-1e-3, 1e-3, (16, 16)).astype(np.float32) if truth else None,
        found_points=random.uniform(0, SIZE, (468, 2)).astype(np.float32) if truth else None,
    )


def write(folder: Path, first: int, last: int, faces_a_shard: int = 3) -> None:
    with ShardWriter(folder, faces_a_shard) as writer:
        for number in range(first, last):
            writer.add(make_face(f"face-{number}", number, truth=number % 2 == 0))


def same(found: StoredFace, face: StoredFace) -> None:
    assert np.abs(found.image.astype(int) - face.image).max() < 16
    assert (found.skin == face.skin).all()
    assert (found.landmarks == face.landmarks).all()
    assert (found.dense_landmarks == face.dense_landmarks).all()
    assert found.about == face.about
    if face.truth is None or face.displacement is None:
        assert found.truth is None
        assert found.displacement is None
        assert found.found_points is None
    else:
        assert found.truth is not None
        assert found.displacement is not None
        assert found.truth.keys() == face.truth.keys()
        assert all((found.truth[name] == values).all() for name, values in face.truth.items())
        assert np.abs(found.displacement - face.displacement).max() < 2e-8
        assert np.array_equal(found.found_points, face.found_points)


def test_faces_come_back_in_any_order_and_the_manifest_tells_of_them(tmp_path):
    write(tmp_path, 0, 7)
    folder = ShardFolder(tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("*.tar"))] == [
        f"shard-{number:06}.tar" for number in range(3)
    ]
    assert len(folder) == 7
    for number in (5, 0, 6, 1):
        same(folder.read(number), make_face(f"face-{number}", number, truth=number % 2 == 0))
    entry = folder.entries[4]
    assert (entry.key, entry.shard, entry.identity) == ("face-4", "shard-000001.tar", "person 1")
    assert (entry.photo, entry.source, entry.licence) == ("folder/face-4.jpg", "made up", "CC0 « »")
    assert entry.quality == {"blur": 0.5, "yaw": 4.0}
    assert [(entry.truth, entry.head) for entry in folder.entries[:2]] == [(True, "small"), (False, None)]
    lines = [json.loads(line) for line in (tmp_path / MANIFEST).read_text().splitlines()]
    assert [line["key"] for line in lines] == [f"face-{number}" for number in range(7)]


def test_a_second_writer_adds_to_the_first_ones(tmp_path):
    write(tmp_path, 0, 4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with ShardWriter(tmp_path) as writer:
        assert [entry.key for entry in writer.entries] == [f"face-{number}" for number in range(4)]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write(tmp_path, 4, 6)
    folder = ShardFolder(tmp_path)
    assert [entry.key for entry in folder.entries] == [f"face-{number}" for number in range(6)]
    same(folder.read(5), make_face("face-5", 5))


def test_the_webdataset_library_reads_them(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    write(tmp_path, 0, 5)
    shards = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"face-{number}" for number in range(5)]
    for number, sample in enumerate(samples):
        face = make_face(f"face-{number}", number)
        assert (sample["landmarks.npy"] == face.landmarks).all()
        assert ("dense.npy" in sample) == (number != 1)
        assert np.abs(sample["jpg"].astype(int) - face.image).max() < 16
        assert sample["json"]["identity"] == face.about["identity"]
        assert ("truth.npz" in sample) == ("displacement.png" in sample) == (number % 2 == 0)
    skin = Image.open(io.BytesIO(next(iter(webdataset.WebDataset(shards, shardshuffle=False)))["skin.png"]))
    assert (np.asarray(skin) == make_face("face-0").skin).all()


def killed_writer(folder: Path) -> None:
    with ShardWriter(folder, 3) as writer:
        for number in range(5):
            writer.add(make_face(f"face-{number}", number))
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_loses_its_unfinished_shard_alone(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=killed_writer, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
    assert len(ShardFolder(tmp_path)) == 3
    write(tmp_path, 3, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        MANIFEST,
        "shard-000000.tar",
        "shard-000001.tar",
    ]
    assert len(ShardFolder(tmp_path)) == 5


@settings(max_examples=30)
@given(st.floats(0, 1))
def test_a_manifest_torn_anywhere_is_made_again_from_the_last_shards(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("shards")
    write(folder, 0, 7)
    whole = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(whole[: int(share * len(whole))])
    assert len(ShardFolder(folder)) <= 7
    with ShardWriter(folder) as writer:
        assert len(writer.entries) == 7
    assert (folder / MANIFEST).read_bytes() == whole


def test_an_error_inside_the_block_keeps_what_is_whole(tmp_path):
    def interrupted() -> None:
        with ShardWriter(tmp_path) as writer:
            writer.add(make_face("one"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(ShardFolder(tmp_path)) == 1


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    write(tmp_path, 0, 3)

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, 3, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "shard-000000.tar"]
    assert len(ShardFolder(tmp_path)) == 3


def test_a_writer_that_added_nothing_leaves_nothing(tmp_path):
    with ShardWriter(tmp_path / "new"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_one_writer_at_a_time(tmp_path):
    with ShardWriter(tmp_path), pytest.raises(ShardError, match="another run"), ShardWriter(tmp_path):
        pass


def test_keys_are_checked(tmp_path):
    with ShardWriter(tmp_path) as writer:
        writer.add(make_face("one"))
        with pytest.raises(ShardError, match="a sample one already"):
            writer.add(make_face("one"))
        for key in ("", "a.b", "a/b", "é", "x" * 81):
            with pytest.raises(ShardError, match="is no key"):
                writer.add(make_face(key))
    assert len(ShardFolder(tmp_path)) == 1


def test_damage_is_told_with_shard_and_sample(tmp_path):
    write(tmp_path, 0, 6)
    folder = ShardFolder(tmp_path)
    entry = folder.entries[1]
    shard = tmp_path / entry.shard
    data = bytearray(shard.read_bytes())
    data[entry.offset + entry.size // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-000000\.tar: sample face-1 is damaged"):
        folder.read(1)
    same(folder.read(2), make_face("face-2", 2, truth=True))
    shard.write_bytes(data[: folder.entries[2].offset + 100])
    with pytest.raises(ShardError, match=r"shard-000000\.tar: sample face-2 is damaged or cut short"):
        folder.read(2)
    shard.unlink()
    with pytest.raises(ShardError, match=r"shard-000000\.tar: sample face-0 cannot be read"):
        folder.read(0)
    same(folder.read(3), make_face("face-3", 3))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("jpg", b"nothing", r"face-0\.jpg is damaged"),
        ("landmarks.npy", b"nothing", r"face-0\.landmarks\.npy is damaged"),
        ("truth.npz", b"PK", r"face-0\.truth\.npz is damaged"),
        ("json", None, r"face-0\.json is missing"),
    ],
)
def test_the_files_of_a_face_are_checked_one_by_one(tmp_path, name, data, said):
    write(tmp_path, 0, 1)
    with tarfile.open(tmp_path / "shard-000000.tar") as archive:
        members = {}
        for header in archive:
            file = archive.extractfile(header)
            assert file is not None
            members[header.name.partition(".")[2]] = file.read()
    if data is None:
        del members[name]
    else:
        members[name] = data
    with pytest.raises(ShardError, match=said):
        decode_face("face-0", members)


def test_a_foreign_manifest_and_a_folder_without_one_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="deca prepare"):
        ShardFolder(tmp_path)
    (tmp_path / MANIFEST).write_text('{"key": 1}\n')
    with pytest.raises(ShardError, match="line 1 is not of this program"):
        ShardFolder(tmp_path)


def test_threads_and_forked_processes_read_together(tmp_path):
    write(tmp_path, 0, 9)
    folder = ShardFolder(tmp_path)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(9), 10)).tolist()
    with ThreadPoolExecutor(4) as pool:
        assert [face.key for face in pool.map(folder.read, order)] == [f"face-{number}" for number in order]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(_key_of, [(folder, number) for number in order])
    assert found == [f"face-{number}" for number in order]


def _key_of(job: tuple[ShardFolder, int]) -> str:
    folder, number = job
    return folder.read(number).key
