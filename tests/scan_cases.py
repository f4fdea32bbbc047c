"""Scans and predictions made from numbers, for the tests of evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from deca.evaluation.scan_face import Prediction
from deca.io.files import data_file

IMAGES = ("s1/multiview_neutral/a.jpg", "s1/selfie/b.jpg", "s2/selfie/c.jpg")


def ball() -> Prediction:
    """An ellipsoid with a nose towards +z, and seven landmarks on its front."""
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 60, endpoint=False), np.linspace(-0.99, 0.99, 40))
    flat = np.sqrt(1 - height**2)
    points = np.stack([flat * np.sin(angle), height, flat * np.cos(angle)], -1).reshape(-1, 3)
    # Three axes, so that no turn of it looks alike.
    points *= [80.0, 110.0, 95.0] * (1 + 0.2 * np.exp(-20 * (1 - points[:, 2:])))
    columns, rows = np.meshgrid(np.arange(60), np.arange(39))
    a, b = rows * 60 + columns, rows * 60 + (columns + 1) % 60
    triangles = np.concatenate([np.stack([a, b, b + 60], -1), np.stack([a, b + 60, a + 60], -1)])
    places = [(-40, 30), (-15, 30), (15, 30), (40, 30), (0, -10), (-20, -40), (20, -40)]
    nearest = [np.linalg.norm(points[:, :2] - place, axis=1) + 1e3 * (points[:, 2] < 0) for place in places]
    landmarks = points[[distance.argmin() for distance in nearest]]
    return Prediction(points, triangles.reshape(-1, 3), landmarks)


def with_bump(prediction: Prediction) -> np.ndarray:
    """The vertices with a bump of 3 on one cheek."""
    points = prediction.vertices
    cheek = np.array([35.0, -15.0, 92.0])
    rise = 3 * np.exp(-np.square(points - cheek).sum(1) / 200)
    return points * (1 + rise / np.linalg.norm(points, axis=1))[:, None]


def write_obj(path: Path, vertices: np.ndarray, triangles: np.ndarray) -> None:
    """A mesh of vertices and triangles alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in vertices)
    path.write_text(text + "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in triangles))


def write_picked(path: Path, points: np.ndarray) -> None:
    """Points as MeshLab writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f'<point x="{x}" y="{y}" z="{z}"/>' for x, y, z in points)
    path.write_text(f"<PickedPoints>{rows}</PickedPoints>")


def write_now_data(data: Path) -> None:
    """A NoW data set of two people and IMAGES, all of them the astronaut."""
    mesh = ball()
    for subject in ("s1", "s2"):
        write_obj(data / "scans" / subject / "scan.obj", with_bump(mesh), mesh.triangles)
        write_picked(data / "scans_lmks_onlypp" / subject / "scan.pp", mesh.landmarks)
    for image in IMAGES:
        (data / "iphone_pictures" / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_file("astronaut.jpg"), data / "iphone_pictures" / image)
    (data / "imagepathsvalidation.txt").write_text("\n".join(IMAGES) + "\n")
