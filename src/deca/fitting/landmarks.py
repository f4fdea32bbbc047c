"""Camera, pose, jaw, shape and expression from 2D landmarks: bounded Levenberg-Marquardt with priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.fitting.landmark_head import LandmarkHead
from deca.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from deca.head.model import HeadModel
from deca.parameters import Parameters
from deca.photo.dense_points import DENSE_OUTLINE, EDGES, LIP_CORNERS
from deca.photo.mouth import LOWER_LIP, UPPER_LIP
from deca.render.camera import unproject

# Actions that faces seldom make, by how their ARKit names begin. Together they can do what a smile does.
_RARE_ACTIONS = ("mouthShrug", "mouthRoll", "mouthFunnel", "cheekPuff", "jaw", "mouthLeft", "mouthRight")
# Inner edges of the lips among the 68 iBUG landmarks, and the corners of the mouth.
_UPPER_LIP_68, _LOWER_LIP_68, _LIP_CORNERS_68 = (61, 62, 63), (67, 66, 65), (48, 54, 60, 64)


@dataclass(frozen=True)
class LandmarkFitConfig:
    """Weights of the landmark fit. Lengths are fractions of the face's height in the image."""

    noise: float = 0.012
    """Standard deviation of a landmark."""
    lip_deviation: float = 0.004
    """The same of how far a landmark of the inner lips is from the one across: errors of both are alike."""
    correlation: float = 4.0
    """How many neighbouring landmarks carry the information of one independent landmark."""
    skin: float = 0.25
    """Weight of a dense landmark on bare skin, against one where an edge is seen."""
    lip_corner: float = 4.0
    """The same of a landmark at a corner of the mouth: where along an edge one is, is a guess, but not there,
    and a smile is told by it."""
    outline_along: float = 0.15
    """Weight of an outline landmark along the outline, where it is free to slide, against across it."""
    outline_hidden: float = 0.1
    """Weight of an outline landmark on the side of the head that the camera does not see."""
    expression_deviation: float = 2.5
    """Prior standard deviation of a facial action, wide: what an action does not explain becomes shape, which
    stays where the expression goes. A statistical component's is one."""
    rare_action: float = 0.3
    """The same deviation of an action that is seldom seen, as a share of that of the others."""
    expression_sparsity: float = 0.5
    """Slope of the cost by which small coefficients become zero, in units of that deviation."""
    jaw_deviation: float = 0.12
    """Prior standard deviation of the jaw's opening, radians."""
    jaw_deviation_sideways: float = 0.006
    """The same of its turns about the other axes."""
    jaw_deviation_together: float = 0.008
    """The same where the teeth are seen to be together."""
    jaw_limits: tuple[float, float] = (-0.05, 0.6)
    """Least and largest opening of the jaw, radians."""
    bound: float = 3.5
    """Largest shape coefficient."""
    iterations: int = 30
    estimate_deviation: float = 0.75
    """When an estimate is refined: how far from the truth its shape coefficients are, in prior deviations."""
    estimated_action_deviation: float = 0.3
    """The same of its facial actions; a statistical component's is that of the shape."""


@dataclass(frozen=True)
class LandmarkFit:
    """The fitted parameters and the root mean square distance to the landmarks, in image units ([-1, 1]
    wide)."""

    parameters: Parameters
    residual: float


def fit_landmarks(
    head_model: HeadModel,
    landmarks_image: Float[Tensor, "point 2"],
    config: LandmarkFitConfig | None = None,
    teeth_together: float = 0.0,
) -> LandmarkFit:
    """Fit the geometry of one face to its 2D landmarks.

    `landmarks_image` are the 468 dense landmarks where the head model has them, else the 68 iBUG landmarks,
    in the image frame of the crop. Minimises the robust (Huber) landmark distance plus Gaussian priors on
    shape, a sparse non-negative prior on facial actions (coefficients in [0, 1]), or a Gaussian one on the
    components of a statistical model, and a prior on the jaw. The action jawOpen and the gaze stay at zero:
    the jaw's own joint opens the mouth, the less the surer it is that the teeth are together (0 to 1): points
    of the lips do not tell. Raises ValueError for a wrong number of landmarks.
    """
    config = config or LandmarkFitConfig()
    problem = landmark_problem(head_model, landmarks_image, config, teeth_together)
    return _minimised(problem, problem.start(), head_model.neutral(), config)


def refine_landmarks(
    head_model: HeadModel,
    landmarks_image: Float[Tensor, "point 2"],
    estimate: Parameters,
    config: LandmarkFitConfig | None = None,
    teeth_together: float = 0.0,
) -> LandmarkFit:
    """Bring an estimate of one face, a network's say, nearer to its 2D landmarks.

    As `fit_landmarks`, but from the estimate on, and the priors on shape and expression are Gaussians about
    it. What landmarks say nothing about stays as estimated.
    """
    config = config or LandmarkFitConfig()
    problem = landmark_problem(head_model, landmarks_image, config, teeth_together)
    state = problem.expect(estimate)
    return _minimised(problem, state, estimate, config)


def lip_pairs(dense: bool) -> tuple[list[int], list[int]]:
    """Landmarks of the inner edges of the upper and the lower lip, one across the other; of 468 or of 68."""
    return (list(UPPER_LIP), list(LOWER_LIP)) if dense else (list(_UPPER_LIP_68), list(_LOWER_LIP_68))


def landmark_shares(config: LandmarkFitConfig, dense: bool) -> Float[Tensor, " point"]:
    """How many independent landmarks each of the 468 (or of the 68) counts as."""
    edge = edge_share(config, dense)
    if not dense:
        shares = torch.full((68,), edge, dtype=torch.float64)
        shares[list(_LIP_CORNERS_68)] = config.lip_corner * edge
        return shares
    shares = torch.full((468,), config.skin * edge, dtype=torch.float64)
    shares[[*EDGES, *DENSE_OUTLINE]] = edge
    shares[list(LIP_CORNERS)] = config.lip_corner * edge
    return shares


def edge_share(config: LandmarkFitConfig, dense: bool) -> float:
    """How many independent landmarks one where an edge is seen counts as."""
    return 1 / config.correlation if dense else 1.0


def action_deviations(config: LandmarkFitConfig, names: Sequence[str]) -> Float[Tensor, " action"]:
    """Prior standard deviations of facial actions by their ARKit names."""
    shares = [config.rare_action if name.startswith(_RARE_ACTIONS) else 1.0 for name in names]
    return config.expression_deviation * torch.tensor(shares, dtype=torch.float64)


def jaw_precision(config: LandmarkFitConfig, teeth_together: float) -> float:
    """How much the prior holds the jaw closed: one over the variance of its opening."""
    apart, together = config.jaw_deviation**-2, config.jaw_deviation_together**-2
    return apart + teeth_together * (together - apart)


def landmark_problem(
    head_model: HeadModel,
    landmarks_image: Float[Tensor, "point 2"],
    config: LandmarkFitConfig,
    teeth_together: float = 0.0,
) -> LandmarkProblem:
    """The problem of `fit_landmarks`; ValueError for a wrong number of landmarks."""
    head = LandmarkHead(head_model)
    if len(landmarks_image) != len(head.corners):
        raise ValueError(f"{len(landmarks_image)} landmarks for a head with {len(head.corners)}")
    # A camera of scale one and no shift: the head frame's plane, y up, in image units.
    flat = torch.nn.functional.pad(landmarks_image.double(), (0, 1))
    target = unproject(flat[None], torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))[0, :, :2]
    return LandmarkProblem(head, target, config, teeth_together)


def _minimised(
    problem: LandmarkProblem, state: LandmarkState, others: Parameters, config: LandmarkFitConfig
) -> LandmarkFit:
    """The least cost from a state on; what is not fitted is taken from `others`."""
    cost, damping = problem.cost(state), 1e-3
    for _ in range(config.iterations):
        step = _downhill(problem, state, cost, damping)
        if step is None:
            break
        gain = 1 - step.cost / cost
        state, cost, damping = step.state, step.cost, max(step.damping / 6, 1e-9)
        if gain < 1e-5:
            break
    return problem.result(others, state)


@dataclass(frozen=True)
class _Step:
    state: LandmarkState
    cost: float
    damping: float


def _downhill(problem: LandmarkProblem, state: LandmarkState, cost: float, damping: float) -> _Step | None:
    """A step that lowers the cost, damped more until one does; None where eight did not."""
    gradient, hessian = problem.normal_equations(state)
    for _ in range(8):
        candidate = problem.step(state, gradient, hessian, damping)
        candidate_cost = problem.cost(candidate)
        if candidate_cost < cost:
            return _Step(candidate, candidate_cost, damping)
        damping *= 6
    return None


@dataclass(frozen=True)
class LandmarkState:
    """Where a fit stands."""

    camera: Float[Tensor, " 3"]  # log scale, x, y
    pose: Float[Tensor, "3 3"]
    jaw: Float[Tensor, " 3"]
    coefficients: Float[Tensor, " coefficient"]


class LandmarkProblem:
    """The weighted least squares problem of one face: y points up in here.

    The order of the unknowns is log scale, x, y; a rotation of the head; the jaw's rotation; shape;
    expression.
    """

    def __init__(
        self,
        head: LandmarkHead,
        target: Float[Tensor, "point 2"],
        config: LandmarkFitConfig,
        teeth_together: float,
    ) -> None:
        self.head, self.target, self.config = head, target, config
        self.deviation = config.noise * (target[:, 1].max() - target[:, 1].min())
        outline = torch.tensor(DENSE_OUTLINE if head.dense else range(17))
        self.outline: Bool[Tensor, " point"] = torch.zeros(len(target), dtype=torch.bool)
        self.outline[outline] = True
        self.along = self._directions(outline)
        self.lips = lip_pairs(head.dense)
        self.shares = landmark_shares(config, head.dense)
        self.share = edge_share(config, head.dense)
        shape_count, expression_count = head.shape_count, len(head.expression_basis)
        huge = 1e6
        self.lower = torch.full((9 + shape_count + expression_count,), -huge, dtype=torch.float64)
        self.upper = -self.lower
        self.lower[6], self.upper[6] = config.jaw_limits
        self.lower[9 : 9 + shape_count], self.upper[9 : 9 + shape_count] = -config.bound, config.bound
        if head.actions:
            self.lower[9 + shape_count :] = 0
            self.upper[9 + shape_count :] = head.free.double()
        else:
            self.upper[9 + shape_count :] = config.bound * head.free.double()
            self.lower[9 + shape_count :] = -self.upper[9 + shape_count :]
        self.prior = torch.zeros_like(self.lower)
        self.prior[6] = jaw_precision(config, teeth_together)
        self.prior[7:9] = config.jaw_deviation_sideways**-2
        self.prior[9:] = 1
        self.slope = torch.zeros_like(self.lower)
        self.expected = torch.zeros_like(self.lower)
        if head.actions:
            deviations = action_deviations(config, head.expression_names)
            self.prior[9 + shape_count :] = deviations**-2
            self.slope[9 + shape_count :] = config.expression_sparsity / deviations

    def _directions(self, outline: Int[Tensor, " outline"]) -> Float[Tensor, "point 2"]:
        """Unit vectors along the outline at its points, zero elsewhere."""
        along = torch.zeros_like(self.target)
        points = self.target[outline]
        before, after = points.roll(1, 0), points.roll(-1, 0)
        if not self.head.dense:
            before[0], after[-1] = points[0], points[-1]
        along[outline] = torch.nn.functional.normalize(after - before, dim=-1)
        return along

    def start(self) -> LandmarkState:
        """Scaled-orthographic pose of the mean head: an affine camera, then the nearest rotation."""
        zero = torch.zeros(len(self.head.basis), dtype=torch.float64)
        jaw = torch.zeros(3, dtype=torch.float64)
        points = self.head.posed(zero, torch.eye(3, dtype=torch.float64), jaw)
        inner = ~self.outline
        source, target = points[inner], self.target[inner]
        affine = torch.linalg.lstsq(source - source.mean(0), target - target.mean(0)).solution.T
        left, singular, right = torch.linalg.svd(affine, full_matrices=False)
        rows = left @ right
        rotation = torch.cat([rows, torch.linalg.cross(rows[0], rows[1])[None]])
        scale = singular.mean()
        posed = self.head.posed(zero, rotation, jaw)[inner].mean(0)
        offset = target.mean(0) / scale - posed[:2]
        return LandmarkState(torch.stack([scale.log(), *offset]), rotation, jaw, zero)

    def expect(self, estimate: Parameters) -> LandmarkState:
        """Begin at an estimate, and let the priors be about it."""
        config, shape_count = self.config, self.head.shape_count
        estimate = estimate.map(lambda values: values.detach().cpu().double())
        coefficients = torch.cat([estimate.shape[0], estimate.expression[0]])
        coefficients = coefficients.clamp(self.lower[9:], self.upper[9:])
        jaw = estimate.jaw[0].clamp(self.lower[6:9], self.upper[6:9])
        self.expected = torch.cat([torch.zeros(6).double(), jaw, coefficients])
        self.prior[9:] = config.estimate_deviation**-2
        if self.head.actions:
            self.prior[9 + shape_count :] = config.estimated_action_deviation**-2
        self.slope = torch.zeros_like(self.slope)
        camera = torch.cat([estimate.camera[0, :1].log(), estimate.camera[0, 1:]])
        return LandmarkState(camera, axis_angle_to_matrix(estimate.pose[0]), jaw, coefficients)

    def project(self, state: LandmarkState, points: Float[Tensor, "point 3"]) -> Float[Tensor, "point 2"]:
        """Points of the head under the camera, image units, y up."""
        return state.camera[0].exp() * (points[:, :2] + state.camera[1:])

    def weights(self, state: LandmarkState) -> Float[Tensor, " point"]:
        """Less for points on bare skin, and for outline points on the far side of a turned head, where the
        network follows the silhouette."""
        facing = state.pose[2, 0] * torch.sign(self.head.points(self.head.template[None])[0][:, 0])
        hidden = self.outline & (facing < -0.25)
        return torch.where(hidden, self.config.outline_hidden, 1.0).double() * self.shares

    def whitened(
        self, vectors: Float[Tensor, "... point 2"], weights: Float[Tensor, " point"]
    ) -> Float[Tensor, "... residual 2"]:
        """Divide by the deviation; along the outline, count less. After the points come the gaps of the
        lips."""
        along = (vectors * self.along).sum(-1, keepdim=True) * self.along
        points = (vectors - (1 - self.config.outline_along) * along) * weights.sqrt()[:, None]
        upper, lower = self.lips
        gaps = (vectors[..., lower, :] - vectors[..., upper, :]) * self.share**0.5
        return (
            torch.cat([points, gaps * (self.config.noise / self.config.lip_deviation)], -2) / self.deviation
        )

    def cost(self, state: LandmarkState) -> float:
        """What is minimised."""
        points = self.head.posed(state.coefficients, state.pose, state.jaw)
        residual = self.whitened(self.project(state, points) - self.target, self.weights(state)).norm(dim=-1)
        limit = 2.5 * self.share**0.5
        huber = torch.where(residual < limit, residual**2, 2 * limit * residual - limit**2).sum()
        unknowns = self.unknowns(state)
        departure = unknowns - self.expected
        return float(huber + (self.prior * departure**2).sum() + 2 * (self.slope * unknowns).sum())

    def normal_equations(self, state: LandmarkState) -> tuple[Tensor, Tensor]:
        """Half the gradient of the cost, and the Gauss-Newton matrix."""
        head = self.head
        scale = state.camera[0].exp()
        points = head.posed(state.coefficients, state.pose, state.jaw)

        by_rotation = torch.cat([self.by_pose(state, points), self.by_jaw(state)])
        image = self.project(state, points)
        by_camera = torch.stack([image, torch.zeros_like(image), torch.zeros_like(image)])
        by_camera[1, :, 0] = by_camera[2, :, 1] = scale
        by_points = scale * torch.cat([by_rotation, head.linear(state.pose, state.jaw)])[..., :2]
        weights = self.weights(state)
        jacobian = self.whitened(torch.cat([by_camera, by_points]), weights)
        residual = self.whitened(image - self.target, weights)
        limit = 2.5 * self.share**0.5
        robust = (limit / residual.norm(dim=-1).clamp_min(1e-12)).clamp_max(1.0)[:, None]
        jacobian_flat, weighted = jacobian.flatten(1), (jacobian * robust).flatten(1)
        unknowns = self.unknowns(state)
        gradient = weighted @ residual.flatten() + self.prior * (unknowns - self.expected) + self.slope
        hessian = weighted @ jacobian_flat.T + torch.diag(self.prior)
        return gradient, hessian

    def by_pose(self, state: LandmarkState, points: Float[Tensor, "point 3"]) -> Float[Tensor, "3 point 3"]:
        """Derivatives by a further small turn of the whole head about its root joint: axis x arm."""
        joints = self.head.joint_template + torch.einsum(
            "k,kjc->jc", state.coefficients, self.head.joint_basis
        )
        arms = points - joints[self.head.names.index("root")]
        axes = torch.eye(3, dtype=arms.dtype)[:, None].expand(-1, len(arms), -1)
        return torch.linalg.cross(axes, arms.expand(3, -1, -1))

    def by_jaw(self, state: LandmarkState) -> Float[Tensor, "3 point 3"]:
        """Derivatives by the jaw's rotation: central differences, exact to nine digits in double
        precision."""
        step = 1e-5
        turns = step * torch.eye(3, dtype=torch.float64)
        ahead, behind = (
            torch.stack(
                [self.head.posed(state.coefficients, state.pose, state.jaw + sign * turn) for turn in turns]
            )
            for sign in (1, -1)
        )
        return (ahead - behind) / (2 * step)

    def unknowns(self, state: LandmarkState) -> Float[Tensor, " unknown"]:
        """The unknowns at a state; camera and pose, of which only changes are asked for, are zero."""
        return torch.cat([torch.zeros(6).double(), state.jaw, state.coefficients])

    def step(self, state: LandmarkState, gradient: Tensor, hessian: Tensor, damping: float) -> LandmarkState:
        """One damped step; unknowns at a bound that the step would leave stay where they are."""
        unknowns = self.unknowns(state)
        fixed = ((unknowns <= self.lower) & (gradient > 0)) | ((unknowns >= self.upper) & (gradient < 0))
        free = (~fixed).nonzero()[:, 0]
        part = hessian[free][:, free]
        part = part + damping * torch.diag(part.diagonal())
        change = torch.zeros_like(unknowns)
        change[free] = -torch.linalg.solve(part, gradient[free])
        return self.moved(state, change)

    def moved(self, state: LandmarkState, change: Float[Tensor, " unknown"]) -> LandmarkState:
        """A state with a change of the unknowns, within their bounds."""
        moved = (self.unknowns(state) + change).clamp(self.lower, self.upper)
        pose = axis_angle_to_matrix(change[3:6]) @ state.pose
        return LandmarkState(state.camera + change[:3], pose, moved[6:9], moved[9:])

    def result(self, others: Parameters, state: LandmarkState) -> LandmarkFit:
        """A state as parameters; what is not fitted is taken from `others`."""
        points = self.head.posed(state.coefficients, state.pose, state.jaw)
        distance = (self.project(state, points) - self.target)[~self.outline].square().sum(-1).mean().sqrt()
        camera = torch.cat([state.camera[:1].exp(), state.camera[1:]])
        parameters = others.to("cpu").replace(
            shape=state.coefficients[None, : self.head.shape_count].float(),
            expression=state.coefficients[None, self.head.shape_count :].float(),
            pose=matrix_to_axis_angle(state.pose)[None].float(),
            jaw=state.jaw[None].float(),
            camera=camera[None].float(),
        )
        return LandmarkFit(parameters.to(others.shape.device), float(distance))
