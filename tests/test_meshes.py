"""Meshes and picked points as benchmarks have them: read fast, strictly, and whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from deca.io.meshes import MeshError, read_mesh, read_vertices
from deca.io.obj import _read_line_by_line, read_obj, read_obj_vertices
from deca.io.picked_points import PointError, read_points

VERTICES = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.5\n"
EVEN = {
    "plain": VERTICES + "f 1 2 3\nf 1 3 4\n",
    "colours": VERTICES.replace("\n", " 0.1 0.2 0.3\n") + "f 1 2 3\n",
    "quads": VERTICES + "f 1 2 3 4\n",
    "textured": VERTICES + "vt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3\n",
    "normals": VERTICES + "vn 0 0 1\nf 1//1 2//1 3//1\n",
    "all": VERTICES + "vt 0 0\nvt 1 0\nvt 1 1\nvn 0 0 1\nf 1/3/1 2/2/1 3/1/1\n",
    "windows": (VERTICES + "f 1 2 3\n").replace("\n", "\r\n"),
    "groups": "# by hand\no head\ng skin\nusemtl m\ns off\n" + VERTICES + "f 1 2 3\n",
    "exponents": "v 1e-3 -2E1 +3.5\nv 0 1 0\nv 1 0 0\nf 1 2 3\n",
}
UNEVEN = {
    "negative": VERTICES + "f -4 -3 -2\n",
    "mixed": VERTICES + "f 1 2 3\nf 1 2 3 4\n",
    "comment": VERTICES + "f 1 2 3 # a face\n",
    "some colours": "v 0 0 0 1 1 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "tabs": "v\t0\t0\t0\nv\t1\t0\t0\nv\t0\t1\t0\nf\t1\t2\t3\n",
    "indented": "  v 0 0 0\n  v 1 0 0\n  v 0 1 0\n  f 1 2 3\n",
}


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("text", [*EVEN.values(), *UNEVEN.values()], ids=[*EVEN, *UNEVEN])
def test_the_fast_way_reads_what_the_careful_one_does(tmp_path, text):
    path = write(tmp_path / "a.obj", text)
    careful, fast = _read_line_by_line(path, path.read_bytes()), read_obj(path)
    np.testing.assert_array_equal(fast.vertices, careful.vertices)
    np.testing.assert_array_equal(fast.triangles, careful.triangles)
    np.testing.assert_array_equal(fast.texture_vertices, careful.texture_vertices)
    kept = careful.texture_triangles[(careful.texture_triangles >= 0).all(1)]
    np.testing.assert_array_equal(fast.texture_triangles, kept)
    np.testing.assert_array_equal(read_obj_vertices(path), careful.vertices)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the mesh is empty"),
        (VERTICES, "4 vertices but no faces"),
        (VERTICES + "f 1 2 9\n", "vertex 9 does not exist"),
        (VERTICES.replace("0.5", "nan") + "f 1 2 3\n", "line 4: expected 3 finite numbers"),
        (VERTICES.replace("0.5", "half") + "f 1 2 3\n", "line 4"),
        (VERTICES + "f 1 2\n", "a face of 2 corners"),
    ],
)
def test_what_is_no_mesh_is_told(tmp_path, text, said):
    with pytest.raises(MeshError, match=said):
        read_mesh(write(tmp_path / "a.obj", text))


def test_scans_may_have_vertices_without_faces_and_these_stay(tmp_path):
    path = write(tmp_path / "a.obj", VERTICES)
    assert read_vertices(path).shape == (4, 3)
    mesh = read_mesh(write(tmp_path / "b.obj", VERTICES + "f 1 2 3\n"))
    assert mesh.vertices.shape == (4, 3)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_keeps_order_and_lone_vertices(tmp_path, encoding):
    vertices = np.random.default_rng(0).normal(size=(6, 3))
    made = trimesh.Trimesh(vertices, [[0, 1, 2], [5, 1, 0]], process=False)
    (tmp_path / "a.ply").write_bytes(trimesh.exchange.ply.export_ply(made, encoding=encoding))
    mesh = read_mesh(tmp_path / "a.ply")
    np.testing.assert_allclose(mesh.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [5, 1, 0]])
    np.testing.assert_allclose(read_vertices(tmp_path / "a.ply"), vertices, atol=1e-6)


def test_other_files_and_missing_ones_are_told(tmp_path):
    with pytest.raises(MeshError, match="no PLY that can be read"):
        read_mesh(write(tmp_path / "a.ply", "plyish"))
    with pytest.raises(MeshError, match=r"read from \.obj and \.ply"):
        read_mesh(write(tmp_path / "a.stl", "solid"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_mesh(tmp_path / "b.obj")


POINTS = np.arange(21.0).reshape(7, 3)


def picked(points: np.ndarray) -> str:
    rows = [f'<point x="{x}" y="{y}" z="{z}" active="1" name="{i}"/>' for i, (x, y, z) in enumerate(points)]
    return "<!DOCTYPE PickedPoints>\n<PickedPoints>\n" + "\n".join(rows) + "\n</PickedPoints>\n"


def test_points_are_read_from_every_format(tmp_path):
    np.save(tmp_path / "a.npy", POINTS)
    np.save(tmp_path / "b.npy", POINTS[None].astype(np.float32))
    write(tmp_path / "a.txt", "\n".join(" ".join(map(str, row)) for row in POINTS))
    write(tmp_path / "a.lnd", "\n".join(f"{i + 1} {x} {y} {z}" for i, (x, y, z) in enumerate(POINTS)))
    write(tmp_path / "a.pp", picked(POINTS))
    for name in ("a.npy", "b.npy", "a.txt", "a.lnd", "a.pp"):
        np.testing.assert_array_equal(read_points(tmp_path / name, 7), POINTS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.pp", picked(POINTS[:6]), "expected 7 points of three numbers, found 6 points"),
        ("a.pp", "<PickedPoints><point x='1'/></PickedPoints>", "no picked points of MeshLab"),
        ("a.pp", "not xml", "no picked points of MeshLab"),
        ("a.txt", "1 2\n" * 7, "line 1: expected three numbers, found 2"),
        ("a.txt", "1 2 x\n" * 7, "line 1: '1 2 x' is not three numbers"),
        ("a.txt", "1 2 nan\n" * 7, "point 1 of 7"),
        ("a.npy", "no array", "no array of numbers"),
        ("a.csv", "1,2,3", "points are read from"),
    ],
)
def test_what_are_no_points_is_told(tmp_path, name, text, said):
    with pytest.raises(PointError, match=said):
        read_points(write(tmp_path / name, text), 7)


def test_no_pickle_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    with pytest.raises(PointError, match="no array of numbers"):
        read_points(tmp_path / "a.npy", 7)
