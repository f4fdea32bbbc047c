"""The NoW challenge: distances from the face of a scan to a predicted neutral head (Sanyal et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from deca.evaluation.dogleg import minimise
from deca.evaluation.scan_face import Prediction, face_sphere, vertices_within
from deca.evaluation.similarity import Similarity, procrustes, rotation_of
from deca.evaluation.surface import Surface

CROP_FACTOR = 1.4
# Of the converged alignment: steps at most, and the share of the sum of squares below which they end.
_MOST_STEPS, _LEAST_GAIN = 500, 1e-11


@dataclass(frozen=True)
class NowResult:
    """A prediction laid on the face of a scan.

    `distances` are those of the face's vertices from the laid surface, in the scan's unit; `laid` takes the
    prediction to the scan, and `start` did so by the landmarks alone.
    """

    distances: Float[np.ndarray, " part"]
    laid: Similarity
    start: Similarity
    steps: int


def face_vertices(
    scan: Float[np.ndarray, "vertex 3"], landmarks: Float[np.ndarray, "7 3"]
) -> Int[np.ndarray, " part"]:
    """The scan's vertices that count: those in the face's sphere, in their order."""
    return vertices_within(scan, *face_sphere(landmarks, CROP_FACTOR))


def distances(
    face: Float[np.ndarray, "part 3"], landmarks: Float[np.ndarray, "7 3"], prediction: Prediction
) -> NowResult:
    """The official protocol: scale is free.

    The prediction is laid by a Procrustes fit of the landmarks, then by lowering the sum of squared distances
    of the face's vertices over scale, rotation and translation about the origin of the scan's frame, as far
    as the official schedule goes (`minimise`).
    """
    start = procrustes(prediction.landmarks.astype(np.float64), landmarks.astype(np.float64))
    return _refined(face, prediction, start, start, with_scale=True)


def metrical_distances(
    face: Float[np.ndarray, "part 3"],
    landmarks: Float[np.ndarray, "7 3"],
    prediction: Prediction,
    millimetres: float,
) -> NowResult:
    """The official protocol's metrical variant: a unit of the prediction is so many millimetres.

    It starts with the translation of the scaled Procrustes fit but without its scale, which can be
    centimetres off; so does the official program.
    """
    start = procrustes(prediction.landmarks.astype(np.float64), landmarks.astype(np.float64))
    unscaled = Similarity(millimetres, start.rotation, start.translation)
    return _refined(face, prediction, unscaled, start, with_scale=False)


def converged_distances(
    face: Float[np.ndarray, "part 3"],
    landmarks: Float[np.ndarray, "7 3"],
    prediction: Prediction,
    millimetres: float | None = None,
) -> NowResult:
    """The same sum of squared distances at its minimum, which the official schedule stops short of.

    Levenberg-Marquardt about the middle of the face, so that turning, growing and moving hardly mix. With
    `millimetres` a unit of the prediction is so many, and the landmarks are laid without scale too.
    """
    start = procrustes(prediction.landmarks.astype(np.float64), landmarks.astype(np.float64))
    if millimetres is not None:
        middle = prediction.landmarks.mean(0)
        moved = landmarks.mean(0) - millimetres * start.rotation @ middle
        start = Similarity(millimetres, start.rotation, moved)
    surface = Surface(prediction.vertices, prediction.triangles)
    best, damping, steps = _Laid.of(start, surface, face), 1e-4, 0
    while steps < _MOST_STEPS and best.cost > 0 and damping < 1e6:
        tried = _Laid.of(best.moved(damping, millimetres is None), surface, face)
        steps += 1
        if not tried.cost < best.cost:
            damping *= 10
            continue
        gain, best, damping = 1 - tried.cost / best.cost, tried, damping / 10
        if gain < _LEAST_GAIN:
            break
    return NowResult(best.distances, best.laid, start, steps)


def _refined(
    face: Float[np.ndarray, "part 3"],
    prediction: Prediction,
    first: Similarity,
    by_landmarks: Similarity,
    with_scale: bool,
) -> NowResult:
    surface = Surface(first(prediction.vertices), prediction.triangles)
    free = slice(0 if with_scale else 1, 7)
    rest = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])

    def linearise(parameters: Float[np.ndarray, " parameter"]):
        every = rest.copy()
        every[free] = parameters
        rotation, turning = rotation_of(every[1:4])
        points = Similarity(every[0], rotation, every[4:]).inverse(face)
        away, _, closest = surface.closest(points)
        # A distance grows by what the closest point moves along the direction from the scan to it; where
        # they touch there is no direction, and the distance is at its least. Taken in the prediction's
        # frame, where the distance was: the conjugate gradients see the last digits.
        direction = (closest - points) @ rotation.T / np.maximum(away, 1e-300)[:, None]
        turned = closest @ rotation.T
        growing = (direction * turned).sum(1, keepdims=True)
        turns = np.cross(every[0] * turned, direction) @ turning
        return every[0] * away, np.concatenate([growing, turns, direction], 1)[:, free]

    found = minimise(rest[free], linearise)
    rest[free] = found.parameters
    moved = Similarity(float(rest[0]), rotation_of(rest[1:4])[0], rest[4:])
    return NowResult(found.residuals, moved.after(first), by_landmarks, found.steps)


@dataclass(frozen=True)
class _Laid:
    """A prediction laid on a face: the closest points, the directions to them, and how far they are."""

    laid: Similarity
    closest: Float[np.ndarray, "part 3"]
    directions: Float[np.ndarray, "part 3"]
    distances: Float[np.ndarray, " part"]

    @classmethod
    def of(cls, laid: Similarity, surface: Surface, face: Float[np.ndarray, "part 3"]) -> _Laid:
        points = laid.inverse(face)
        away, _, closest = surface.closest(points)
        # In the prediction's frame, where a distance of nothing has a direction of nothing.
        directions = (closest - points) @ laid.rotation.T / np.maximum(away, 1e-300)[:, None]
        return cls(laid, laid(closest), directions, laid.scale * away)

    @property
    def cost(self) -> float:
        return float(np.square(self.distances).sum())

    def moved(self, damping: float, with_scale: bool) -> Similarity:
        """After a damped step of rotation, translation and perhaps the scale's logarithm."""
        middle = self.closest.mean(0)
        arms = self.closest - middle
        columns = [np.cross(arms, self.directions), self.directions]
        if with_scale:
            columns.append((arms * self.directions).sum(1, keepdims=True))
        jacobian = np.concatenate(columns, 1)
        normal = jacobian.T @ jacobian
        # A direction that nothing holds, as of a ball's turn, stays as it is.
        weight = damping * normal.diagonal() + 1e-12 * normal.diagonal().max()
        change = np.linalg.solve(normal + np.diag(weight), -jacobian.T @ self.distances)
        turn = Rotation.from_rotvec(change[:3]).as_matrix()
        growth = float(np.exp(change[6])) if with_scale else 1.0
        shift = middle + change[3:6] - growth * turn @ middle
        return Similarity(growth, turn, shift).after(self.laid)
