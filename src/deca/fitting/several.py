"""Geometry of several photos of one person: one shape, and each photo's own camera, pose, jaw, expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.fitting.landmarks import (
    LandmarkFit,
    LandmarkFitConfig,
    LandmarkProblem,
    LandmarkState,
    landmark_problem,
)
from deca.head.model import HeadModel

_COORDINATES = 9  # of camera, pose and jaw, which come before the shape
_ITERATIONS = 40
_GAIN = 1e-5
_ATTEMPTS = 8


def fit_same_person(
    head_model: HeadModel,
    landmarks_image: Sequence[Float[Tensor, "point 2"]],
    weights: Sequence[float],
    config: LandmarkFitConfig | None = None,
    teeth_together: Sequence[float] | None = None,
) -> list[LandmarkFit]:
    """Fit one shape to the 2D landmarks of several photos, each as `fit_landmarks` takes those of one, and
    `teeth_together` (unknown where not given).

    The photos' costs are added, each times its weight (1 for a good photo, less for one that says less):
    what not every photo shows, such as a smile, becomes expression. The prior on the shape counts once for
    each photo: much of the landmark network's error is the same in every photo of a face, so more photos show
    more sides of a shape, and no side much more surely.
    Bounded Levenberg-Marquardt; as photos have nothing in common but the shape, the system is an arrow, and
    each photo's own unknowns are eliminated first (Schur complement). Raises ValueError for no photo, a
    weight that is not above 0, or a wrong number of landmarks.
    """
    if not landmarks_image or len(landmarks_image) != len(weights) or min(weights) <= 0:
        raise ValueError(f"{len(landmarks_image)} photos and weights {list(weights)}: each above 0 is needed")
    config = config or LandmarkFitConfig()
    teeth_together = [0.0] * len(weights) if teeth_together is None else teeth_together
    shape = slice(_COORDINATES, _COORDINATES + len(head_model.shape_basis))
    problems = []
    for points, weight, together in zip(landmarks_image, weights, teeth_together, strict=True):
        problems.append(
            landmark_problem(head_model, points, replace(config, noise=config.noise / weight**0.5), together)
        )
    states = [problem.start() for problem in problems]
    cost, damping = _cost(problems, states), 1e-3
    for _ in range(_ITERATIONS):
        parts = [problem.normal_equations(state) for problem, state in zip(problems, states, strict=True)]
        for _ in range(_ATTEMPTS):
            candidates = _step(problems, states, parts, shape, damping)
            candidate_cost = _cost(problems, candidates)
            if candidate_cost < cost:
                break
            damping *= 6
        else:
            break
        gain = 1 - candidate_cost / cost
        states, cost, damping = candidates, candidate_cost, max(damping / 6, 1e-9)
        if gain < _GAIN:
            break
    neutral = head_model.neutral()
    return [problem.result(neutral, state) for problem, state in zip(problems, states, strict=True)]


def _cost(problems: Sequence[LandmarkProblem], states: Sequence[LandmarkState]) -> float:
    return sum(problem.cost(state) for problem, state in zip(problems, states, strict=True))


def _step(
    problems: Sequence[LandmarkProblem],
    states: Sequence[LandmarkState],
    parts: Sequence[tuple[Tensor, Tensor]],
    shape: slice,
    damping: float,
) -> list[LandmarkState]:
    """One damped step of all photos together; unknowns at a bound that the step would leave stay."""
    gradient = sum(part[0][shape] for part in parts)
    assert isinstance(gradient, Tensor)
    free_shape = ~_stuck(problems[0], states[0], gradient, shape)
    own = torch.ones(len(parts[0][0]), dtype=torch.bool)
    own[shape] = False
    size = shape.stop - shape.start
    system, right = torch.zeros(size, size, dtype=torch.float64), -gradient
    eliminated = []
    for problem, state, (own_gradient, hessian) in zip(problems, states, parts, strict=True):
        damped = hessian + damping * torch.diag(hessian.diagonal())
        free = own & ~_stuck(problem, state, own_gradient, slice(0, len(own_gradient)))
        block, coupling = damped[free][:, free], damped[free][:, shape]
        solved = torch.linalg.solve(block, torch.cat([coupling, -own_gradient[free, None]], 1))
        by_shape, alone = solved[:, :-1], solved[:, -1]
        system = system + damped[shape, shape] - coupling.mT @ by_shape
        right = right - coupling.mT @ alone
        eliminated.append((free, by_shape, alone))
    change = torch.zeros_like(gradient)
    change[free_shape] = torch.linalg.solve(system[free_shape][:, free_shape], right[free_shape])
    moved = []
    for problem, state, (free, by_shape, alone) in zip(problems, states, eliminated, strict=True):
        whole = torch.zeros(len(free), dtype=torch.float64)
        whole[shape] = change
        whole[free] = alone - by_shape @ change
        moved.append(problem.moved(state, whole))
    return moved


def _stuck(
    problem: LandmarkProblem, state: LandmarkState, gradient: Tensor, part: slice
) -> Bool[Tensor, " unknown"]:
    """Which unknowns of a part are at a bound that the gradient pushes against."""
    unknowns = problem.unknowns(state)[part]
    at_least, at_most = unknowns <= problem.lower[part], unknowns >= problem.upper[part]
    return (at_least & (gradient > 0)) | (at_most & (gradient < 0))
