"""Landmarks lie on the surface, slide with the yaw, and carry gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks, contour_rows
from deca.head.model import HeadModel


@pytest.mark.parametrize(
    ("yaw", "row"),
    [(0.0, 0), (0.5, 0), (1.5, 2), (39.4, 39), (80.0, 39), (-0.4, 0), (-1.0, 40), (-39.0, 78), (-90.0, 78)],
)
def test_rows_of_the_contour_table(yaw: float, row: int) -> None:
    assert contour_rows(torch.tensor([yaw])).tolist() == [row]


@given(st.floats(-89, 89), st.floats(-0.4, 0.4))
def test_yaw_is_read_off_the_pose_whatever_the_pitch(degrees: float, pitch: float) -> None:
    model, landmarks = _small()
    parameters = model.neutral()
    yaw = torch.deg2rad(torch.tensor([degrees]))
    # The neck's pitch comes first: it does not change where the turned face looks from above.
    turned = parameters.replace(
        pose=torch.stack([0 * yaw, yaw, 0 * yaw], -1), neck=torch.tensor([[pitch, 0.0, 0.0]])
    )
    torch.testing.assert_close(
        landmarks.yaw_degrees(model(turned)), torch.tensor([degrees]), atol=1e-2, rtol=0
    )


def test_each_face_of_a_batch_has_its_own_contour(small_head: HeadData) -> None:
    model, landmarks = HeadModel(small_head), HeadLandmarks(small_head)
    pose = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, -0.5, 0.0]])
    together = landmarks(model(model.neutral(3).replace(pose=pose)))
    for face in range(3):
        alone = landmarks(model(model.neutral().replace(pose=pose[face : face + 1])))
        torch.testing.assert_close(together[face : face + 1], alone)
    fixed = landmarks.full(model(model.neutral()))
    torch.testing.assert_close(together[:1], fixed)
    assert landmarks.dense(model(model.neutral())).shape == (1, 468, 3)


def test_gradients_reach_the_parameters(small_head: HeadData) -> None:
    model, landmarks = HeadModel(small_head), HeadLandmarks(small_head)
    parameters = model.neutral()
    pose = torch.tensor([[0.1, 0.2, 0.0]], requires_grad=True)
    landmarks(model(parameters.replace(pose=pose))).sum().backward()
    assert pose.grad is not None
    assert (pose.grad != 0).all()


def test_a_head_without_dense_landmarks_gives_none(small_head: HeadData) -> None:
    bare = replace(
        small_head,
        dense_landmark_triangles=small_head.dense_landmark_triangles[:0],
        dense_landmark_barycentrics=small_head.dense_landmark_barycentrics[:0],
    )
    model = HeadModel(bare)
    assert HeadLandmarks(bare).dense(model(model.neutral())).shape == (1, 0, 3)


def _small() -> tuple[HeadModel, HeadLandmarks]:
    from small_head import make_small_head

    head = make_small_head()
    return HeadModel(head), HeadLandmarks(head)
