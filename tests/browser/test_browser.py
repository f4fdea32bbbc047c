"""head.glb as a stranger meets it: loaded by three.js in Chromium, made to smile and to open its mouth."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from deca.head.model import HeadModel
from deca.io.gltf import write_glb
from deca.io.heads import default_head
from deca.io.maps import encode_normals, encode_unit

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SMILE = {"mouthSmileLeft": 1, "mouthSmileRight": 1}

# tests/browser is not a package, so the marks of one file are all there is to skip by.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("node") or not (HERE / "node_modules" / "three").is_dir(),
        reason="three.js is not installed: install Node 20, then run `npm ci` in tests/browser",
    ),
    pytest.mark.skipif(
        not shutil.which(CHROMIUM), reason=f"{CHROMIUM} is missing: apt-get install chromium, or set CHROMIUM"
    ),
]


@dataclass(frozen=True)
class Shown:
    """What the page reported, its pictures (height, width, 3) by view, and where the asked points fell."""

    report: dict
    pictures: dict[str, np.ndarray]
    points: dict[str, np.ndarray]

    def change(self, name: str, other: str = "neutral") -> np.ndarray:
        """How much each pixel differs between two views, in grey levels."""
        return np.abs(self.pictures[name].astype(float) - self.pictures[other]).mean(-1)


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel(default_head())


@pytest.fixture(scope="module")
def shown(model: HeadModel, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("browser")
    texture = encode_unit(model.data.albedo_mean.transpose(2, 0, 1))
    write_glb(folder / "head.glb", model, model.neutral(), texture, bump_on_the_forehead(model))
    neutral, smiling, opened = (lips(model, morphs) for morphs in ({}, SMILE, {"jawOpen": 1}))
    views = {
        "neutral": {"points": neutral},
        "smile": {"morphs": SMILE, "points": smiling},
        "jaw_open": {"morphs": {"jawOpen": 1}, "points": opened},
        "three_quarter": {"azimuth": 40},
        "without_bump": {"bumps": 0},
        "again": {},
    }
    (folder / "views.json").write_text(json.dumps(views))
    command = ["node", HERE / "screenshots.mjs", folder / "head.glb", folder, folder / "views.json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    return Shown(
        report,
        {name: np.asarray(Image.open(folder / f"{name}.png").convert("RGB")) for name in views},
        {name: np.array(points) for name, points in report["pixels"].items()},
    )


def lips(model: HeadModel, weights: dict[str, float]) -> list[list[float]]:
    """Right and left corner, upper and lower middle of the inner lips, metres: iBUG 60, 64, 62, 66."""
    parameters = model.neutral()
    expression = torch.zeros_like(parameters.expression)
    for name, weight in weights.items():
        expression[0, model.data.expression_names.index(name)] = weight
    vertices = model(parameters.replace(expression=expression)).vertices[0].numpy()
    rows = [60, 64, 62, 66]
    corners = vertices[model.data.triangles[model.data.full_landmark_triangles[rows]]]
    return (corners * model.data.full_landmark_barycentrics[rows, :, None]).sum(1).tolist()


def bump_on_the_forehead(model: HeadModel) -> np.ndarray:
    """A normal map that is flat but for one round hill in the middle of the forehead."""
    data, size, radius = model.data, 512, 0.02
    forehead = data.texture_triangles[data.region("forehead")]
    u0, v0 = data.texture_vertices[forehead].mean((0, 1))
    u, v = np.meshgrid((np.arange(size) + 0.5) / size, 1 - (np.arange(size) + 0.5) / size)
    height = np.exp(-((u - u0) ** 2 + (v - v0) ** 2) / (2 * radius**2))
    normals = np.stack([(u - u0) / radius * height, (v - v0) / radius * height, np.ones_like(u)])
    return encode_normals(normals / np.linalg.norm(normals, axis=0))


def test_the_page_has_nothing_to_complain_about(shown: Shown, model: HeadModel) -> None:
    assert shown.report["complaints"] == []
    assert shown.report["morphs"] == list(model.data.expression_names)
    assert len(shown.report["morphs"]) == 52
    assert shown.report["joints"] == list(model.data.joint_names)
    assert shown.report["materials"] == ["skin", "eyes"]


def test_the_head_fills_the_picture_and_stands_still(shown: Shown) -> None:
    background = shown.pictures["neutral"][0, 0]
    head = (np.abs(shown.pictures["neutral"].astype(int) - background).sum(-1) > 30).mean()
    assert 0.15 < head < 0.7
    assert shown.change("again").max() == 0
    assert shown.change("three_quarter").mean() > 5


@pytest.mark.parametrize("name", ["smile", "jaw_open"])
def test_a_mouth_action_changes_the_lower_face_only(shown: Shown, name: str) -> None:
    change = shown.change(name)
    mouth = shown.points["neutral"].mean(0)
    above = change[: int(mouth[1] - 60)]  # the eyes are about this far above the mouth
    assert change.max() > 40
    assert above.sum() < 0.1 * change.sum()


def test_a_smile_draws_both_corners_out_and_up(shown: Shown) -> None:
    before, after = shown.points["neutral"], shown.points["smile"]
    assert after[0, 0] < before[0, 0] - 1  # the subject's right is the viewer's left
    assert after[1, 0] > before[1, 0] + 1
    assert (after[:2, 1] < before[:2, 1] - 1).all()
    # And the picture does so where the model says.
    for corner in after[:2]:
        x, y = corner.round().astype(int)
        assert shown.change("smile")[y - 5 : y + 6, x - 5 : x + 6].mean() > 3


def test_an_open_jaw_shows_the_inside_of_the_mouth(shown: Shown) -> None:
    _, _, upper, lower = shown.points["jaw_open"]
    assert lower[1] - upper[1] > 15
    gap = np.zeros(shown.change("jaw_open").shape, np.uint8)
    cv2.ellipse(
        gap,
        ((upper + lower) / 2).astype(int).tolist(),
        (10, int((lower[1] - upper[1]) * 0.35)),
        0,
        0,
        360,
        1,
        -1,
    )
    inside = shown.pictures["jaw_open"][gap > 0].astype(float)
    # Teeth, tongue and the dark between them: nothing like the even skin that was there.
    assert shown.change("jaw_open")[gap > 0].mean() > 15
    assert inside.mean(1).std() > 10


def test_the_bump_is_a_bump_and_not_a_dent(shown: Shown) -> None:
    """The lamp is at the upper left: that side of a bump is the brighter one, of a dent the darker one."""
    brighter = (shown.pictures["neutral"].astype(float) - shown.pictures["without_bump"]).mean(-1)
    rows, columns = np.indices(brighter.shape)
    weight = np.abs(brighter)
    assert weight.max() > 5
    x, y = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
    towards_the_lamp = -(columns - x) - (rows - y)
    assert (brighter * towards_the_lamp).sum() > 0.3 * (weight * np.abs(towards_the_lamp)).sum()
