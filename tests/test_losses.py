"""The coarse losses: known answers, exact gradients, and one value a face whatever the batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deca.parameters import Parameters
from deca.training.losses import (
    code_size,
    eye_closure_loss,
    landmark_loss,
    lip_closure_loss,
    other_photos,
    photometric_loss,
    released_code_size,
    released_eye_closure_loss,
    released_landmark_loss,
    released_landmark_weights,
    released_light_greyness,
    released_lip_distance_loss,
    released_other_photos,
    visible_only,
    with_shapes_of,
)

LANDMARK_LOSSES = (
    landmark_loss,
    released_landmark_loss,
    eye_closure_loss,
    lip_closure_loss,
    released_eye_closure_loss,
    released_lip_distance_loss,
)


def _points(faces: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points of a head and of a photo, double precision."""
    random = torch.Generator().manual_seed(seed)
    landmarks = torch.rand(faces, 68, 2, dtype=torch.float64, generator=random) * 2 - 1
    target = torch.rand(faces, 68, 3, dtype=torch.float64, generator=random) * 2 - 1
    target[..., 2] = torch.rand(faces, 68, dtype=torch.float64, generator=random)
    return landmarks, target


def test_landmarks_off_by_a_hundredth() -> None:
    target = torch.zeros(2, 68, 3)
    target[..., 2] = 1
    moved = target[..., :2] + torch.tensor([0.01, 0.03])
    torch.testing.assert_close(landmark_loss(moved, target), torch.tensor([0.02, 0.02]))
    torch.testing.assert_close(released_landmark_loss(moved, target), torch.tensor([0.02, 0.02]))
    # A face that shows half of its points counts half by default, and fully as released.
    target[1, ::2, 2] = 0
    torch.testing.assert_close(landmark_loss(moved, target), torch.tensor([0.02, 0.01]))
    torch.testing.assert_close(released_landmark_loss(moved, target), torch.tensor([0.02, 0.02]))


def test_the_dense_landmarks_too() -> None:
    target = torch.ones(1, 468, 3)
    assert landmark_loss(torch.zeros(1, 468, 2), target).tolist() == [1.0]


def test_released_weights_are_those_published() -> None:
    weights = released_landmark_weights()
    assert weights[30] == weights[31] == weights[35] == weights[48] == weights[54] == 3
    assert weights[27] == weights[67] == 1.5
    assert weights[[5, 6, 10, 11]].tolist() == [2] * 4
    assert weights.sum() == 17 + 4 + 10 + 9 * 1.5 + 3 * 1.5 + 12 + 20 * 1.5 + 2 * 1.5


@pytest.mark.parametrize("loss", LANDMARK_LOSSES)
def test_points_of_no_confidence_do_no_harm(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    landmarks, target = _points(2)
    target[..., 2] = 0
    if "released" not in loss.__name__ or loss is released_landmark_loss:
        # A detector's missing points may hold anything.
        target[0, :, :2] = torch.nan
    landmarks.requires_grad_()
    value = loss(landmarks, target)
    (gradient,) = torch.autograd.grad(value.sum(), landmarks)
    if loss not in (released_eye_closure_loss, released_lip_distance_loss):
        assert value.tolist() == [0, 0]
        assert torch.equal(gradient, torch.zeros_like(gradient))
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", LANDMARK_LOSSES)
def test_landmark_gradients_are_exact(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    landmarks, target = _points(2)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), landmarks.requires_grad_())


@pytest.mark.parametrize("loss", LANDMARK_LOSSES)
def test_a_face_has_the_same_value_in_any_batch(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    landmarks, target = _points(5)
    alone = torch.cat([loss(landmarks[i : i + 1], target[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(loss(landmarks, target), alone, atol=0, rtol=1e-14)


def test_closure_does_not_ask_where_the_eye_is_but_which_way_the_lids_lie() -> None:
    target = torch.zeros(1, 68, 3)
    target[..., 2] = 1
    target[:, [37, 38, 43, 44], 1] = -0.02
    elsewhere = target[..., :2] + torch.tensor([0.3, -0.2])
    assert eye_closure_loss(elsewhere, target) == pytest.approx(0, abs=1e-7)
    assert released_eye_closure_loss(elsewhere, target) == pytest.approx(0, abs=1e-7)
    # Closed: off by 0.02 down, none across. Crossed by as much: only the vector form sees it.
    closed = torch.zeros(1, 68, 2)
    assert eye_closure_loss(closed, target) == pytest.approx(0.01)
    assert released_eye_closure_loss(closed, target) == pytest.approx(0.02)
    crossed = -target[..., :2]
    assert eye_closure_loss(crossed, target) == pytest.approx(0.02)
    assert released_eye_closure_loss(crossed, target) == pytest.approx(0)
    # A pair is as certain as its less certain point.
    target[:, [41, 40, 47, 46], 2] = 0.5
    assert eye_closure_loss(closed, target) == pytest.approx(0.005)


def test_open_lips() -> None:
    target = torch.zeros(1, 68, 3)
    target[..., 2] = 1
    target[:, [61, 62, 63], 1] = -0.06
    assert lip_closure_loss(torch.zeros(1, 68, 2), target) == pytest.approx(0.03)
    assert released_lip_distance_loss(torch.zeros(1, 68, 2), target) == pytest.approx(0.06)


def test_closed_lids_have_finite_gradients() -> None:
    """The distance of two points has no derivative where they coincide."""
    _, target = _points(1)
    landmarks = torch.zeros(1, 68, 2, dtype=torch.float64, requires_grad=True)
    value = released_eye_closure_loss(landmarks, target) + released_lip_distance_loss(landmarks, target)
    (gradient,) = torch.autograd.grad(value.sum(), landmarks)
    assert gradient.isfinite().all()


def test_photometric_is_the_mean_of_weighted_differences() -> None:
    image, rendered = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    weights = torch.zeros(2, 1, 4, 4)
    weights[0, :, :2] = 1
    weights[1] = 0.5
    torch.testing.assert_close(photometric_loss(image, rendered, weights), torch.tensor([0.25, 0.25]))
    alpha = torch.zeros(2, 1, 4, 4, requires_grad=True)
    assert not visible_only(weights, alpha).requires_grad
    assert visible_only(weights, alpha).sum() == 0


def test_photometric_gradients_are_exact() -> None:
    random = torch.Generator().manual_seed(0)
    image, rendered = torch.rand(2, 2, 3, 4, 5, dtype=torch.float64, generator=random)
    weights = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=random)
    assert torch.autograd.gradcheck(lambda x: photometric_loss(image, x, weights), rendered.requires_grad_())


def test_regularisers() -> None:
    code = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert code_size(code).tolist() == [25, 1]
    assert released_code_size(code).tolist() == [12.5, 0.5]
    grey = torch.rand(2, 9, 1).expand(2, 9, 3)
    assert released_light_greyness(grey).tolist() == pytest.approx([0, 0], abs=1e-12)
    red = torch.zeros(1, 9, 3)
    red[:, 0, 0] = 3
    # Off by 2, -1 and -1 in one of nine bands.
    assert released_light_greyness(red) == pytest.approx(6 / 27)


@pytest.mark.parametrize("loss", [code_size, released_code_size, released_light_greyness])
def test_regulariser_gradients_are_exact(loss: Callable[[Tensor], Tensor]) -> None:
    code = torch.randn(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(loss, code.requires_grad_())


def test_other_photos_are_others_of_the_same_person() -> None:
    random = torch.Generator().manual_seed(0)
    for ring in (2, 3, 4):
        rows = other_photos(50, ring, random)
        own = torch.arange(50 * ring)
        assert torch.equal(rows // ring, own // ring)
        assert (rows != own).all()
        assert torch.equal(rows.sort().values, own)
        released = released_other_photos(50, ring, random)
        assert torch.equal(released // ring, own // ring)
        assert torch.equal(released.sort().values, own)
        assert (released == own).any()
    assert other_photos(3, 1, random).tolist() == [0, 1, 2]
    # The same generator state gives the same rings again.
    again = [other_photos(20, 4, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*again)


def test_shapes_are_exchanged_and_nothing_else() -> None:
    parameters = Parameters.neutral(shape=2, expression=3, albedo=1, batch=2)
    parameters = parameters.replace(
        shape=torch.tensor([[1.0, 2.0], [3.0, 4.0]]), expression=torch.tensor([[0.0], [1.0]]).expand(2, 3)
    )
    exchanged = with_shapes_of(parameters, torch.tensor([1, 0]))
    assert exchanged.shape.tolist() == [[3, 4], [1, 2]]
    assert exchanged.expression is parameters.expression
    assert math.isclose(float(exchanged.camera[0, 0]), 8.0)
