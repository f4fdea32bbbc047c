"""The motion of one known person from the points of each frame: pose, camera, jaw and expression, in a few
milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float

from deca.fitting.landmark_head import LandmarkHead
from deca.fitting.landmarks import DENSE_OUTLINE, LandmarkFitConfig
from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.model import HeadModel
from deca.parameters import Parameters

_STEPS = 3
_OWN = 9  # log scale, x, y; rotation of the head; rotation of the jaw
_HUBER = 2.5


@dataclass(frozen=True)
class _State:
    camera: Float[np.ndarray, " 3"]  # log scale, x, y
    pose: Float[np.ndarray, "3 3"]
    jaw: Float[np.ndarray, " 3"]
    expression: Float[np.ndarray, " expression"]


@dataclass(frozen=True)
class _Posed:
    """The landmarks of a state, metres: posed; `hanging` are those that the jaw carries, from its hinge,
    before it turns."""

    points: Float[np.ndarray, "point 3"]
    hanging: Float[np.ndarray, "point 3"]
    jaw: Float[np.ndarray, "3 3"]
    jaw_derivatives: Float[np.ndarray, "3 3 3"]


class LandmarkMotion:
    """Fits the frames of one person one after another, each from where the one before ended.

    The cost is that of `deca.fitting.landmarks.fit_landmarks`, with the shape known; the derivatives are
    exact, but for the joints, which expressions move by a tenth of a millimetre. Gauss-Newton steps with
    bounds; a head of facial actions on 468 landmarks takes about five milliseconds.
    """

    def __init__(
        self, head_model: HeadModel, person: Parameters, config: LandmarkFitConfig | None = None
    ) -> None:
        self.config = config = config or LandmarkFitConfig()
        self._person, self._head_model = person, head_model
        head = LandmarkHead(head_model)
        shape = person.shape[0].double()
        template = head.template + torch.einsum("s,svc->vc", shape, head.shape_basis)
        basis = torch.cat([template[None], head.expression_basis, head.pose_basis])
        names = head.names
        going = (
            head.weights[:, names.index("jaw")] if "jaw" in names else head.weights.new_zeros(len(template))
        )
        corners, barycentrics = head.corners, head.barycentrics

        def at_landmarks(values):
            return (values[:, corners] * barycentrics[..., None]).sum(2).numpy()

        self._standing = at_landmarks(basis * (1 - going)[:, None])
        self._moving = at_landmarks(basis * going[:, None])
        self._flat_standing = self._standing.reshape(len(basis), -1)
        self._flat_moving = self._moving.reshape(len(basis), -1)
        self._going = (going[corners] * barycentrics).sum(1).numpy()[:, None]
        joints = head_model.rest_joints(person.replace(expression=torch.zeros_like(person.expression)))[0]
        self._root = joints[names.index("root")].double().numpy()
        self._hinge = joints[names.index("jaw")].double().numpy() if "jaw" in names else self._root
        count = len(head.expression_basis)
        self._features = len(head.pose_basis)
        # The correctives are weighed by R - I of every joint but the first.
        self._jaw_feature = None
        if "jaw" in names and self._features:
            first = 1 + count + 9 * (names.index("jaw") - 1)
            self._jaw_feature = slice(first, first + 9)
        free = head.free.numpy()
        self._lower, self._upper = np.full(_OWN + count, -np.inf), np.full(_OWN + count, np.inf)
        self._lower[6], self._upper[6] = config.jaw_limits
        self._prior, self._slope = np.zeros(_OWN + count), np.zeros(_OWN + count)
        self._prior[6:9] = np.array([1.0, 5.0, 5.0]) ** 2 / config.jaw_deviation**2
        if head.actions:
            self._lower[_OWN:], self._upper[_OWN:] = 0, free
            self._prior[_OWN:] = config.expression_deviation**-2
            self._slope[_OWN:] = config.expression_sparsity / config.expression_deviation
        else:
            self._upper[_OWN:] = config.bound * free
            self._lower[_OWN:] = -self._upper[_OWN:]
            self._prior[_OWN:] = 1
        self._dense = head.dense
        self._outline = np.array(DENSE_OUTLINE if head.dense else range(17))
        self._share = 1 / config.correlation if head.dense else 1.0
        self._side = np.sign(at_landmarks(head.template[None])[0][:, 0])
        self._last: _State | None = None

    def start(self, estimate: Parameters) -> None:
        """Begin at an estimate of a frame (a batch of one) in place of the frame before."""
        values = estimate.map(lambda tensor: tensor.double())
        camera = np.array([float(values.camera[0, 0].log()), *values.camera[0, 1:].tolist()])
        expression = values.expression[0].numpy().clip(self._lower[_OWN:], self._upper[_OWN:])
        pose = axis_angle_to_matrix(values.pose)[0].numpy()
        self._last = _State(camera, pose, values.jaw[0].numpy().copy(), expression)

    def step(self, landmarks_image: Float[np.ndarray, "point 2"]) -> Parameters:
        """The person in the next frame; landmarks as `fit_landmarks` takes them, in the frame of a crop.

        Camera, pose, jaw and expression are the frame's, everything else the person's. ValueError where
        `start` was not called before.
        """
        if self._last is None:
            raise ValueError("LandmarkMotion.start comes before the first step")
        target = landmarks_image * [1.0, -1.0]
        state = self._last
        for _ in range(_STEPS):
            state = self._improved(state, target)
        self._last = state
        return self._parameters(state)

    def _improved(self, state: _State, target: np.ndarray) -> _State:
        posed = self._posed(state)
        jacobian = self._jacobian(state, posed)
        residual = np.exp(state.camera[0]) * (posed.points[:, :2] + state.camera[1:]) - target
        whiten = self._weights(state)[:, None] / (self.config.noise * np.ptp(target[:, 1]))
        # Points of the outline count little along it.
        along = self._along(target)
        for vectors in (jacobian, residual):
            edge = vectors[..., self._outline, :]
            less = (edge * along).sum(-1, keepdims=True) * along
            vectors[..., self._outline, :] -= (1 - self.config.outline_along) * less
            vectors *= whiten
        limit = _HUBER * self._share**0.5
        robust = np.minimum(1, limit / np.maximum(np.linalg.norm(residual, axis=1), 1e-12))
        flat = jacobian.reshape(len(jacobian), -1)
        weighted = flat * np.repeat(robust, 2)
        unknowns = np.concatenate([np.zeros(6), state.jaw, state.expression])
        gradient = weighted @ residual.ravel() + self._prior * unknowns + self._slope
        hessian = weighted @ flat.T + np.diag(self._prior + 1e-9)
        return self._moved(state, unknowns, self._bounded_step(unknowns, gradient, hessian))

    def _jacobian(self, state: _State, posed: _Posed) -> Float[np.ndarray, "unknown point 2"]:
        """Derivatives of the image points by scale, place, head's rotation, jaw's rotation and expression."""
        scale = np.exp(state.camera[0])
        arms = posed.points - self._root
        jacobian = np.zeros((_OWN + len(state.expression), len(arms), 2))
        jacobian[0] = posed.points[:, :2] + state.camera[1:]
        jacobian[1, :, 0] = jacobian[2, :, 1] = 1
        jacobian[3, :, 1] = -arms[:, 2]
        jacobian[4, :, 0] = arms[:, 2]
        jacobian[5, :, 0], jacobian[5, :, 1] = -arms[:, 1], arms[:, 0]
        turn = state.pose[:2]
        for axis, by_jaw in enumerate(posed.jaw_derivatives):
            moved = posed.hanging @ by_jaw.T
            if self._jaw_feature is not None:
                standing, moving = (
                    (by_jaw.ravel() @ flat[self._jaw_feature]).reshape(-1, 3)
                    for flat in (self._flat_standing, self._flat_moving)
                )
                moved += standing + moving @ posed.jaw.T
            jacobian[6 + axis] = moved @ turn.T
        # As flat products: numpy multiplies stacks of small matrices one by one.
        actions = slice(1, 1 + len(state.expression))
        standing, moving = self._standing[actions], self._moving[actions]
        by_expression = standing.reshape(-1, 3) @ turn.T + moving.reshape(-1, 3) @ (turn @ posed.jaw).T
        jacobian[_OWN:] = by_expression.reshape(*standing.shape[:2], 2)
        jacobian *= scale
        return jacobian

    def _bounded_step(self, unknowns: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
        """The step to the least of the quadratic within the bounds, by an active set: what meets a bound
        stays there, and the rest is solved again."""
        change = np.zeros_like(unknowns)
        fixed = ((unknowns <= self._lower) & (gradient > 0)) | ((unknowns >= self._upper) & (gradient < 0))
        for _ in range(3):
            free = np.flatnonzero(~fixed)
            held = np.flatnonzero(fixed)
            right = -gradient[free] - hessian[np.ix_(free, held)] @ change[held]
            change[free] = np.linalg.solve(hessian[np.ix_(free, free)], right)
            within = np.clip(unknowns + change, self._lower, self._upper) - unknowns
            beyond = (np.abs(within - change) > 0) & ~fixed
            change = within
            if not beyond.any():
                break
            fixed |= beyond
        return change

    def _moved(self, state: _State, unknowns: np.ndarray, change: np.ndarray) -> _State:
        moved = unknowns + change
        turn = cv2.Rodrigues(change[3:6])[0]
        return _State(state.camera + change[:3], turn @ state.pose, moved[6:9], moved[9:])

    def _posed(self, state: _State) -> _Posed:
        jaw, by_jaw = cv2.Rodrigues(state.jaw)
        coefficients = np.zeros(1 + len(state.expression) + self._features)
        coefficients[0] = 1
        coefficients[1 : 1 + len(state.expression)] = state.expression
        if self._jaw_feature is not None:
            coefficients[self._jaw_feature] = (jaw - np.eye(3)).ravel()
        standing = (coefficients @ self._flat_standing).reshape(-1, 3)
        hanging = (coefficients @ self._flat_moving).reshape(-1, 3) - self._going * self._hinge
        rest = standing + hanging @ jaw.T + self._going * self._hinge
        points = (rest - self._root) @ state.pose.T + self._root
        return _Posed(points, hanging, jaw, by_jaw.reshape(3, 3, 3))

    def _weights(self, state: _State) -> Float[np.ndarray, " point"]:
        weights = np.full(len(self._side), self._share)
        hidden = np.zeros(len(self._side), bool)
        hidden[self._outline] = (state.pose[2, 0] * self._side[self._outline]) < -0.25
        weights[hidden] *= self.config.outline_hidden
        return np.sqrt(weights)

    def _along(self, target: np.ndarray) -> Float[np.ndarray, "edge 2"]:
        """Unit vectors along the outline at its points."""
        points = target[self._outline]
        before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
        if not self._dense:
            before[0], after[-1] = points[0], points[-1]
        direction = after - before
        return direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)

    def _parameters(self, state: _State) -> Parameters:
        def row(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(values).float()[None]

        return self._person.replace(
            camera=row(np.array([np.exp(state.camera[0]), *state.camera[1:]])),
            pose=matrix_to_axis_angle(torch.from_numpy(state.pose))[None].float(),
            jaw=row(state.jaw),
            expression=row(state.expression),
        )
