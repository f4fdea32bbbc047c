"""The head, maps and photos of the parity set, and the set's figures; skips where the set is not there."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deca.head.albedo import AlbedoModel
from deca.head.data import REGIONS, HeadData
from deca.head.model import HeadModel
from deca.parameters import Parameters

PARITY = Path(__file__).parents[1].parent / "shared" / "parity" / "dev"


def stage(name: str) -> dict[str, Tensor]:
    """Inputs and outputs of one stage of the reference."""
    return {
        key: torch.from_numpy(value) for key, value in _archive(PARITY / "stages" / f"{name}.npz").items()
    }


@cache
def parity_head() -> HeadData:
    """The parity set's mesh, bases, landmarks and UV layout."""
    model = _archive(PARITY / "assets" / "head_model.npz")
    landmarks = _archive(PARITY / "assets" / "landmark_embedding.npz")
    texture_vertices, texture_triangles = _texture(PARITY / "assets" / "head_template.obj")
    vertex_count, triangle_count = len(model["v_template"]), len(model["f"])
    regressor = np.zeros((5, vertex_count), np.float32)
    regressor[model["J_regressor_row"], model["J_regressor_col"]] = model["J_regressor_value"]
    return HeadData(
        name="parity",
        version="1",
        source="parity set",
        licence="CC0-1.0",
        template_vertices=model["v_template"],
        triangles=model["f"].astype(np.int64),
        texture_vertices=texture_vertices,
        texture_triangles=texture_triangles,
        shape_basis=model["shape_dirs"].transpose(2, 0, 1).copy(),
        expression_basis=model["expression_dirs"].transpose(2, 0, 1).copy(),
        expression_names=tuple(str(name) for name in model["expression_names"]),
        expression_joint_rotations=np.zeros((50, 5, 3), np.float32),
        joint_names=("root", "neck", "jaw", "left_eye", "right_eye"),
        joint_parents=np.array([-1, 0, 1, 1, 1]),
        joint_regressor=regressor,
        skinning_weights=model["weights"],
        pose_basis=model["posedirs"].transpose(2, 0, 1).copy(),
        landmark_triangles=landmarks["static_lmk_faces_idx"],
        landmark_barycentrics=landmarks["static_lmk_bary_coords"].astype(np.float32),
        contour_triangles=landmarks["dynamic_lmk_faces_idx"],
        contour_barycentrics=landmarks["dynamic_lmk_bary_coords"],
        full_landmark_triangles=landmarks["full_lmk_faces_idx"][0],
        full_landmark_barycentrics=landmarks["full_lmk_bary_coords"][0],
        dense_landmark_triangles=np.zeros(0, np.int64),
        dense_landmark_barycentrics=np.zeros((0, 3), np.float32),
        region_names=REGIONS,
        region_triangles=np.zeros((len(REGIONS), triangle_count), bool),
        vertex_mirror=np.zeros(0, np.int64),
        albedo_mean=np.full((8, 8, 3), 0.5, np.float32),
        albedo_basis=np.zeros((1, 8, 8, 3), np.float32),
    )


@cache
def parity_albedo(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean (512, 512, 3) and components (50, 512, 512, 3), RGB, of albedo_bfm or albedo_flame."""
    mean, basis, white = {"albedo_bfm": ("MU", "PC", 1), "albedo_flame": ("mean", "tex_dir", 255)}[name]
    arrays = _archive(PARITY / "assets" / f"{name}.npz")
    components = np.zeros((50, 512, 512, 3), np.float32)
    for column, index in enumerate(arrays[f"{basis}_index"]):
        components[index] = arrays[f"{basis}_int"][..., column] * np.float32(arrays[f"{basis}_step"])
    colours = np.float32(arrays[f"{mean}_int"] * float(arrays[f"{mean}_step"]))
    return colours[..., ::-1] / np.float32(white), components[..., ::-1] / np.float32(white)


@cache
def released_albedo() -> AlbedoModel:
    """The Basel albedo as the released code takes it, 256 texels a side."""
    return AlbedoModel.released(*parity_albedo("albedo_bfm"), 256)


def parity_array(name: str, key: str) -> np.ndarray:
    """An array of one of the set's small assets."""
    return _archive(PARITY / "assets" / f"{name}.npz")[key]


def parity_picture(name: str) -> np.ndarray:
    """A picture of the set, (height, width, 3), by its path there."""
    path = PARITY / name
    if not path.is_file():
        pytest.skip(f"{path.name} of the parity set is not there")
    return np.array(Image.open(path).convert("RGB"))


def parity_mask(name: str) -> np.ndarray:
    """A mask in UV, (256, 256), 0 to 1."""
    return parity_picture(f"assets/{name}.png")[..., 0].astype(np.float32) / 255


def crop_record(key: str) -> dict[str, Any]:
    """Photo, box and kind of one of the set's crops."""
    path = PARITY / "stages" / "01_crop.json"
    if not path.is_file():
        pytest.skip("01_crop.json of the parity set is not there")
    return next(record for record in json.loads(path.read_text()) if record["key"] == key)


def encoded_parameters(model: HeadModel, photo: int) -> Parameters:
    """What the reference's encoders say of one of the three photos."""
    head, lit, encoded = stage("03_head"), stage("07_render_lit"), stage("02_encode")
    one = slice(photo, photo + 1)
    pose = head["enc_pose"][one]
    return model.neutral().replace(
        shape=head["enc_shape"][one],
        expression=head["enc_exp"][one],
        pose=pose[:, :3],
        jaw=pose[:, 3:],
        camera=head["enc_cam"][one],
        albedo=lit["tex"][one],
        lighting=lit["light"][one],
        detail=encoded["detail"][one],
    )


def agrees(key: str, actual: Tensor, expected: Tensor, largest: float, usual: float | None = None) -> None:
    """No value is further off than `largest`, and 99.9 % are within `usual`, relative to the largest value.

    `key` names the figure where it fails.
    """
    assert actual.shape == expected.shape, key
    scale = expected.abs().max()
    off = (actual - expected).abs().flatten() / scale
    assert off.max() <= largest, f"{key}: off by {off.max():.3g}"
    if usual is not None:
        typical = off.kthvalue(max(1, int(0.999 * len(off)))).values
        assert typical <= usual, f"{key}: off by {typical:.3g} at 99.9 %"


def agrees_but_for(
    pixels: int, key: str, actual: Tensor, expected: Tensor, largest: float, usual: float | None = None
) -> None:
    """As `agrees` for a picture of one face, some pixels left out.

    Where the head itself is computed, its last digit depends on the machine, and with it which triangle
    covers a pixel whose centre lies on an edge; the reference's own pictures move by as much.
    """
    assert actual.shape == expected.shape, key
    off = (actual - expected).abs().amax((0, 1)).flatten()
    kept = off.topk(pixels).indices
    agreed = actual.clone().flatten(2)
    agreed[..., kept] = expected.flatten(2)[..., kept]
    agrees(key, agreed.view_as(actual), expected, largest, usual)


def _archive(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        pytest.skip(f"{path.name} of the parity set is not there")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if archive[name].dtype.kind != "U"} | (
            {"expression_names": archive["expression_names"]} if "expression_names" in archive.files else {}
        )


def _texture(path: Path) -> tuple[np.ndarray, np.ndarray]:
    lines = [line.split() for line in path.read_text().splitlines()]
    vertices = [line[1:3] for line in lines if line[:1] == ["vt"]]
    triangles = [
        [int(corner.split("/")[1]) - 1 for corner in line[1:4]] for line in lines if line[:1] == ["f"]
    ]
    return np.array(vertices, np.float32), np.array(triangles)
