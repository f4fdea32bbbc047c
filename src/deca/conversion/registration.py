"""The default head brought onto another head's surface: similarity, then its shapes, then a smooth bend."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from deca.conversion.surface_points import ClosestPoints, border_vertices, vertex_normals
from deca.conversion.target import TargetSurface
from deca.fitting.mesh_fields import edge_laplacian, spread
from deca.head.data import HeadData

# Regions of the default head that are no outer skin.
INNER_REGIONS = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")

# The iBUG points that lie at marks of the face, not on its outline; and of the lips' inner rims, which heads
# mark where the rim is or where it seems to be, the middles between upper and lower lip.
_MARKS = (*range(17, 61), 64)
_BETWEEN_LIPS = ((61, 67), (62, 66), (63, 65))
_SHAPE_ROUNDS = 12
# One unit of a shape coefficient weighs as much as this distance at one point, metres times root of points.
_PRIOR = 0.0002
_LARGEST_SHAPE = 3.0
# Distance at which a closest point counts half (Geman and McClure's kernel), metres.
_ROBUST = 0.004
_MARKS_SHARE = 0.3
# Bending against closest points, round by round; a membrane keeps what no point holds.
_BENDING = (30.0, 10.0, 3.0, 1.0, 0.5, 0.3, 0.3, 0.3)
_MEMBRANE = 0.002
_MARK_WEIGHT = 3.0
_FARTHEST = 0.015
_LEAST_FACING = 0.4


@dataclass(frozen=True)
class Registration:
    """The default head on another's surface: target = scale * rotation @ head(shape) + translation, bent.

    `vertices` are those of the default head, in the target's frame.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]
    shape: Float[np.ndarray, " shape"]


def register_head(target: TargetSurface, default: HeadData) -> Registration:
    """Bring the default head onto a target (after Amberg et al. 2007).

    It starts from the target's landmarks or, where it has none, from its eyes with its axes as they are.
    """
    skin = outer_skin(default)
    surface = ClosestPoints(target.vertices, target.triangles, target.skin)
    marks = _Marks.of(target, default)
    fitted = _fit_shape(_similarity_start(target, default, marks), target, default, surface, skin, marks)
    return replace(fitted, vertices=_bend(fitted.vertices, target, default, surface, skin, marks))


def outer_skin(default: HeadData) -> Bool[np.ndarray, " triangle"]:
    """The triangles of a head that are seen with eyes and mouth shut, without the eyeballs."""
    inner = [default.region(name) for name in INNER_REGIONS if name in default.region_names]
    return ~np.any(inner, axis=0) if inner else np.ones(len(default.triangles), bool)


def fit_similarity(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"]
) -> tuple[float, Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """Scale, rotation and translation that take `source` to `target` with least squares (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    left, values, right = np.linalg.svd(b.T @ a)
    flip = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(flip) @ right
    scale = float((values * flip).sum() / np.square(a).sum())
    return scale, rotation, target_mean - scale * rotation @ source_mean


def full_landmarks(head: HeadData, vertices: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "68 3"]:
    """The 68 landmarks of a head on given vertices."""
    corners = vertices[head.triangles[head.full_landmark_triangles]]
    return (corners * head.full_landmark_barycentrics[..., None]).sum(1)


@dataclass(frozen=True)
class _Marks:
    """Marks of the face: as a matrix (mark, vertex) on the default head, and where the target has them."""

    matrix: sparse.csr_matrix
    places: Float[np.ndarray, "mark 3"]

    @classmethod
    def of(cls, target: TargetSurface, default: HeadData) -> _Marks | None:
        """The target's landmarks but for the outline; None where it has none."""
        if target.landmarks is None:
            return None
        picked = np.zeros((len(_MARKS) + len(_BETWEEN_LIPS), 68))
        picked[range(len(_MARKS)), _MARKS] = 1
        for row, pair in enumerate(_BETWEEN_LIPS, len(_MARKS)):
            picked[row, list(pair)] = 0.5
        corners = default.triangles[default.full_landmark_triangles]
        entries = (default.full_landmark_barycentrics.ravel().astype(float), corners.ravel())
        points = sparse.csr_matrix(
            (entries[0], (np.repeat(np.arange(68), 3), entries[1])), (68, len(default.template_vertices))
        )
        return cls(sparse.csr_matrix(picked @ points), picked @ target.landmarks)


def _similarity_start(target: TargetSurface, default: HeadData, marks: _Marks | None) -> Registration:
    template = default.template_vertices.astype(np.float64)
    if marks is not None:
        scale, rotation, translation = fit_similarity(marks.matrix @ template, marks.places)
    else:
        joints = [default.joint_names.index(name) for name in ("left_eye", "right_eye")]
        eyes = (default.joint_regressor @ template)[joints]
        scale = float(np.linalg.norm(np.subtract(*target.eye_centres)) / np.linalg.norm(np.subtract(*eyes)))
        rotation = np.eye(3)
        translation = target.eye_centres.mean(0) - scale * eyes.mean(0)
    start = Registration(template, scale, rotation, translation, np.zeros(len(default.shape_basis)))
    return _placed(start, default)


def _placed(fit: Registration, default: HeadData) -> Registration:
    """The registration with its vertices where its numbers put them, not bent."""
    shaped = default.template_vertices + np.tensordot(fit.shape, default.shape_basis, 1)
    return replace(fit, vertices=fit.scale * shaped @ fit.rotation.T + fit.translation)


def _fit_shape(
    fit: Registration,
    target: TargetSurface,
    default: HeadData,
    surface: ClosestPoints,
    skin: Bool[np.ndarray, " triangle"],
    marks: _Marks | None,
) -> Registration:
    """Similarity and shape by turns of finding closest points and a Gauss-Newton step."""
    chosen = np.unique(default.triangles[skin])
    border = border_vertices(target.triangles[target.skin], len(target.vertices))
    whole_basis = np.moveaxis(default.shape_basis, 0, -1).reshape(len(fit.vertices), -1).astype(np.float64)
    basis = whole_basis[chosen].reshape(len(chosen), 3, -1)
    for _ in range(_SHAPE_ROUNDS):
        points = fit.vertices[chosen]
        normals = vertex_normals(fit.vertices, default.triangles[skin])[chosen]
        found = surface.find(points, normals)
        toward = surface.normals_at(found)
        facing = (toward * normals).sum(1) > _LEAST_FACING
        open_edge = border[target.triangles[found.triangle]].any(1)
        weight = (facing & ~open_edge) * _ROBUST**2 / (_ROBUST**2 + found.distance**2)
        weight /= np.sqrt(max(weight.sum(), 1))
        rows = [_rows(fit, points, toward, surface.at(found), basis, weight)]
        if marks is not None:
            at = marks.matrix @ fit.vertices
            mark_basis = (marks.matrix @ whole_basis).reshape(len(at), 3, -1)
            pull = np.full(len(at), _MARKS_SHARE / np.sqrt(len(at)))
            rows += [
                _rows(fit, at, np.tile(axis, (len(at), 1)), marks.places, mark_basis, pull)
                for axis in np.eye(3)
            ]
        jacobian, residual = (np.concatenate(part) for part in zip(*rows, strict=True))
        prior = np.concatenate([np.zeros(7), np.full(len(fit.shape), _PRIOR**2)])
        gradient = jacobian.T @ residual
        gradient[7:] -= prior[7:] * fit.shape
        step = np.linalg.solve(jacobian.T @ jacobian + np.diag(prior + 1e-12), gradient)
        moved = replace(
            fit,
            rotation=Rotation.from_rotvec(step[:3]).as_matrix() @ fit.rotation,
            scale=fit.scale * (1 + step[3]),
            translation=fit.translation + step[4:7],
            shape=(fit.shape + step[7:]).clip(-_LARGEST_SHAPE, _LARGEST_SHAPE),
        )
        fit = _placed(moved, default)
    return fit


def _rows(
    fit: Registration,
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    targets: Float[np.ndarray, "point 3"],
    basis: Float[np.ndarray, "point 3 shape"],
    weights: Float[np.ndarray, " point"],
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the linearised distance from points to targets along normals: rotation, scale, shift, shape."""
    arms = points - fit.translation
    by_shape = np.einsum("pc,pcs->ps", fit.scale * normals @ fit.rotation, basis)
    jacobian = np.concatenate(
        [np.cross(arms, normals), (arms * normals).sum(1, keepdims=True), normals, by_shape], 1
    )
    return jacobian * weights[:, None], ((targets - points) * normals).sum(1) * weights


def _bend(
    vertices: Float[np.ndarray, "vertex 3"],
    target: TargetSurface,
    default: HeadData,
    surface: ClosestPoints,
    skin: Bool[np.ndarray, " triangle"],
    marks: _Marks | None,
) -> Float[np.ndarray, "vertex 3"]:
    """Move vertices onto the surface by smooth fields, ever less stiff; the rest goes along."""
    count = len(vertices)
    chosen = np.unique(default.triangles[skin])
    border = border_vertices(target.triangles[target.skin], len(target.vertices))
    laplacian = edge_laplacian(default.triangles, np.zeros(count, int))
    for bending in _BENDING:
        normals = vertex_normals(vertices, default.triangles[skin])[chosen]
        found = surface.find(vertices[chosen], normals)
        facing = (surface.normals_at(found) * normals).sum(1) > _LEAST_FACING
        kept = facing & (found.distance < _FARTHEST) & ~border[target.triangles[found.triangle]].any(1)
        weight = kept * _ROBUST**2 / (_ROBUST**2 + found.distance**2)
        places = [
            sparse.csr_matrix((np.ones(len(chosen)), (range(len(chosen)), chosen)), (len(chosen), count))
        ]
        values, weights = [surface.at(found) - vertices[chosen]], [weight]
        if marks is not None:
            places.append(marks.matrix)
            values.append(marks.places - marks.matrix @ vertices)
            weights.append(np.full(len(marks.places), _MARK_WEIGHT))
        vertices = vertices + spread(
            laplacian,
            sparse.csr_matrix(sparse.vstack(places)),
            np.concatenate(values),
            np.concatenate(weights),
            _MEMBRANE,
            bending,
        )
    return vertices
