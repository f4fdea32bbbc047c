"""The command line on real files: good ones, bad ones, again, and when the disk says no."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typed import run

import deca
from deca.apps import cli
from deca.io.files import data_file
from deca.io.gltf import write_glb
from deca.io.heads import default_head
from deca.io.maps import read_displacement
from deca.io.obj import read_obj
from deca.io.parameter_files import read_parameters

ASTRONAUT = data_file("astronaut.jpg")
FILES = {
    "albedo.png",
    "coarse.mtl",
    "coarse.obj",
    "detail.mtl",
    "detail.obj",
    "displacement.png",
    "head.glb",
    "landmarks.json",
    "normal.png",
    "parameters.json",
    "sheet.png",
    "texture.png",
}


def report_lines(out: Path) -> list[dict[str, Any]]:
    """The lines of an output folder's report."""
    return [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """The astronaut, reconstructed once by the installed command."""
    folder = tmp_path_factory.mktemp("astronaut") / "out"
    command = [
        str(Path(sys.executable).with_name("deca")),
        "reconstruct",
        str(ASTRONAUT),
        "--out",
        str(folder),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder


def test_a_photo_becomes_every_file(out):
    assert {path.name for path in (out / "astronaut").iterdir()} == FILES
    assert {path.name for path in out.iterdir()} == {"astronaut", "report.jsonl"}
    (entry,) = report_lines(out)
    assert entry["status"] == "done"
    assert entry["faces"] == ["astronaut"]
    assert entry["seconds"]["total"] > 0


def test_what_is_written_loads_back_and_agrees(out):
    data = default_head()
    record = read_parameters(out / "astronaut" / "parameters.json", data)
    assert record.image_size == Image.open(ASTRONAUT).size
    coarse = read_obj(out / "astronaut" / "coarse.obj")
    assert coarse.vertices.shape == data.template_vertices.shape
    np.testing.assert_array_equal(coarse.triangles, data.triangles)
    dense = (out / "astronaut" / "detail.obj").read_text()
    assert dense.count("\nf ") == 16 * len(data.triangles)
    displacement = read_displacement(out / "astronaut" / "displacement.png")
    assert 1e-5 < np.abs(displacement).max() <= 0.01
    landmarks = json.loads((out / "astronaut" / "landmarks.json").read_text())
    assert np.shape(landmarks["ibug68"]) == (68, 2)
    assert np.shape(landmarks["dense468"]) == (468, 2)


def test_the_landmarks_of_the_head_lie_on_the_face(out):
    """The middles of the eyes' openings, read off the photo by eye; a face's eye is 15 pixels wide here."""
    points = np.array(json.loads((out / "astronaut" / "landmarks.json").read_text())["ibug68"])
    right_eye, left_eye = points[36:42].mean(0), points[42:48].mean(0)
    np.testing.assert_allclose(right_eye, (202.5, 100.5), atol=3)
    np.testing.assert_allclose(left_eye, (248.5, 102.8), atol=3)


def test_what_is_done_is_skipped_until_asked(out, capsys):
    before = (out / "astronaut" / "head.glb").stat().st_mtime_ns
    assert run("reconstruct", ASTRONAUT, "--out", out) == 0
    assert "skipped" in capsys.readouterr().err
    assert (out / "astronaut" / "head.glb").stat().st_mtime_ns == before


def test_neutral_pose_closes_the_mouth(tmp_path):
    (face,) = deca.reconstruct(ASTRONAUT, face="largest", texture_size=512)
    face.save(tmp_path / "face", pose="neutral")
    neutral = read_obj(tmp_path / "face" / "coarse.obj").vertices
    posed = face.head.vertices[0].numpy()
    assert np.abs(neutral - posed).max() > 0.005
    at_rest = face.deca.head_model(face.deca.head_model.neutral().replace(shape=face.parameters.shape))
    np.testing.assert_allclose(neutral, at_rest.vertices[0].detach().numpy(), atol=2e-6)


@pytest.fixture
def bad_photos(tmp_path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is no picture")
    whole = ASTRONAUT.read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
    frames = [Image.new("L", (64, 64), shade) for shade in (0, 255)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (400, 300), (90, 120, 160)).save(folder / "nobody.png")
    return folder


def test_each_bad_photo_gets_one_line_and_the_good_one_goes_through(bad_photos, tmp_path, capsys):
    out = tmp_path / "out"
    gone = bad_photos / "gone.jpg"
    assert run("reconstruct", bad_photos, gone, ASTRONAUT, "--out", out, "--texture-size", "512") == 1
    lines = capsys.readouterr().err.splitlines()
    for name, said in {
        "empty.jpg": "0 bytes",
        "text.jpg": "not a picture",
        "truncated.jpg": "cut short",
        "dot.png": "no face",
        "huge.png": "at most 100 megapixels",
        "moving.gif": "animation",
        "nobody.png": "no face",
        "gone.jpg": "no such photo",
    }.items():
        (line,) = [line for line in lines if line.startswith("failed") and name in line]
        assert said in line
    assert {path.name for path in out.iterdir()} == {"astronaut", "report.jsonl"}
    assert sorted(entry["status"] for entry in report_lines(out)) == ["done"] + 8 * ["failed"]


def test_wrong_usage_exits_with_two_and_one_line(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("")
    bad_head = tmp_path / "head.npz"
    bad_head.write_bytes(b"PK no head")
    for arguments, said in (
        ((empty, "--out", tmp_path / "out"), "no photos in this folder"),
        ((ASTRONAUT, "--out", not_a_folder), "cannot be written"),
        ((ASTRONAUT, "--out", not_a_folder / "deeper"), "cannot be written"),
        ((ASTRONAUT, "--out", tmp_path / "out", "--head", bad_head), "not a readable head file"),
        ((ASTRONAUT, "--out", tmp_path / "out", "--head", tmp_path / "gone.npz"), "no such head file"),
        (("--out", tmp_path / "out"), "no photos given"),
    ):
        assert run("reconstruct", *arguments) == 2
        error = capsys.readouterr().err.strip()
        assert said in error
        assert len(error.splitlines()) == 1


def test_unknown_options_exit_with_two(tmp_path, capsys):
    assert run("reconstruct", ASTRONAUT, "--out", tmp_path, "--colour", "red") == 2
    assert run() == 2


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, capsys):
    def full(*arguments: object) -> None:
        write_glb(*arguments)  # pyright: ignore[reportArgumentType]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("deca.apps.reconstruction.write_glb", full)
    assert run("reconstruct", ASTRONAUT, "--out", tmp_path / "out", "--texture-size", "512") == 1
    assert "No space left" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_version_and_doctor(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["deca", "--version"])
    cli.main()
    assert capsys.readouterr().out.strip() == "deca 0.1.0"
    assert run("doctor") == 0
    said = capsys.readouterr().out
    for subject in ("torch", "device", "head", "face_landmarks_468.onnx"):
        assert subject in said
