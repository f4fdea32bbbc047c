from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deca.apps.batch import Report, UsageError, face_folders, list_photos, output_names


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


def test_a_missing_file_is_kept_so_that_it_fails_by_name(tmp_path):
    assert list_photos([str(tmp_path / "gone.jpg")]) == [tmp_path / "gone.jpg"]


def test_equal_stems_get_their_parents_name():
    names = output_names([Path("/p/a/x.jpg"), Path("/p/b/x.jpg"), Path("/p/b/y.jpg"), Path("/p/b/x.png")])
    assert names == ["a-x", "b-x", "y", "b-x-2"]


@given(st.lists(st.from_regex(r"[ab]/[xy](_2)?\.(jpg|png)", fullmatch=True), unique=True, max_size=8))
def test_names_are_never_shared(paths):
    names = output_names([Path(path) for path in paths])
    assert len(set(names)) == len(paths)


def test_further_faces_leave_out_the_names_of_other_photos():
    assert face_folders("x", 3, {"x", "x_2"}) == ["x", "x_3", "x_4"]
    assert face_folders("x", 1, {"x"}) == ["x"]


def test_a_photo_is_done_only_while_photo_settings_and_folders_are_as_they_were(tmp_path):
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"x")
    report = Report(tmp_path, {"face": "all"}, overwrite=False)
    assert not report.done(photo)
    (tmp_path / "me").mkdir()
    report.add(photo, status="done", faces=["me"])
    again = Report(tmp_path, {"face": "all"}, overwrite=False)
    assert again.done(photo)
    assert not Report(tmp_path, {"face": "largest"}, overwrite=False).done(photo)
    (tmp_path / "me").rmdir()
    assert not again.done(photo)
    report.add(photo, status="failed", error="no face")
    (tmp_path / "me").mkdir()
    assert not Report(tmp_path, {"face": "all"}, overwrite=False).done(photo)


def test_a_foreign_report_is_not_overwritten_unasked(tmp_path):
    (tmp_path / "report.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="not a report"):
        Report(tmp_path, {}, overwrite=False)
    assert Report(tmp_path, {}, overwrite=True).entries == {}
    assert json.loads((tmp_path / "report.json").read_text()) == [1, 2]
