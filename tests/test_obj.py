"""OBJ files: written and read back, and compared with what Python's own formatting makes of the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deca.head.data import HeadData
from deca.io.obj import ObjError, read_obj, write_obj

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nvt 1 1\n"


def test_a_head_comes_back(small_head: HeadData, tmp_path: Path) -> None:
    head = small_head
    path = tmp_path / "head.obj"
    corners = (head.template_vertices, head.triangles, head.texture_vertices, head.texture_triangles)
    write_obj(path, *corners, texture="texture.png")
    mesh = read_obj(path)
    np.testing.assert_allclose(mesh.vertices, head.template_vertices, atol=5.1e-7)
    np.testing.assert_allclose(mesh.texture_vertices, head.texture_vertices, atol=5.1e-7)
    np.testing.assert_array_equal(mesh.triangles, head.triangles)
    np.testing.assert_array_equal(mesh.texture_triangles, head.texture_triangles)
    assert path.read_text().startswith("mtllib head.mtl\n")
    assert "map_Kd texture.png" in (tmp_path / "head.mtl").read_text()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["head.mtl", "head.obj"]


def test_normals_are_named_at_every_corner(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    corners = np.array([[0, 1, 2]])
    write_obj(path, np.eye(3), corners, np.zeros((4, 2)), corners + 1, "t.png", normals=np.eye(3))
    text = path.read_text()
    assert "vn 0.000000 1.000000 0.000000\n" in text
    assert "f 1/2/1 2/3/2 3/4/3\n" in text
    np.testing.assert_array_equal(read_obj(path).texture_triangles, corners + 1)


@given(
    vertices=arrays(np.float64, (5, 3), elements=st.floats(-2e4, 2e4)),
    corners=arrays(np.int64, (4, 3), elements=st.integers(0, 4)),
)
def test_lines_are_as_python_formats_them(
    vertices: np.ndarray, corners: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("obj") / "a.obj"
    write_obj(path, vertices, corners, vertices[:, :2], corners, "t.png")
    lines = path.read_text().splitlines()
    found = np.array([line.split(" ")[1:] for line in lines if line.startswith("v ")])
    # Rounding of ties may differ; a number may not.
    np.testing.assert_allclose(found.astype(float), vertices, atol=5.1e-7)
    assert all(f"{float(text):.6f}" == text for text in found.reshape(-1))
    faces = [line for line in lines if line.startswith("f")]
    assert faces == ["f " + " ".join(f"{i + 1}/{i + 1}" for i in row) for row in corners]


def test_polygons_negative_indices_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text(TRIANGLE + "vn 0 0 1\ng group\nf 1/1/1 2/2/1 4/4/1 3/3/1 # a quad\nf -4/-4 -3/-3 -1/-1\n")
    mesh = read_obj(path)
    assert mesh.triangles.tolist() == [[0, 1, 3], [0, 3, 2], [0, 1, 3]]
    assert mesh.texture_triangles.tolist() == mesh.triangles.tolist()


def test_without_texture_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0 1\nv 1 0 0 1\nv 0 1 0 1\nf 1//1 2//1 3//1\nf 1 2 3\n")
    mesh = read_obj(path)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert mesh.texture_triangles.shape == (0, 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("f 1 2 9", "vertex 9 does not exist; 4 are defined"),
        ("f 1 2 0", "vertex 0 does not exist"),
        ("f 1 2 -5", "vertex -5 does not exist"),
        ("f 1/1 2/2 3/7", "texture vertex 7 does not exist"),
        ("f 1 2", "a face of 2 corners"),
        ("f 1 2 x", "line 9: "),
        ("v 1 2", "expected 3 finite numbers, found 1 2"),
        ("v 1 2 nan", "expected 3 finite numbers"),
        ("f 1/1 2/2 3/3\nf 1 2 3", "1 of 2 triangles have no texture coordinates"),
    ],
)
def test_what_cannot_be_understood_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "bad.obj"
    path.write_text(TRIANGLE + line + "\n")
    with pytest.raises(ObjError, match=said) as raised:
        read_obj(path)
    assert "bad.obj" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.obj: no such OBJ file"):
        read_obj(tmp_path / "none.obj")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    corners = np.array([[0, 1, 2]])
    with pytest.raises(ValueError, match="not finite"):
        write_obj(tmp_path / "a.obj", np.full((3, 3), np.nan), corners, np.zeros((3, 2)), corners, "t.png")
    with pytest.raises(ValueError, match="beside the mesh"):
        write_obj(tmp_path / "a.obj", np.eye(3), corners, np.zeros((3, 2)), corners, "../t.png")
    assert not list(tmp_path.iterdir())
