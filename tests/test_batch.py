from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.apps.errors import OutputError, UsageError
from deca.apps.photo_list import face_folders, list_photos, output_names
from deca.apps.report import REPORT, modified_time, open_report

SETTINGS = {"face": "all"}


def test_files_folders_and_patterns_give_each_photo_once(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/c.webp"):
        (tmp_path / name).write_bytes(b"x")
    found = list_photos([str(tmp_path / "b.jpg"), str(tmp_path), str(tmp_path / "*.jpg")])
    assert [path.name for path in found] == ["b.jpg", "a.PNG", "c.webp"]


def test_a_folder_without_photos_and_a_pattern_without_matches_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no photos in this folder"):
        list_photos([str(tmp_path)])
    with pytest.raises(UsageError, match="matches no file"):
        list_photos([str(tmp_path / "*.jpg")])
    with pytest.raises(UsageError, match="no photos given"):
        list_photos([])


def test_a_missing_file_is_kept_so_that_it_fails_by_name(tmp_path):
    assert list_photos([str(tmp_path / "gone.jpg")]) == [tmp_path / "gone.jpg"]


def test_results_and_hidden_things_in_a_folder_are_no_photos(tmp_path):
    for name in (
        "me.jpg",
        "._me.jpg",
        "out/me/texture.png",
        "out/.me.1.deca-part/texture.png",
        "you/head.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("head.glb", "parameters.json"):
        (tmp_path / "out" / "me" / name).touch()
    assert [path.name for path in list_photos([str(tmp_path)])] == ["me.jpg", "head.png"]


def test_equal_stems_get_their_parents_name():
    names = output_names([Path("/p/a/x.jpg"), Path("/p/b/x.jpg"), Path("/p/b/y.jpg"), Path("/p/b/x.png")])
    assert names == ["a-x", "b-x", "y", "b-x-2"]


@given(st.lists(st.from_regex(r"[ab]/[xy](_2|-2)?\.(jpg|png)", fullmatch=True), unique=True, max_size=8))
def test_names_are_never_shared(paths):
    names = output_names([Path(path) for path in paths])
    assert len(set(names)) == len(paths)


def test_further_faces_leave_out_the_names_of_other_photos():
    assert face_folders("x", 3, frozenset({"x", "x_2"})) == ["x", "x_3", "x_4"]
    assert face_folders("x", 1, frozenset({"x"})) == ["x"]


@pytest.fixture
def photo(tmp_path) -> Path:
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"x")
    (tmp_path / "out" / "me").mkdir(parents=True)
    return photo


def entered(out: Path, photo: Path, **entry: object) -> None:
    """One run that enters one photo."""
    with open_report(out, SETTINGS, overwrite=False) as report:
        report.add(photo, {"modified": modified_time(photo), **entry})


def done(out: Path, photo: Path, settings: dict[str, object] = SETTINGS) -> bool:
    """Whether the next run holds the photo for done."""
    with open_report(out, settings, overwrite=False) as report:
        return report.done(photo)


def test_a_photo_is_done_only_while_photo_settings_and_folders_are_as_they_were(tmp_path, photo):
    out = tmp_path / "out"
    assert not done(out, photo)
    entered(out, photo, status="done", faces=["me"])
    assert done(out, photo)
    assert not done(out, photo, {"face": "largest"})
    os.utime(photo, (1, 1))
    assert not done(out, photo)
    entered(out, photo, status="done", faces=["me"])
    assert done(out, photo)
    (out / "me").rmdir()
    assert not done(out, photo)


def test_of_several_lines_the_last_is_right(tmp_path, photo):
    out = tmp_path / "out"
    entered(out, photo, status="done", faces=["me"])
    entered(out, photo, status="failed", error="no face")
    assert not done(out, photo)
    entered(out, photo, status="done", faces=["me"])
    assert done(out, photo)
    assert len((out / REPORT).read_text().splitlines()) == 3


@given(st.floats(0, 1, exclude_max=True))
def test_a_line_torn_anywhere_is_cut_off_and_nothing_else(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("torn")
    (folder / "out" / "me").mkdir(parents=True)
    photos = [folder / "me.jpg", folder / "mé.jpg"]
    for photo in photos:
        photo.write_bytes(b"x")
        entered(folder / "out", photo, status="done", faces=["me"])
    whole = (folder / "out" / REPORT).read_bytes()
    first = whole.index(b"\n") + 1
    kept = first + int(share * (len(whole) - first))
    (folder / "out" / REPORT).write_bytes(whole[:kept])
    assert [done(folder / "out", photo) for photo in photos] == [True, False]
    assert (folder / "out" / REPORT).read_bytes() == whole[:first]
    entered(folder / "out", photos[1], status="done", faces=["me"])
    assert [done(folder / "out", photo) for photo in photos] == [True, True]


@pytest.mark.parametrize("foreign", [b"[1, 2]", b"[1, 2]\n", b'{"photo": 3}\n', b"\xff\xfe\n", b"\n"])
def test_a_foreign_report_is_not_overwritten_unasked(tmp_path, photo, foreign):
    (tmp_path / REPORT).write_bytes(foreign)
    with (
        pytest.raises(UsageError, match="line 1 is not of this program"),
        open_report(tmp_path, SETTINGS, overwrite=False),
    ):
        pass
    assert (tmp_path / REPORT).read_bytes() == foreign
    with open_report(tmp_path, SETTINGS, overwrite=True) as report:
        report.add(photo, {"status": "failed", "error": "no face", "modified": None})
    (line,) = (tmp_path / REPORT).read_text().splitlines()
    assert json.loads(line)["error"] == "no face"


def test_a_run_that_came_to_nothing_leaves_no_report(tmp_path):
    with open_report(tmp_path / "out", SETTINGS, overwrite=False):
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_run_into_the_same_folder_is_wrong_usage_and_harms_nothing(tmp_path, photo):
    out = tmp_path / "out"
    with open_report(out, SETTINGS, overwrite=False) as report:
        with pytest.raises(UsageError, match="another run"), open_report(out, SETTINGS, overwrite=True):
            pass
        report.add(photo, {"status": "done", "faces": ["me"], "modified": modified_time(photo)})
    assert done(out, photo)


def test_what_a_killed_run_left_is_removed_and_nothing_of_the_users(tmp_path):
    kept = [".bashrc.20240101.old", ".me.17.part", "me.17.deca-part", "me"]
    for name in (*kept, ".me.17.deca-part", ".me_2.4242.deca-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "albedo.png").touch()
    with open_report(tmp_path, SETTINGS, overwrite=False):
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, REPORT])


def test_a_full_disk_leaves_no_torn_line(tmp_path, photo, monkeypatch):
    out = tmp_path / "out"
    entered(out, photo, status="done", faces=["me"])
    before = (out / REPORT).read_bytes()
    write = os.write
    # The disk takes half of what it is given, as a full one does.
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
    with pytest.raises(OutputError, match="No space left"):
        entered(out, photo, status="done", faces=["me"])
    assert (out / REPORT).read_bytes() == before
