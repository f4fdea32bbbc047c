"""head.glb as a stranger meets it: loaded by three.js in Chromium, made to smile and to open its mouth."""

from __future__ import annotations

import json
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
from deca.parameters import Parameters

HERE = Path(__file__).parent
SMILE = {"mouthSmileLeft": 1, "mouthSmileRight": 1}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shown:
    """What the page reported, its pictures (height, width, 3) by view, and where the asked points fell."""

    report: dict
    pictures: dict[str, np.ndarray]
    points: dict[str, np.ndarray]

    def change(self, name: str, other: str = "neutral") -> np.ndarray:
        """How much each pixel differs between two views, in grey levels."""
        return np.abs(self.pictures[name].astype(float) - self.pictures[other]).mean(-1)


def show(folder: Path, views: dict[str, dict]) -> Shown:
    """Load head.glb of a folder and take its picture in every view."""
    (folder / "views.json").write_text(json.dumps(views))
    command = ["node", HERE / "screenshots.mjs", folder / "head.glb", folder, folder / "views.json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    pictures = {name: np.asarray(Image.open(folder / f"{name}.png").convert("RGB")) for name in views}
    return Shown(report, pictures, {name: np.array(points) for name, points in report["pixels"].items()})


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel(default_head())


@pytest.fixture(scope="module")
def shown(model: HeadModel, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("browser")
    write_glb(folder / "head.glb", model, model.neutral(), mean_texture(model), bump_on_the_forehead(model))
    views = {
        "neutral": {"points": landmarks(model, {})},
        "smile": {"morphs": SMILE, "points": landmarks(model, SMILE)},
        "jaw_open": {"morphs": {"jawOpen": 1}, "points": landmarks(model, {"jawOpen": 1})},
        "three_quarter": {"azimuth": 40},
        "without_bump": {"bumps": 0},
        "again": {},
    }
    return show(folder, views)


def with_expression(model: HeadModel, weights: dict[str, float]) -> Parameters:
    """The mean head with some actions on."""
    parameters = model.neutral()
    expression = torch.zeros_like(parameters.expression)
    for name, weight in weights.items():
        expression[0, model.data.expression_names.index(name)] = weight
    return parameters.replace(expression=expression)


def landmarks(model: HeadModel, weights: dict[str, float]) -> list[list[float]]:
    """Right and left corner, upper and lower middle of the inner lips, and the lower lids; metres."""
    vertices = model(with_expression(model, weights)).vertices[0].numpy()
    rows = [60, 64, 62, 66, 41, 46]
    corners = vertices[model.data.triangles[model.data.full_landmark_triangles[rows]]]
    return (corners * model.data.full_landmark_barycentrics[rows, :, None]).sum(1).tolist()


def mean_texture(model: HeadModel) -> np.ndarray:
    return encode_unit(model.data.albedo_mean.transpose(2, 0, 1))


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
    lids = shown.points["neutral"][4:, 1].mean()
    assert change.max() > 40
    assert change[: int(lids)].sum() < 0.05 * change.sum()


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
    _, _, upper, lower, *_ = shown.points["jaw_open"]
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


def test_it_opens_as_in_the_photo(model: HeadModel, tmp_path: Path) -> None:
    """Turned, smiling, jaw and eyes moved by joints: three.js puts every vertex where the head model does."""
    parameters = with_expression(model, {"mouthSmileLeft": 0.7, "browInnerUp": 0.5}).replace(
        pose=torch.tensor([[0.1, 0.5, 0.1]]),
        jaw=torch.tensor([[0.15, 0.0, 0.0]]),
        eyes=torch.tensor([[[0.0, 0.2, 0.0], [0.0, 0.2, 0.0]]]),
    )
    write_glb(tmp_path / "head.glb", model, parameters, mean_texture(model))
    found = np.array(show(tmp_path, {"photo": {}}).report["vertices"])
    wanted = model(parameters).vertices[0].numpy()
    # Vertices are split at seams but keep their order.
    pairs = np.stack([model.data.triangles, model.data.texture_triangles], -1).reshape(-1, 2)
    distance = np.linalg.norm(found - wanted[np.unique(pairs, axis=0)[:, 0]], axis=1)
    assert distance.max() < 1e-4


def test_the_bump_is_a_bump_and_not_a_dent(shown: Shown) -> None:
    """The lamp is at the upper left: that side of a bump is the brighter one, of a dent the darker one."""
    brighter = (shown.pictures["neutral"].astype(float) - shown.pictures["without_bump"]).mean(-1)
    brighter[np.abs(brighter) < 3] = 0  # 8 bits cannot say "straight up" exactly
    rows, columns = np.nonzero(brighter)
    change = brighter[rows, columns]
    assert len(change) > 200
    towards_the_lamp = (columns.mean() - columns) + (rows.mean() - rows)
    agreement = (change * towards_the_lamp).sum() / np.abs(change * towards_the_lamp).sum()
    assert agreement > 0.3
