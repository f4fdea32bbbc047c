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

_INNER = slice(17, 68)  # the iBUG points that lie at marks of the face, not on its outline
_SHAPE_ROUNDS = 12
# One unit of a shape coefficient weighs as much as this distance at one point, metres times root of points.
_PRIOR = 0.0002
_LARGEST_SHAPE = 3.0
# Distance at which a closest point counts half (Geman and McClure's kernel), metres.
_ROBUST = 0.004
_LANDMARK_SHARE = 0.3
# Bending against closest points, round by round; a membrane keeps what no point holds.
_BENDING = (30.0, 10.0, 3.0, 1.0, 0.5, 0.3, 0.3, 0.3)
_MEMBRANE = 0.002
_LANDMARK_WEIGHT = 3.0
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
    start = _similarity_start(target, default)
    fitted = _fit_shape(start, target, default, surface, skin)
    return replace(fitted, vertices=_bend(fitted.vertices, target, default, surface, skin))


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


def _similarity_start(target: TargetSurface, default: HeadData) -> Registration:
    template = default.template_vertices.astype(np.float64)
    if target.landmarks is not None:
        marks = full_landmarks(default, template)
        scale, rotation, translation = fit_similarity(marks[_INNER], target.landmarks[_INNER])
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
) -> Registration:
    """Similarity and shape by turns of finding closest points and a Gauss-Newton step."""
    chosen = np.unique(default.triangles[skin])
    basis = np.moveaxis(default.shape_basis[:, chosen], 0, -1).astype(np.float64)
    border = border_vertices(target.triangles[target.skin], len(target.vertices))
    marks = default.triangles[default.full_landmark_triangles[_INNER]]
    mark_weights = default.full_landmark_barycentrics[_INNER]
    mark_basis = np.einsum("pk,spkc->pcs", mark_weights, default.shape_basis[:, marks]).astype(np.float64)
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
        if target.landmarks is not None:
            at = full_landmarks(default, fit.vertices)[_INNER]
            pull = np.full(len(at), _LANDMARK_SHARE / np.sqrt(len(at)))
            wanted = target.landmarks[_INNER]
            rows += [
                _rows(fit, at, np.tile(axis, (len(at), 1)), wanted, mark_basis, pull) for axis in np.eye(3)
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
) -> Float[np.ndarray, "vertex 3"]:
    """Move vertices onto the surface by smooth fields, ever less stiff; the rest goes along."""
    count = len(vertices)
    chosen = np.unique(default.triangles[skin])
    border = border_vertices(target.triangles[target.skin], len(target.vertices))
    laplacian = edge_laplacian(default.triangles, np.zeros(count, int))
    marks = _rows_of(
        default.triangles[default.full_landmark_triangles], default.full_landmark_barycentrics, count
    )
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
        if target.landmarks is not None:
            places.append(marks[_INNER])
            values.append(target.landmarks[_INNER] - (marks @ vertices)[_INNER])
            weights.append(np.full(51, _LANDMARK_WEIGHT))
        vertices = vertices + spread(
            laplacian,
            sparse.csr_matrix(sparse.vstack(places)),
            np.concatenate(values),
            np.concatenate(weights),
            _MEMBRANE,
            bending,
        )
    return vertices


def _rows_of(corners: np.ndarray, barycentrics: np.ndarray, count: int) -> sparse.csr_matrix:
    """The matrix that interpolates vertex values at points of the mesh."""
    rows = np.repeat(np.arange(len(corners)), 3)
    return sparse.csr_matrix(
        (barycentrics.ravel().astype(float), (rows, corners.ravel())), (len(corners), count)
    )
