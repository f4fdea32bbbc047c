"""Several photos of one person: one shape from all their landmarks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deca.animation.landmark_motion import LandmarkMotion
from deca.fitting.landmarks import fit_landmarks
from deca.fitting.several import fit_same_person
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.io.heads import default_head
from deca.parameters import Parameters
from deca.render.camera import project

DATA = default_head()
MODEL = HeadModel(DATA)
LANDMARKS = HeadLandmarks(DATA)
NOISE = 0.004  # of the image's half, about one pixel of a crop


def person() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    shape = torch.zeros(1, len(DATA.shape_basis))
    shape[0, :12] = torch.randn(12, generator=generator)
    return shape


def photo(number: int) -> tuple[Parameters, torch.Tensor]:
    """One photo of the person, turned and moved somehow: its parameters and noisy landmarks."""
    generator = np.random.default_rng(number)
    parameters = MODEL.neutral()
    expression = parameters.expression.clone()
    for name in ("mouthSmileLeft", "mouthSmileRight", "browInnerUp"):
        expression[0, DATA.expression_names.index(name)] = float(generator.uniform(0, 0.6))
    parameters = parameters.replace(
        shape=person(),
        expression=expression,
        pose=torch.tensor([[0.0, generator.uniform(-0.6, 0.6), 0.0]]).float(),
        jaw=torch.tensor([[generator.uniform(0, 0.1), 0.0, 0.0]]).float(),
    )
    seen = project(LANDMARKS.dense(MODEL(parameters)), parameters.camera)[0, :, :2].double()
    return parameters, seen + NOISE * torch.from_numpy(generator.standard_normal(seen.shape))


def shape_error(found: Parameters) -> float:
    """Millimetres between the neutral heads, the face's vertices laid over each other."""
    face = np.unique(DATA.triangles[DATA.region("face")])
    heads = [MODEL(MODEL.neutral().replace(shape=one)).vertices[0, face] for one in (person(), found.shape)]
    centred = [head - head.mean(0) for head in heads]
    return float((centred[0] - centred[1]).norm(dim=1).mean() * 1000)


def test_more_photos_bring_the_shape_nearer() -> None:
    photos = [photo(number)[1] for number in range(6)]
    single = np.mean([shape_error(fit_landmarks(MODEL, points).parameters) for points in photos])
    together = fit_same_person(MODEL, photos, [1.0] * 6)
    assert len({tuple(fit.parameters.shape[0].tolist()) for fit in together}) == 1
    # Landmarks that err each by itself, as here, would allow more: the prior counts once a photo, because
    # those of the network err alike (measured: 0.91).
    assert shape_error(together[0].parameters) < 0.95 * single
    # Each keeps its own pose.
    truth = [float(photo(number)[0].pose[0, 1]) for number in range(6)]
    found = [float(fit.parameters.pose[0, 1]) for fit in together]
    assert np.abs(np.subtract(truth, found)).max() < 0.06


def test_one_photo_is_fitted_as_by_itself() -> None:
    points = photo(0)[1]
    alone, listed = fit_landmarks(MODEL, points), fit_same_person(MODEL, [points], [1.0])[0]
    assert listed.residual == pytest.approx(alone.residual, rel=0.02)
    assert torch.allclose(listed.parameters.shape, alone.parameters.shape, atol=0.05)


def test_what_is_no_photo_is_refused() -> None:
    with pytest.raises(ValueError, match="each above 0"):
        fit_same_person(MODEL, [], [])
    with pytest.raises(ValueError, match="each above 0"):
        fit_same_person(MODEL, [photo(0)[1]], [0.0])
    with pytest.raises(ValueError, match="landmarks"):
        fit_same_person(MODEL, [photo(0)[1][:5]], [1.0])


def test_a_known_persons_frames_are_fitted_as_slowly_and_well() -> None:
    """With the fit's own shape the tracking solver comes to the same minimum."""
    points = photo(1)[1]
    slow = fit_landmarks(MODEL, points)
    solver = LandmarkMotion(MODEL, slow.parameters)
    solver.start(points.numpy())
    fast = solver.step(points.numpy())

    def residual(parameters: Parameters) -> float:
        seen = project(LANDMARKS.dense(MODEL(parameters)), parameters.camera)[0, :, :2]
        return float((seen - points).square().sum(1).mean().sqrt())

    assert residual(fast) == pytest.approx(residual(slow.parameters), rel=0.01)
    assert torch.allclose(fast.pose, slow.parameters.pose, atol=5e-3)
    assert torch.allclose(fast.expression, slow.parameters.expression, atol=0.1)


def test_a_frame_is_solved_the_same_from_wherever_the_frames_before_led() -> None:
    """The cost has one minimum nearby: an expression that depends on the way there would tremble."""
    points, other = photo(0)[1].numpy(), photo(1)[1].numpy()
    person = fit_landmarks(MODEL, photo(0)[1]).parameters
    direct, around = LandmarkMotion(MODEL, person), LandmarkMotion(MODEL, person)
    direct.start(points)
    around.start(other)
    for share in (0.75, 0.5, 0.25, 0.0, 0.0):
        there = around.step(share * other + (1 - share) * points)
    here = direct.step(points)
    assert torch.allclose(here.expression, there.expression, atol=0.01)
    assert torch.allclose(here.pose, there.pose, atol=1e-3)


def test_the_solver_wants_a_start() -> None:
    with pytest.raises(ValueError, match="start comes before"):
        LandmarkMotion(MODEL, MODEL.neutral()).step(np.zeros((468, 2)))
