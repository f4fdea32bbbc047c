"""The head of the parity set as a HeadData, and the set's figures; skips where the set is not there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from deca.head.data import REGIONS, HeadData

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


def most_within(actual: Tensor, expected: Tensor, usual: float, largest: float) -> None:
    """99.9 % of the values agree within `usual` and none is further off than `largest`."""
    off = (actual - expected).abs().flatten()
    assert off.kthvalue(int(0.999 * len(off))).values <= usual
    assert off.max() <= largest


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
