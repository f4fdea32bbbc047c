"""Laying one surface on another: similarities of point pairs, and by closest points as in the NoW
challenge."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from deca.conversion.registration import fit_similarity

# Places in the order of the challenge's seven landmarks: outer and inner corner of the right eye, inner and
# outer of the left, nose base, right and left mouth corner.
SEVEN_OF_68 = (36, 39, 42, 45, 33, 48, 54)
_INNER_CORNERS, _OUTER_CORNERS, _NOSE_BASE = (1, 2), (0, 3), 4
_MOST_STEPS = 60
# The steps end where the sum of squares falls by less than this share.
_LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class Similarity:
    """target = scale * rotation @ source + translation."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]

    def __call__(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """The points in the target's frame."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True)
class Mesh:
    """A surface with the seven landmarks of the NoW challenge, all in one unit."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    landmarks: Float[np.ndarray, "7 3"]


def similarity(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"], with_scale: bool
) -> Similarity:
    """What takes `source` to `target` with least squares (Umeyama 1991), rigid where the scale is to stay
    one."""
    scale, rotation, translation = fit_similarity(source, target)
    if with_scale:
        return Similarity(scale, rotation, translation)
    return Similarity(1.0, rotation, target.mean(0) - rotation @ source.mean(0))


def vertex_distances(
    first: Float[np.ndarray, "vertex 3"], second: Float[np.ndarray, "vertex 3"], with_scale: bool
) -> Float[np.ndarray, " vertex"]:
    """Distances of the vertices of two shapes of one topology, the first laid on the second."""
    return np.linalg.norm(similarity(first, second, with_scale)(first) - second, axis=1)


def face_part(
    scan: Float[np.ndarray, "vertex 3"], landmarks: Float[np.ndarray, "7 3"]
) -> Float[np.ndarray, "part 3"]:
    """The scan's vertices within the challenge's sphere about the face.

    Its centre lies above the nose base by 0.3 of the way to the middle of the inner eye corners; its radius
    is 0.7 of the sum of that way and the distance of the outer eye corners (Feng et al. 2018, section III).
    """
    base = landmarks[_NOSE_BASE]
    up = landmarks[list(_INNER_CORNERS)].mean(0) - base
    width = np.linalg.norm(np.subtract(*landmarks[list(_OUTER_CORNERS)]))
    radius = 0.7 * (width + np.linalg.norm(up))
    return scan[np.linalg.norm(scan - (base + 0.3 * up), axis=1) <= radius]


def scan_distances(
    scan: Float[np.ndarray, "vertex 3"],
    scan_landmarks: Float[np.ndarray, "7 3"],
    prediction: Mesh,
) -> Float[np.ndarray, " part"]:
    """Unsigned distances from the vertices of the scan's face to a prediction, in the scan's unit.

    The protocol of the NoW challenge without metric scale (Sanyal et al. 2019, section 5): the prediction is
    laid on the scan by a similarity of the seven landmarks, then by that similarity which makes the sum of
    the squared distances least.
    """
    part = face_part(scan, scan_landmarks)
    start = similarity(prediction.landmarks, scan_landmarks, with_scale=True)
    return _refined(start, prediction, part).distances


@dataclass(frozen=True)
class _Laid:
    """A prediction laid on a scan: the closest point of its surface to each of the scan's, and how far it
    is."""

    laid: Similarity
    closest: Float[np.ndarray, "part 3"]
    normals: Float[np.ndarray, "part 3"]
    distances: Float[np.ndarray, " part"]

    @classmethod
    def of(cls, laid: Similarity, prediction: Mesh, part: Float[np.ndarray, "part 3"]) -> _Laid:
        vertices = np.ascontiguousarray(laid(prediction.vertices))
        squared, triangles, closest = map(
            np.asarray, igl.point_mesh_squared_distance(part, vertices, prediction.triangles)
        )
        distances = np.sqrt(squared)
        a, b, c = np.moveaxis(vertices[prediction.triangles[triangles]], 1, 0)
        normals = np.cross(b - a, c - a)
        # The gradient of a distance is the direction to the point; where they touch, the surface's normal.
        away = np.where(distances[:, None] > 1e-9, part - closest, normals)
        return cls(laid, closest, away / np.maximum(np.linalg.norm(away, axis=1)[:, None], 1e-30), distances)

    @property
    def cost(self) -> float:
        return float(np.square(self.distances).sum())

    def step(self, damping: float) -> Similarity:
        """A damped Gauss-Newton step of rotation, logarithm of the scale, and translation about the part's
        middle."""
        middle = self.closest.mean(0)
        arms = self.closest - middle
        jacobian = np.concatenate(
            [np.cross(arms, self.normals), (arms * self.normals).sum(1, keepdims=True), self.normals], 1
        )
        hessian = jacobian.T @ jacobian
        change = np.linalg.solve(hessian + damping * np.diag(hessian.diagonal()), jacobian.T @ self.distances)
        turn, growth = Rotation.from_rotvec(change[:3]).as_matrix(), float(np.exp(change[3]))
        moved = growth * turn @ (self.laid.translation - middle) + middle + change[4:]
        return Similarity(growth * self.laid.scale, turn @ self.laid.rotation, moved)


def _refined(start: Similarity, prediction: Mesh, part: Float[np.ndarray, "part 3"]) -> _Laid:
    """The least sum of squared distances that is found downhill from a start (Levenberg-Marquardt)."""
    laid, damping = _Laid.of(start, prediction, part), 1e-4
    for _ in range(_MOST_STEPS):
        tried = _Laid.of(laid.step(damping), prediction, part)
        if tried.cost >= laid.cost:
            damping *= 10
            if damping > 1e3:
                break
            continue
        gain, laid, damping = 1 - tried.cost / laid.cost, tried, damping / 10
        if gain < _LEAST_GAIN:
            break
    return laid
