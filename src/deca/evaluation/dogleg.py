"""Powell's dog-leg on Gauss-Newton steps, on the schedule that the NoW challenge's results depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Linearised = tuple[Float[np.ndarray, " residual"], Float[np.ndarray, "residual parameter"]]

_FIRST_RADIUS = 0.1
_MOST_STEPS = 200
# The step is accepted where the sum of squares falls; the radius follows the ratio of the fall to what the
# linear model promised.
_GOOD, _BAD = 0.9, 0.05
_GROWTH, _SHRINKAGE = 2.5, 0.25
_LEAST_GAIN = 1e-4
_SOLVER_TOLERANCE, _SOLVER_STEPS = 1e-5, 10
# No double changes by a smaller step.
_LEAST_RADIUS = 1e-12


@dataclass(frozen=True)
class Minimum:
    """Where the minimiser stopped: parameters, residuals there, and how many steps were accepted."""

    parameters: Float[np.ndarray, " parameter"]
    residuals: Float[np.ndarray, " residual"]
    steps: int


def minimise(
    start: Float[np.ndarray, " parameter"],
    linearise: Callable[[Float[np.ndarray, " parameter"]], Linearised],
) -> Minimum:
    """Lower the sum of squared residuals from `start` on (Powell 1970; Lourakis and Argyros 2005).

    `linearise` gives residuals and their derivatives. The first trust region has a radius of 0.1 over all
    parameters together, the normal equations are solved by conjugate gradients to 1e-5 of their right side,
    and it ends with the first accepted step that lowers the sum by less than a ten-thousandth, which is
    short of the minimum.
    """
    parameters, radius, accepted = start, _FIRST_RADIUS, 0
    residuals, jacobian = linearise(parameters)
    cost = float(residuals @ residuals)
    while accepted < _MOST_STEPS and cost > 0:
        normal, downhill = jacobian.T @ jacobian, -jacobian.T @ residuals
        newton = _conjugate_gradients(normal, downhill)
        curvature = float(downhill @ normal @ downhill)
        if curvature <= 0:
            break
        cauchy = downhill * float(downhill @ downhill) / curvature
        while True:
            step = _dogleg(cauchy, newton, radius)
            promised = float(2 * step @ downhill - step @ normal @ step)
            tried, tried_jacobian = linearise(parameters + step)
            tried_cost = float(tried @ tried)
            ratio = (cost - tried_cost) / promised if promised > 0 else -1.0
            if ratio > _GOOD:
                radius = max(radius, _GROWTH * float(np.linalg.norm(step)))
            elif ratio < _BAD:
                radius *= _SHRINKAGE
            if ratio > 0 or radius < _LEAST_RADIUS:
                break
        if ratio <= 0:
            break
        gain = 1 - tried_cost / cost
        parameters, residuals, jacobian, cost = parameters + step, tried, tried_jacobian, tried_cost
        accepted += 1
        if gain < _LEAST_GAIN:
            break
    return Minimum(parameters, residuals, accepted)


def _dogleg(
    cauchy: Float[np.ndarray, " parameter"], newton: Float[np.ndarray, " parameter"], radius: float
) -> Float[np.ndarray, " parameter"]:
    """The step within the radius on the way from here by the steepest descent's minimum to Newton's."""
    if np.linalg.norm(newton) <= radius:
        return newton
    length = float(np.linalg.norm(cauchy))
    if length >= radius:
        return cauchy * (radius / length)
    onward = newton - cauchy
    a, b, c = float(onward @ onward), float(cauchy @ onward), length**2 - radius**2
    return cauchy + onward * ((-b + np.sqrt(b * b - a * c)) / a)


def _conjugate_gradients(
    matrix: Float[np.ndarray, "parameter parameter"], right: Float[np.ndarray, " parameter"]
) -> Float[np.ndarray, " parameter"]:
    """Roughly the solution, as near as the official program's solver comes: it shows in the fifth digit."""
    found, rest = np.zeros_like(right), right
    direction, squared = rest, float(rest @ rest)
    enough = _SOLVER_TOLERANCE * np.sqrt(squared)
    for _ in range(_SOLVER_STEPS * len(right)):
        if np.sqrt(squared) <= enough:
            break
        moved = matrix @ direction
        length = squared / float(direction @ moved)
        found, rest = found + length * direction, rest - length * moved
        before, squared = squared, float(rest @ rest)
        direction = rest + squared / before * direction
    return found
