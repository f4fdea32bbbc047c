"""The store of assets: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from deca.conversion.asset import KINDS, Asset, AssetError
from deca.head.data import HeadError
from deca.io.asset_records import assets_folder, heads_folder, read_record
from deca.io.assets import (
    Source,
    add_asset,
    asset_files,
    find_asset,
    list_assets,
    load_asset,
    remove_asset,
    source_of,
    verify_assets,
)
from deca.io.heads import find_head, head_arrays

SOURCE = Source("given.npy", "0" * 64)
MASK = {"mask": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)}


def mask(value: float = 0.0) -> Asset:
    return Asset("uv-face-mask", "uv-face-mask", {"mask": MASK["mask"] + np.float32(value)})


def everything_in(folder: Path) -> dict[str, bytes]:
    """All files but locks, with their contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# What makes the names of this file known to a process of its own.
NAMES = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_assets import *\n"


def run(program: str, home: Path, **options) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", NAMES + program],
        # Python would leave half a compiled module where the disk is full, for every later process.
        env={**os.environ, "DECA_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"DECA_HOME": "/some/where", "XDG_DATA_HOME": "/xdg"}, Path("/some/where")),
        ({"DECA_HOME": "", "XDG_DATA_HOME": "/xdg"}, Path("/xdg/deca")),
        ({"DECA_HOME": "", "XDG_DATA_HOME": "relative"}, Path("/me/.local/share/deca")),
        ({"DECA_HOME": "", "XDG_DATA_HOME": ""}, Path("/me/.local/share/deca")),
    ],
)
def test_the_folder_is_where_the_user_says(monkeypatch, environment, folder):
    monkeypatch.setenv("HOME", "/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert assets_folder() == folder


def test_what_is_added_loads_back_as_it_was():
    arrays = {
        "size": np.asarray(7),
        "none": np.zeros((0, 3), np.float32),
        "turned": np.arange(12, dtype=np.int64).reshape(3, 4).T,
        "numbers": np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32),
    }
    record = add_asset(Asset("dense-template", "dense-template", arrays, {"vertices": "5"}), SOURCE)
    again = load_asset("dense-template")
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
    (stored,) = asset_files("dense-template")
    assert record.sha256 == hashlib.sha256(stored.read_bytes()).hexdigest()
    assert (record.kind, record.source, record.source_sha256) == ("dense-template", "given.npy", "0" * 64)
    assert record.licence == KINDS["dense-template"].licence
    assert record.details == {"vertices": "5"}
    assert list_assets() == [record]


def test_writing_into_what_was_loaded_changes_no_file():
    add_asset(mask(), SOURCE)
    load_asset("uv-face-mask")["mask"][:] = 5
    np.testing.assert_array_equal(load_asset("uv-face-mask")["mask"], MASK["mask"])


def test_the_hash_of_a_source_is_that_of_sha256sum(tmp_path):
    (tmp_path / "kit" / "deep").mkdir(parents=True)
    (tmp_path / "kit" / "b.obj").write_bytes(b"b")
    (tmp_path / "kit" / "deep" / "a.obj").write_bytes(b"a")
    assert source_of(tmp_path / "kit" / "b.obj") == Source("b.obj", hashlib.sha256(b"b").hexdigest())
    listed = subprocess.run(
        ["sha256sum", "b.obj", "deep/a.obj"], cwd=tmp_path / "kit", capture_output=True, check=True
    ).stdout
    assert source_of(tmp_path / "kit") == Source("kit", hashlib.sha256(listed).hexdigest())


def test_a_newer_one_takes_the_place_of_the_older(home):
    add_asset(mask(0), SOURCE)
    before = load_asset("uv-face-mask")
    add_asset(mask(1), SOURCE)
    np.testing.assert_array_equal(load_asset("uv-face-mask")["mask"], MASK["mask"] + 1)
    # Who has the older one open keeps it.
    np.testing.assert_array_equal(before["mask"], MASK["mask"])
    assert len(everything_in(home)) == 2


def test_a_head_and_a_file_may_have_one_name(small_head):
    add_asset(Asset("flame", "flame", {"triangles": np.zeros((1, 3), np.int64)}), SOURCE)
    named = replace(small_head, name="flame", licence="mine")
    record = add_asset(Asset("flame", "head", head_arrays(named)), SOURCE)
    assert record.licence == "mine"
    assert [entry.kind for entry in list_assets()] == ["flame", "head"]
    assert len(asset_files("flame")) == 2
    remove_asset("flame")
    assert list_assets() == []


def test_a_head_is_stored_with_every_digit_and_found_by_its_name(small_head):
    add_asset(Asset("small", "head", head_arrays(small_head)), SOURCE)
    again = head_arrays(find_head("small"))
    for name, array in head_arrays(small_head).items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype


def test_heads_are_found_by_file_and_by_default(small_head, tmp_path, monkeypatch):
    add_asset(Asset("small", "head", head_arrays(small_head)), SOURCE)
    (stored,) = asset_files("small")
    assert find_head(stored).name == "small"
    assert find_head(str(stored)).name == "small"
    assert find_head(None).name == find_head("default").name == "deca default"
    with pytest.raises(
        HeadError, match=r"no head 'smal'; known are default, small.*deca assets add"
    ) as caught:
        find_head("smal")
    assert "\n" not in str(caught.value)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"small\.npz: no such head file"):
        find_head("small.npz")
    with pytest.raises(HeadError, match="'small head' is no name for an asset"):
        find_head("small head")
    stored.unlink()
    with pytest.raises(HeadError, match=r"head small: .* is gone; add given\.npy again"):
        find_head("small")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "sp ace", "dot.ted", "x" * 65])
def test_a_name_that_would_leave_the_folder_is_refused(home, small_head, name):
    with pytest.raises(AssetError, match="is no name for an asset"):
        add_asset(Asset(name, "head", head_arrays(small_head)), SOURCE)
    assert not home.exists()


def test_the_shipped_heads_name_is_taken(home, small_head):
    with pytest.raises(AssetError, match="cannot be called 'default'"):
        add_asset(Asset("default", "head", head_arrays(small_head)), SOURCE)
    assert not home.exists()


def test_an_inconsistent_head_is_not_stored(home, small_head):
    arrays = head_arrays(small_head) | {"triangles": small_head.triangles + 10_000}
    with pytest.raises(AssetError, match="small: triangles holds the index"):
        add_asset(Asset("small", "head", arrays), SOURCE)
    assert not home.exists()


def test_what_is_missing_is_said_with_the_remedy():
    with pytest.raises(AssetError) as caught:
        load_asset("flame-landmarks")
    assert str(caught.value) == "no flame-landmarks: add landmark_embedding.npy with `deca assets add`"
    with pytest.raises(AssetError, match="no mine: add its file"):
        find_asset("mine")
    for act in (remove_asset, asset_files):
        with pytest.raises(AssetError, match="nothing is stored as 'mine'; stored are no assets at all"):
            act("mine")


def test_removing_leaves_nothing_but_the_others(home):
    add_asset(mask(), SOURCE)
    kept = everything_in(home)
    add_asset(Asset("uv-face", "uv-face-eye-mask", MASK), SOURCE)
    remove_asset("uv-face")
    assert everything_in(home) == kept


def test_verify_tells_what_is_changed_missing_or_damaged(home):
    add_asset(mask(), SOURCE)
    add_asset(Asset("one", "vgg19", MASK), SOURCE)
    add_asset(Asset("two", "vgg19", MASK), SOURCE)
    add_asset(Asset("three", "vgg19", MASK), SOURCE)
    assert [verdict.problem for verdict in verify_assets()] == [""] * 4
    (changed,), (gone,) = asset_files("one"), asset_files("two")
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    gone.unlink()
    (home / "three.json").write_text("{")
    found = {verdict.name: verdict.problem for verdict in verify_assets()}
    assert "changed since it was stored" in found["one"]
    assert "is gone; add given.npy again with `deca assets add`" in found["two"]
    assert "no record of this program" in found["three"]
    assert found["uv-face-mask"] == ""
    assert not any("\n" in problem for problem in found.values())
    # The remedy that is told works.
    remove_asset("three")
    assert {verdict.name for verdict in verify_assets()} == {"one", "two", "uv-face-mask"}


def test_a_record_whose_file_is_gone_or_damaged_is_an_error():
    add_asset(mask(), SOURCE)
    (path,) = asset_files("uv-face-mask")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(AssetError, match=r"cannot be read .*; add given\.npy again") as caught:
        load_asset("uv-face-mask")
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(AssetError, match="is gone; add given"):
        load_asset("uv-face-mask")


@pytest.mark.parametrize(
    ("entry", "value"),
    [("file", "../../precious"), ("file", "other.0123456789ab.npz"), ("name", "other"), ("sha256", 5)],
)
def test_a_record_names_nothing_outside_its_folder(home, entry, value):
    add_asset(mask(), SOURCE)
    path = home / "uv-face-mask.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: value}))
    with pytest.raises(AssetError, match="no record of this program"):
        read_record(home, "uv-face-mask")


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "file" / "inside"))
    with pytest.raises(AssetError, match=r"cannot be written .*nothing of uv-face-mask was stored") as caught:
        add_asset(mask(), SOURCE)
    assert "\n" not in str(caught.value)
    # Where even root may not write.
    monkeypatch.setenv("DECA_HOME", "/sys/kernel")
    with pytest.raises(AssetError, match=r"cannot be written .*make it writable, or set DECA_HOME") as caught:
        add_asset(mask(), SOURCE)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_can_be_read(home):
    add_asset(mask(), SOURCE)
    home.chmod(0o500)
    try:
        assert "mask" in load_asset("uv-face-mask")
        assert [verdict.problem for verdict in verify_assets()] == [""]
        for act in (lambda: add_asset(mask(1), SOURCE), lambda: remove_asset("uv-face-mask")):
            with pytest.raises(AssetError, match="cannot be written"):
                act()
    finally:
        home.chmod(0o700)


@pytest.mark.parametrize("limit", [0, 100, 300])
def test_a_full_disk_leaves_what_was_there(home, limit):
    """Nothing can be written, then the arrays cannot, then their record cannot."""
    add_asset(mask(0), SOURCE)
    before = everything_in(home)
    finished = run(
        "add_asset(mask(1), SOURCE)",
        home,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "AssetError" in finished.stderr
    assert "cannot be written (File too large)" in finished.stderr
    assert "make room there" in finished.stderr
    assert everything_in(home) == before


def test_a_killed_process_leaves_what_was_there_and_the_next_one_cleans_up(home):
    add_asset(mask(0), SOURCE)
    before = everything_in(home)
    program = """
from deca.io import asset_files as files
files.write_record = lambda *_: os.kill(os.getpid(), 9)
add_asset(mask(1), SOURCE)
"""
    assert run(program, home).returncode == -9
    np.testing.assert_array_equal(load_asset("uv-face-mask")["mask"], MASK["mask"])
    assert [verdict.problem for verdict in verify_assets()] == [""]
    assert set(everything_in(home)) > set(before)
    add_asset(mask(2), SOURCE)
    assert len(everything_in(home)) == 2


def test_many_processes_add_and_read_one_name_at_once(home):
    program = """
import numpy as np
for turn in range(6):
    add_asset(mask(int(sys.argv[1])), SOURCE)
    values = load_asset("uv-face-mask")["mask"] - MASK["mask"]
    assert np.ptp(values) < 1e-5 and round(float(values[0, 0])) in range(3), values
    assert [verdict.problem for verdict in verify_assets()] == [""]
"""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", NAMES + program, str(number)],
            env={**os.environ, "DECA_HOME": str(home)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    errors = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3, errors
    assert len(everything_in(home)) == 2
    assert [verdict.problem for verdict in verify_assets()] == [""]


def test_a_lock_that_is_never_let_go_is_told(home, monkeypatch):
    monkeypatch.setattr("deca.io.asset_files._PATIENCE", 0.1)
    home.mkdir()
    with FileLock(home / ".lock"), pytest.raises(AssetError, match=r"held by another process for 0\.1 s"):
        add_asset(mask(), SOURCE)
    assert everything_in(home) == {}
    assert not heads_folder().exists()
