"""dropped.jsonl: what is known of photos that are not in the shards, whatever a crash did to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deca.apps.drop_list import DROPPED, FAILED, open_drop_list
from deca.apps.errors import OutputError, UsageError
from deca.apps.face_preparation import Drop

DROPS = [
    Drop("a.jpg", "blur", "blur is 0.9, more than 0.75", {"blur": 0.9}),
    Drop("é.jpg", FAILED, "é.jpg: damaged"),
    Drop("c.jpg", "no face", "no face found"),
]


def add(folder: Path, *drops: Drop) -> None:
    with open_drop_list(folder) as dropped:
        for drop in drops:
            dropped.add(drop)


def known(folder: Path) -> list[bool]:
    with open_drop_list(folder) as dropped:
        return [dropped.dropped(drop.photo) for drop in DROPS]


def test_what_failed_is_tried_again_and_what_was_dropped_is_not(tmp_path):
    assert known(tmp_path) == [False] * 3
    assert list(tmp_path.iterdir()) == []
    add(tmp_path, *DROPS)
    assert known(tmp_path) == [True, False, True]
    add(tmp_path, Drop("é.jpg", "no face", "no face found"), Drop("a.jpg", FAILED, "a.jpg: gone"))
    assert known(tmp_path) == [False, True, True]


def test_the_same_is_not_told_twice(tmp_path):
    add(tmp_path, *DROPS)
    before = (tmp_path / DROPPED).read_bytes()
    add(tmp_path, *DROPS)
    assert (tmp_path / DROPPED).read_bytes() == before


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True))
def test_a_line_torn_anywhere_is_cut_off_and_nothing_else(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("torn")
    add(folder, *DROPS)
    whole = (folder / DROPPED).read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    (folder / DROPPED).write_bytes(whole[: last + int(share * (len(whole) - last))])
    assert known(folder) == [True, False, False]
    add(folder, *DROPS)
    assert (folder / DROPPED).read_bytes() == whole


@pytest.mark.parametrize("foreign", [b"[1, 2]\n", b'{"photo": 3}\n', b"\xff\n"])
def test_another_file_is_left_alone(tmp_path, foreign):
    (tmp_path / DROPPED).write_bytes(foreign)
    with pytest.raises(UsageError, match="line 1 is not of this program"), open_drop_list(tmp_path):
        pass
    assert (tmp_path / DROPPED).read_bytes() == foreign


def test_a_full_disk_leaves_no_torn_line(tmp_path, monkeypatch):
    add(tmp_path, DROPS[0])
    before = (tmp_path / DROPPED).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
    with pytest.raises(OutputError, match="No space left"):
        add(tmp_path, DROPS[1])
    assert (tmp_path / DROPPED).read_bytes() == before
