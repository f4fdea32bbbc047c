"""The head model and its landmarks against the reference's numbers."""

from __future__ import annotations

import pytest
import torch
from parity_head import parity_head, stage
from torch import Tensor

from deca.head.landmarks import HeadLandmarks, contour_rows
from deca.head.model import Head, HeadModel
from deca.parameters import Parameters
from deca.render.camera import project


def _parameters(model: HeadModel, figures: dict[str, Tensor], prefix: str) -> Parameters:
    pose = figures[f"{prefix}pose"]
    eyes = figures["eye_pose"].unflatten(1, (2, 3)) if not prefix else pose.new_zeros(len(pose), 2, 3)
    return model.neutral(len(pose)).replace(
        shape=figures[f"{prefix}shape"],
        expression=figures[f"{prefix}exp"],
        pose=pose[:, :3],
        jaw=pose[:, 3:],
        eyes=eyes,
        camera=figures[f"{prefix}cam"],
    )


@pytest.mark.parametrize("prefix", ["", "enc_"])
def test_vertices_and_landmarks_agree(prefix: str) -> None:
    figures = stage("03_head")
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    parameters = _parameters(model, figures, prefix)
    head = model(parameters)
    # float32 sums of metres in another order: 2e-7 is what the set itself moves by.
    torch.testing.assert_close(head.vertices, figures[f"{prefix}verts"], atol=5e-7, rtol=0)
    sliding, fixed = landmarks(head), landmarks.full(head)
    torch.testing.assert_close(sliding, figures[f"{prefix}landmarks2d_world"], atol=5e-7, rtol=0)
    torch.testing.assert_close(fixed, figures[f"{prefix}landmarks3d_world"], atol=5e-7, rtol=0)
    seen = project(sliding, parameters.camera)
    torch.testing.assert_close(seen[..., :2], figures[f"{prefix}landmarks2d"], atol=5e-6, rtol=0)


def test_contour_rows_agree() -> None:
    figures = stage("03_contour")
    model, landmarks = HeadModel(parity_head()), HeadLandmarks(parity_head())
    pose = figures["full_pose"]
    parameters = model.neutral(len(pose)).replace(pose=pose[:, :3], neck=pose[:, 3:6], jaw=pose[:, 6:9])
    yaw = landmarks.yaw_degrees(Head(pose.new_zeros(len(pose), 1, 3), model(parameters).joint_transforms))
    torch.testing.assert_close(yaw, figures["yaw_degrees"], atol=2e-3, rtol=0)
    assert torch.equal(contour_rows(figures["yaw_degrees"]), figures["table_row"].long())
