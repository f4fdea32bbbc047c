"""The motion of one known person from the points of each frame: pose, camera, jaw and expression, in a few
milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float

from deca.fitting.landmark_head import LandmarkHead
from deca.fitting.landmarks import (
    LandmarkFitConfig,
    action_deviations,
    edge_share,
    fit_landmarks,
    jaw_precision,
    landmark_shares,
    lip_pairs,
)
from deca.geometry import axis_angle_to_matrix
from deca.head.model import HeadModel
from deca.parameters import Parameters
from deca.photo.dense_points import DENSE_OUTLINE

_STEPS, _FIRST_STEPS = 2, 4
_OWN = 9  # log scale, x, y; rotation of the head; rotation of the jaw
_HUBER = 2.5
_MOST_SETS = 12


@dataclass(frozen=True)
class _State:
    camera: Float[np.ndarray, " 3"]  # log scale, x, y
    pose: Float[np.ndarray, "3 3"]
    jaw: Float[np.ndarray, " 3"]
    expression: Float[np.ndarray, " expression"]


@dataclass(frozen=True)
class _Posed:
    """The landmarks of a state, metres: posed; `hanging` is what of them the jaw carries, from its hinge,
    before it turns."""

    points: Float[np.ndarray, "point 3"]
    hanging: Float[np.ndarray, "point 3"]
    jaw: Float[np.ndarray, "3 3"]
    jaw_derivatives: Float[np.ndarray, "3 3 3"]


class LandmarkMotion:
    """Fits the frames of one person one after another, each from where the one before ended.

    The cost is that of `deca.fitting.landmarks.fit_landmarks`, with the shape known; the derivatives are
    exact, but for the joints, which expressions move by a tenth of a millimetre. Gauss-Newton steps with
    bounds; a head of facial actions on 468 landmarks takes about four milliseconds.
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
        # The basis of what stands, then of what the jaw carries, each by x, y and z: rows that turning mixes.
        moved_by = slice(1, 1 + len(head.expression_basis))
        rows = np.concatenate([self._standing[moved_by], self._moving[moved_by]], 2)
        self._expression_rows = np.ascontiguousarray(rows.transpose(2, 0, 1).reshape(6, -1))
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
        self._prior[7:9] = config.jaw_deviation_sideways**-2
        if head.actions:
            self._lower[_OWN:], self._upper[_OWN:] = 0, free
            deviations = action_deviations(config, head.expression_names).numpy()
            self._prior[_OWN:] = deviations**-2
            self._slope[_OWN:] = config.expression_sparsity / deviations
        else:
            self._upper[_OWN:] = config.bound * free
            self._lower[_OWN:] = -self._upper[_OWN:]
            self._prior[_OWN:] = 1
        self._dense = head.dense
        self._lips = lip_pairs(head.dense)
        self._outline = np.array(DENSE_OUTLINE if head.dense else range(17))
        self._shares = landmark_shares(config, head.dense).numpy()
        self._share = edge_share(config, head.dense)
        self._side = np.sign(at_landmarks(head.template[None])[0][:, 0])
        self._last: _State | None = None

    def start(self, landmarks_image: Float[np.ndarray, "point 2"], teeth_together: float = 0.0) -> None:
        """Begin anew with a frame; arguments as for `step`. From a coarse estimate a few steps lead there."""
        coarse = replace(self.config, iterations=0)
        values = fit_landmarks(self._head_model, torch.from_numpy(landmarks_image), coarse).parameters
        values = values.map(lambda tensor: tensor.double())
        camera = np.array([float(values.camera[0, 0].log()), *values.camera[0, 1:].tolist()])
        expression = values.expression[0].numpy().clip(self._lower[_OWN:], self._upper[_OWN:])
        pose = axis_angle_to_matrix(values.pose)[0].numpy()
        self._last = _State(camera, pose, values.jaw[0].numpy().copy(), expression)
        for _ in range(_FIRST_STEPS):
            self.step(landmarks_image, teeth_together)

    def step(self, landmarks_image: Float[np.ndarray, "point 2"], teeth_together: float = 0.0) -> Parameters:
        """The person in the next frame; arguments as `fit_landmarks` takes them, in the frame of a crop.

        Camera, pose, jaw and expression are the frame's, everything else the person's. ValueError where
        `start` was not called before.
        """
        if self._last is None:
            raise ValueError("LandmarkMotion.start comes before the first step")
        target = landmarks_image.T * [[1.0], [-1.0]]
        along = self._along(landmarks_image * [1.0, -1.0])
        self._prior[6] = jaw_precision(self.config, teeth_together)
        state = self._last
        for _ in range(_STEPS):
            state = self._improved(state, target, along)
        self._last = state
        return self._parameters(state)

    def _improved(
        self,
        state: _State,
        target: Float[np.ndarray, "2 point"],
        along: Float[np.ndarray, "2 edge"],
    ) -> _State:
        posed = self._posed(state)
        jacobian = self._jacobian(state, posed)
        residual = np.exp(state.camera[0]) * (posed.points[:, :2] + state.camera[1:]).T - target
        # Points of the outline count little along it.
        for vectors in (jacobian, residual):
            edge = vectors[..., self._outline]
            less = (1 - self.config.outline_along) * (edge[0] * along[0] + edge[1] * along[1])
            for axis in range(2):
                vectors[axis][..., self._outline] = edge[axis] - less * along[axis]
        # After the points come the gaps of the lips.
        upper, lower = self._lips
        jacobian, residual = (
            np.concatenate([vectors, vectors[..., lower] - vectors[..., upper]], -1)
            for vectors in (jacobian, residual)
        )
        gaps = np.full(len(upper), self._share**0.5 / self.config.lip_deviation)
        whiten = np.concatenate([self._weights(state) / self.config.noise, gaps]) / np.ptp(target[1])
        residual *= whiten
        limit = _HUBER * self._share**0.5
        robust = np.sqrt(np.minimum(1, limit / np.maximum(np.hypot(*residual), 1e-12)))
        residual *= robust
        jacobian *= whiten * robust
        unknowns = np.concatenate([np.zeros(6), state.jaw, state.expression])
        gradient = self._prior * unknowns + self._slope
        hessian = np.diag(self._prior + 1e-9)
        for by_axis, left in zip(jacobian, residual, strict=True):
            gradient += by_axis @ left
            hessian += by_axis @ by_axis.T
        return self._moved(state, unknowns, self._bounded_step(unknowns, gradient, hessian))

    def _jacobian(self, state: _State, posed: _Posed) -> Float[np.ndarray, "2 unknown point"]:
        """Derivatives of the image points by scale, place, head's rotation, jaw's rotation and expression."""
        arms = (posed.points - self._root).T
        jacobian = np.zeros((2, _OWN + len(state.expression), arms.shape[1]))
        jacobian[:, 0] = posed.points[:, :2].T + state.camera[1:, None]
        jacobian[0, 1] = jacobian[1, 2] = 1
        jacobian[1, 3] = -arms[2]
        jacobian[0, 4] = arms[2]
        jacobian[0, 5], jacobian[1, 5] = -arms[1], arms[0]
        turn = state.pose[:2]
        for axis, by_jaw in enumerate(posed.jaw_derivatives):
            moved = posed.hanging @ by_jaw.T
            if self._jaw_feature is not None:
                standing, moving = (
                    (by_jaw.ravel() @ flat[self._jaw_feature]).reshape(-1, 3)
                    for flat in (self._flat_standing, self._flat_moving)
                )
                moved += standing + moving @ posed.jaw.T
            jacobian[:, 6 + axis] = turn @ moved.T
        # One flat product: numpy multiplies stacks of small matrices one by one.
        by_expression = np.concatenate([turn, turn @ posed.jaw], 1) @ self._expression_rows
        jacobian[:, _OWN:] = by_expression.reshape(2, len(state.expression), -1)
        jacobian *= np.exp(state.camera[0])
        return jacobian

    def _bounded_step(self, unknowns: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
        """The step to the least of the quadratic within the bounds (primal-dual active sets: Hintermueller
        et al. 2002): what passes a bound is held there, what the slope pulls back from one goes free."""
        lower, upper = self._lower - unknowns, self._upper - unknowns
        at_lower = (lower >= 0) & (gradient > 0)
        at_upper = (upper <= 0) & (gradient < 0)
        change = np.zeros_like(unknowns)
        for _ in range(_MOST_SETS):
            change[at_lower], change[at_upper] = lower[at_lower], upper[at_upper]
            held = at_lower | at_upper
            free = ~held
            right = -gradient[free] - hessian[np.ix_(free, held)] @ change[held]
            change[free] = np.linalg.solve(hessian[np.ix_(free, free)], right)
            slope = hessian @ change + gradient
            before = at_lower, at_upper
            at_lower = np.where(held, at_lower & (slope > 0), change < lower)
            at_upper = np.where(held, at_upper & (slope < 0), change > upper)
            if (at_lower == before[0]).all() and (at_upper == before[1]).all():
                break
        return np.clip(change, lower, upper)

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
        weights = self._shares.copy()
        hidden = np.zeros(len(self._side), bool)
        hidden[self._outline] = (state.pose[2, 0] * self._side[self._outline]) < -0.25
        weights[hidden] *= self.config.outline_hidden
        return np.sqrt(weights)

    def _along(self, target: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "2 edge"]:
        """Unit vectors along the outline at its points."""
        points = target[self._outline]
        before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
        if not self._dense:
            before[0], after[-1] = points[0], points[-1]
        direction = after - before
        return (direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)).T

    def _parameters(self, state: _State) -> Parameters:
        def row(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(values).float()[None]

        return self._person.replace(
            camera=row(np.array([np.exp(state.camera[0]), *state.camera[1:]])),
            pose=row(cv2.Rodrigues(state.pose)[0].ravel()),
            jaw=row(state.jaw),
            expression=row(state.expression),
        )
