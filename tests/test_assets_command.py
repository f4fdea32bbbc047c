"""`deca assets` on real files, and every command of its page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parity_files import loaders_folder, published_folder

from deca.apps import cli
from deca.conversion.asset import KINDS
from deca.io.asset_records import heads_folder, read_record
from deca.io.assets import list_assets, load_asset
from deca.io.files import data_file
from deca.io.heads import find_head, write_head

PAGE = (Path(__file__).parents[1] / "docs" / "assets.md").read_text()
Deca = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def deca(home, monkeypatch, capsys) -> Deca:
    """The command, in this process: its exit status, and what it said, errors after the rest."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["deca", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.out + said.err

    return run


def lines_about(word: str, said: str) -> list[str]:
    return [line for line in said.splitlines() if word in line]


@pytest.mark.slow
def test_every_published_file_is_taken_in_and_told_of_in_one_line(deca, home):
    folder = published_folder()
    status, said = deca("assets", "add", folder)
    assert status == 0
    names = {path.name for path in folder.iterdir()}
    for name in names:
        (line,) = lines_about(f"{name} ", said)
        assert "licence: " in line
        assert re.search(r"SHA-256 [0-9a-f]{12} · \d+\.\d s$", line)
    (line,) = lines_about("head flame", said)
    assert "made of flame, flame-landmarks, flame-template, albedo-bfm ·" in line
    assert {record.kind for record in list_assets()} == {*KINDS} - {"flame-masks"}
    assert find_head("flame").albedo_basis.shape == (50, 512, 512, 3)

    status, said = deca("assets", "list")
    assert status == 0
    for record in list_assets():
        assert record.source_sha256 in said
        assert record.name in said
        assert record.source in said
    assert deca("assets", "verify")[0] == 0

    # Nothing has changed, so no head is made again.
    status, said = deca("assets", "add", folder / "head_template.obj")
    assert (status, lines_about("head flame", said)) == (0, [])
    # What a head cannot be without takes it along; another albedo makes it again.
    status, said = deca("assets", "remove", "albedo-bfm")
    assert "made of flame, flame-landmarks, flame-template, albedo-flame" in said
    status, said = deca("assets", "remove", "flame-landmarks")
    assert (status, read_record(heads_folder(), "flame")) == (0, None)
    assert "head flame: removed, it cannot be without flame-landmarks (landmark_embedding.npy)" in said
    status, said = deca("assets", "add", folder / "mean_texture.png")
    assert "head flame: still needs flame-landmarks (landmark_embedding.npy)" in said


def test_what_a_head_still_needs_is_told_once_its_files_begin(deca, tmp_path):
    folder = published_folder()
    assert not lines_about("head", deca("assets", "add", folder / "uv_face_mask.png")[1])
    status, said = deca("assets", "add", folder / "landmark_embedding.npy")
    assert status == 0
    expected = "head flame: still needs flame (generic_model.pkl), flame-template (head_template.obj)"
    assert lines_about("head", said) == [expected]
    shutil.copy(folder / "generic_model.pkl", tmp_path / "female_model.pkl")
    said = deca("assets", "add", tmp_path / "female_model.pkl")[1]
    expected = "head flame-female: still needs flame-template (head_template.obj)"
    assert lines_about("head", said)[1:] == [expected]


def test_hostile_files_are_refused_in_one_line_and_run_nothing(deca, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = sorted(loaders_folder().glob("hostile_*"))
    assert hostile
    status, said = deca("assets", "add", *hostile)
    assert status == 1
    for path in hostile:
        assert len(lines_about(f"failed {path}", said)) == 1
    assert len(said.splitlines()) == len(hostile)
    assert list_assets() == []
    assert not (tmp_path / "PWNED").exists()


def test_a_file_that_fails_does_not_stop_the_others(deca, tmp_path):
    folder = published_folder()
    (tmp_path / "cut_model.tar").write_bytes((folder / "deca_model.tar").read_bytes()[:5_000_000])
    (tmp_path / "objects.npz").write_bytes(b"")
    np.savez(tmp_path / "objects.npz", v_template=np.array([{}]), shapedirs=np.zeros(3))
    given = [
        tmp_path / "cut_model.tar",
        tmp_path / "objects.npz",
        tmp_path / "gone",
        folder / "uv_face_mask.png",
    ]
    status, said = deca("assets", "add", *given)
    assert status == 1
    assert len(lines_about("failed", said)) == 3
    assert f"failed {tmp_path / 'gone'}: no such file" in said
    assert [record.name for record in list_assets()] == ["uv-face-mask"]


def test_in_a_folder_unknown_files_are_passed_over_and_counted(deca, tmp_path):
    nested = tmp_path / "data" / "deep"
    nested.mkdir(parents=True)
    shutil.copy(published_folder() / "uv_face_mask.png", nested)
    for name in ("notes.txt", "photo.jpg", "archive.zip", ".hidden"):
        (tmp_path / "data" / name).write_bytes(b"something else")
    status, said = deca("assets", "add", tmp_path / "data")
    assert status == 0
    assert lines_about("passed over", said) == ["3 other files were passed over"]
    assert [record.name for record in list_assets()] == ["uv-face-mask"]
    status, said = deca("assets", "add", tmp_path / "data" / "notes.txt")
    assert status == 1
    assert "no published file that is known here" in said
    status, said = deca("assets", "add")
    assert status == 2


def test_two_files_of_one_name_are_not_guessed_at(deca, tmp_path, small_head):
    for folder, licence in (("a", "mine"), ("b", "yours"), ("c", "mine")):
        (tmp_path / folder).mkdir()
        write_head(replace(small_head, licence=licence), tmp_path / folder / "small.npz")
    status, said = deca("assets", "add", tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert status == 1
    assert (
        len(lines_about("small was just added from another small.npz; add only the one you want", said)) == 1
    )
    assert find_head("small").licence == "mine"
    # By itself it takes the other's place.
    assert deca("assets", "add", tmp_path / "b")[0] == 0
    assert find_head("small").licence == "yours"


def test_a_stored_head_is_used_by_its_name(deca, tmp_path, small_head):
    write_head(small_head, tmp_path / "mine.npz")
    assert deca("assets", "add", tmp_path / "mine.npz")[0] == 0
    status, said = deca("assets", "path", "small")
    assert (status, Path(said.strip()).parent) == (0, heads_folder())
    assert deca("assets", "path")[1].strip() == str(heads_folder().parent)
    photo = data_file("astronaut.jpg")
    status, said = deca("reconstruct", photo, "--out", tmp_path / "out", "--head", "smal")
    assert status == 2
    assert "no head 'smal'; known are default, small" in said
    assert "small" in deca("doctor")[1]


@pytest.mark.slow
def test_facekit_becomes_the_head_ict(deca):
    kit = Path(__file__).parents[1].parent / "shared" / "heads" / "ict_facekit.npz"
    if not kit.is_file():
        pytest.skip("ICT-FaceKit is not there")
    status, said = deca("assets", "add", kit.parent)
    assert status == 0
    assert "ict_facekit.npz ict · head model" in said
    assert "licence: MIT" in said
    assert find_head("ict").name == "ict"
    assert deca("assets", "verify")[0] == 0


def test_what_is_damaged_is_told_and_the_remedy_works(deca, home, tmp_path):
    mask = published_folder() / "uv_face_mask.png"
    assert deca("assets", "add", mask)[0] == 0
    Path(deca("assets", "path", "uv-face-mask")[1].strip()).write_bytes(b"changed")
    status, said = deca("assets", "verify")
    assert status == 1
    assert "changed since it was stored" in said
    assert "add uv_face_mask.png again with `deca assets add`" in said
    assert deca("assets", "add", mask)[0] == 0
    assert deca("assets", "verify")[0] == 0
    (home / "uv-face-mask.json").write_text("[]")
    status, said = deca("assets", "list")
    assert status == 1
    (line,) = said.splitlines()
    assert "no record of this program" in line
    assert deca("assets", "verify")[0] == 1
    assert deca("doctor")[0] == 0
    assert deca("assets", "remove", "uv-face-mask")[0] == 0
    status, said = deca("assets", "list")
    assert (status, said.startswith("no assets in ")) == (0, True)


def test_what_is_not_there_is_told(deca):
    for command in ("remove", "path"):
        status, said = deca("assets", command, "ict")
        assert status == 1
        assert said == "deca: nothing is stored as 'ict'; stored are no assets at all\n"
    assert deca("assets", "verify") == (0, "0 of 0 are as they were stored\n")


def test_a_folder_that_cannot_be_written_is_told_in_one_line(deca, monkeypatch):
    monkeypatch.setenv("DECA_HOME", "/sys/kernel/deca")
    status, said = deca("assets", "add", published_folder() / "uv_face_mask.png")
    assert status == 1
    (line,) = said.splitlines()
    assert "/sys/kernel/deca: cannot be written" in line
    assert "set DECA_HOME to another folder" in line


def test_files_of_another_flame_are_told_and_no_head_is_left(deca, tmp_path, monkeypatch):
    """A template whose triangles are in another order, and then the right one."""
    folder = published_folder()
    lines = (folder / "head_template.obj").read_text().splitlines()
    triangles = [number for number, line in enumerate(lines) if line.startswith("f ")]
    lines[triangles[0]], lines[triangles[1]] = lines[triangles[1]], lines[triangles[0]]
    (tmp_path / "head_template.obj").write_text("\n".join(lines))
    given = [folder / "generic_model.pkl", folder / "landmark_embedding.npy", tmp_path / "head_template.obj"]
    status, said = deca("assets", "add", *given)
    assert status == 1
    (line,) = lines_about("failed", said)
    assert "flame-template is for another FLAME version or topology than the model" in line
    assert read_record(heads_folder(), "flame") is None
    assert len(list_assets()) == 3


@pytest.mark.slow
def test_processes_that_add_the_parts_at_once_end_with_the_head(home):
    folder = published_folder()
    files = [KINDS[kind].file for kind in ("flame", "flame-landmarks", "flame-template")]
    workers = [
        subprocess.Popen(
            [Path(sys.executable).with_name("deca"), "assets", "add", folder / file],
            env={**os.environ, "DECA_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in files
    ]
    said = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], said
    head = find_head("flame")
    np.testing.assert_array_equal(head.template_vertices, load_asset("flame")["template_vertices"])
    assert len(lines_about("made of", "".join(said))) == 1


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_what_the_page_tells_people_to_type_works_as_written(tmp_path):
    """In a home with FLAME and DECA's folder among the downloads, where a photo of me lies."""
    downloads = tmp_path / "Downloads"
    (downloads / "FLAME2020").mkdir(parents=True)
    (downloads / "DECA" / "data").mkdir(parents=True)
    flame = ("generic_model.pkl",)
    deca = (
        "landmark_embedding.npy",
        "head_template.obj",
        "uv_face_mask.png",
        "uv_face_eye_mask.png",
        "fixed_displacement_256.npy",
        "mean_texture.png",
        "deca_model.tar",
    )
    for folder, names in (("FLAME2020", flame), ("DECA/data", deca)):
        for name in names:
            (downloads / folder / name).symlink_to(published_folder() / name)
    shutil.copy(data_file("astronaut.jpg"), tmp_path / "me.jpg")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "DECA_HOME": "", "XDG_DATA_HOME": ""}

    def run(*command: str) -> str:
        finished = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, f"{command}: {finished.stdout}{finished.stderr}"
        return finished.stdout

    commands = "\n".join(blocks("sh")).splitlines()
    assert len(commands) >= 8
    said = {command: run("bash", "-c", command) for command in commands}
    assert "version 2020" in said[commands[0]]
    assert (tmp_path / ".local/share/deca/heads/flame.json").is_file()
    assert (tmp_path / "out" / "me" / "head.glb").is_file()
    assert (tmp_path / "paper" / "me" / "sheet.png").is_file()
    assert (tmp_path / "released" / "me" / "released.safetensors").is_file()
    for program in blocks("python"):
        run(sys.executable, "-c", program)


def test_the_page_names_every_kind():
    for kind in KINDS:
        assert kind == "head" or f"`{kind}`" in PAGE, kind
