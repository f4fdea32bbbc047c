from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from deca.fitting.landmarks import LandmarkFitConfig, fit_landmarks
from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.parameters import Parameters
from deca.photo.dense_points import DENSE_OUTLINE, EDGES, LIP_CORNERS
from deca.render.camera import project


@pytest.fixture(scope="module")
def data() -> HeadData:
    return default_head()


def seen(head_model: HeadModel, parameters: Parameters) -> torch.Tensor:
    points = HeadLandmarks(head_model.data).dense(head_model(parameters))
    return project(points, parameters.camera)[0, :, :2]


def some_face(head_model: HeadModel, seed: int) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    names = head_model.data.expression_names
    expression = torch.zeros(1, len(names))
    for name in ("mouthSmileLeft", "mouthSmileRight", "browInnerUp"):
        expression[0, names.index(name)] = 0.5
    return head_model.neutral().replace(
        shape=torch.randn(1, len(head_model.shape_basis), generator=generator),
        expression=expression,
        pose=torch.randn(1, 3, generator=generator) * 0.15,
        jaw=torch.tensor([[0.15, 0.0, 0.0]]),
        camera=torch.tensor([[7.0, 0.01, 0.02]]),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_recovers_pose_camera_and_landmarks_of_a_face_it_has_seen(data, seed):
    head_model = HeadModel(data)
    truth = some_face(head_model, seed)
    points = seen(head_model, truth)
    fit = fit_landmarks(head_model, points)
    height = float(points[:, 1].max() - points[:, 1].min())
    inner = np.setdiff1d(np.arange(468), DENSE_OUTLINE)
    error = (seen(head_model, fit.parameters) - points)[inner].norm(dim=1)
    assert float(error.mean()) < 0.01 * height
    assert fit.residual == pytest.approx(float(error.square().mean().sqrt()), rel=1e-3)
    assert float((fit.parameters.pose - truth.pose).abs().max()) < 0.12
    assert float(fit.parameters.camera[0, 0] / truth.camera[0, 0]) == pytest.approx(1, abs=0.1)
    assert float(fit.parameters.jaw[0, 0]) > 0.05


def test_coefficients_stay_in_their_bounds_and_the_jaw_action_is_left_to_the_joint(data):
    head_model = HeadModel(data)
    points = seen(head_model, some_face(head_model, 5))
    fit = fit_landmarks(head_model, points * torch.tensor([1.0, 1.6]))
    expression, names = fit.parameters.expression[0], data.expression_names
    assert float(expression.min()) >= 0
    assert float(expression.max()) <= 1
    assert float(fit.parameters.shape.abs().max()) <= 3.5
    assert float(expression[names.index("jawOpen")]) == 0


def test_a_landmark_far_off_hardly_moves_the_fit(data):
    head_model = HeadModel(data)
    points = seen(head_model, some_face(head_model, 3))
    clean = fit_landmarks(head_model, points).parameters
    spoilt = points.clone()
    spoilt[50] += 0.3
    robust = fit_landmarks(head_model, spoilt).parameters
    others = np.setdiff1d(np.arange(468), [50])
    assert float((seen(head_model, robust) - seen(head_model, clean))[others].norm(dim=1).mean()) < 0.004


def test_a_head_without_dense_landmarks_is_fitted_by_the_68(small_head):
    from dataclasses import replace

    data = replace(
        small_head,
        dense_landmark_triangles=np.zeros(0, np.int64),
        dense_landmark_barycentrics=np.zeros((0, 3), np.float32),
    )
    head_model = HeadModel(data)
    truth = head_model.neutral().replace(pose=torch.tensor([[0.1, -0.2, 0.05]]))
    points = HeadLandmarks(data).full(head_model(truth))
    fit = fit_landmarks(head_model, project(points, truth.camera)[0, :, :2])
    assert float((fit.parameters.pose - truth.pose).abs().max()) < 0.1


def test_a_wrong_number_of_landmarks_is_an_error(data):
    with pytest.raises(ValueError, match="67 landmarks for a head with 468"):
        fit_landmarks(HeadModel(data), torch.zeros(67, 2))


def test_components_of_a_statistical_model_are_signed(data):
    """A head whose expressions have numbers for names: the opposite of a smile is found as such."""
    count = len(data.expression_names)
    names = tuple(f"expression_{number:03}" for number in range(count))
    still = np.zeros_like(data.expression_joint_rotations)
    statistical = replace(data, expression_names=names, expression_joint_rotations=still)
    head_model = HeadModel(statistical)
    smiles = [data.expression_names.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]
    expression = torch.zeros(1, count)
    expression[0, smiles] = -0.9
    truth = head_model.neutral().replace(expression=expression, camera=torch.tensor([[7.0, 0.0, 0.0]]))
    points = seen(head_model, truth)
    found = fit_landmarks(head_model, points).parameters
    corners = [61, 291]
    error = (seen(head_model, found) - points)[corners].norm(dim=1)
    moved = (seen(head_model, head_model.neutral().replace(camera=truth.camera)) - points)[corners].norm(
        dim=1
    )
    assert float(error.max()) < 0.3 * float(moved.min())
    assert float(found.expression.min()) < -0.1


def test_a_smile_is_one_and_not_what_faces_seldom_do(data):
    head_model = HeadModel(data)
    names = data.expression_names
    expression = torch.zeros(1, len(names))
    smile = [
        names.index(f"mouth{action}{side}") for action in ("Smile", "UpperUp") for side in ("Left", "Right")
    ]
    expression[0, smile] = 0.4
    truth = head_model.neutral().replace(expression=expression, camera=torch.tensor([[7.0, 0.0, 0.0]]))
    noise = 0.004 * np.random.default_rng(3).standard_normal((468, 2))
    found = fit_landmarks(
        head_model, seen(head_model, truth) + torch.from_numpy(noise)
    ).parameters.expression[0]
    rare = [found[place] for place, name in enumerate(names) if name.startswith(("mouthShrug", "jawForward"))]
    assert float(found[smile].min()) > 0.2
    assert float(max(rare)) < 0.1


def test_bare_skin_says_less_than_edges(data):
    head_model = HeadModel(data)
    truth = some_face(head_model, 4)
    points = seen(head_model, truth)
    skin = np.setdiff1d(np.arange(468), [*EDGES, *DENSE_OUTLINE])
    shapes = []
    for moved in ([], skin, EDGES):
        other = points.clone()
        other[list(moved)] += torch.from_numpy(
            0.02 * np.random.default_rng(1).standard_normal((len(moved), 2))
        )
        shapes.append(fit_landmarks(head_model, other).parameters.shape)
    assert (shapes[1] - shapes[0]).norm() < 0.7 * (shapes[2] - shapes[0]).norm()


def test_corners_of_the_mouth_tell_a_smile(data):
    # All that is seen of it is that they rise.
    head_model = HeadModel(data)
    points = seen(head_model, head_model.neutral().replace(camera=torch.tensor([[7.0, 0.0, 0.0]])))
    points[list(LIP_CORNERS), 1] -= 0.04
    smile = [data.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]
    found, as_others = (
        float(fit_landmarks(head_model, points, config).parameters.expression[0, smile].min())
        for config in (LandmarkFitConfig(), LandmarkFitConfig(lip_corner=1.0))
    )
    assert found > 1.5 * as_others
    assert found > 0.1
