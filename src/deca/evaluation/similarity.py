"""Similarities of three dimensions, and the one that lays landmarks on landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SEVEN_OF_68 = (36, 39, 42, 45, 33, 48, 54)
"""The benchmarks' seven landmarks among iBUG's 68: outer and inner corner of the right eye, inner and outer
of the left, nose base, right and left mouth corner (right and left are the person's)."""


@dataclass(frozen=True)
class Similarity:
    """target = scale * rotation @ source + translation; `rotation` may hold a reflection."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]

    def __call__(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """The points in the target's frame, in double precision."""
        return self.scale * points.astype(np.float64) @ self.rotation.T + self.translation

    def inverse(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """The target's points in the source's frame."""
        return (points - self.translation) @ self.rotation / self.scale

    def after(self, first: Similarity) -> Similarity:
        """This one behind another."""
        return Similarity(
            self.scale * first.scale,
            self.rotation @ first.rotation,
            self.scale * self.rotation @ first.translation + self.translation,
        )

    @property
    def mirrors(self) -> bool:
        """Whether it holds a reflection."""
        return bool(np.linalg.det(self.rotation) < 0)


def procrustes(source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"]) -> Similarity:
    """What takes `source` to `target` with least squares, a reflection if that is nearer (Schoenemann 1966).

    So the official programs of NoW and of Feng et al. align seven landmarks. It hides that a mesh is
    mirrored; `Similarity.mirrors` tells.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    left, values, right = np.linalg.svd(b.T @ a)
    rotation = left @ right
    scale = float(values.sum() / np.square(a).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def rotation_of(vector: Float[np.ndarray, "3"]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
    """The rotation matrix of a rotation vector (radians), and its left Jacobian.

    A change d of the vector turns the rotated point R p by the small rotation J d: dR p = (J d) x (R p).
    """
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-8:
        return np.eye(3) + cross, np.eye(3) + cross / 2
    sine, versine = np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2
    square = cross @ cross
    rotation = np.eye(3) + sine * cross + versine * square
    return rotation, np.eye(3) + versine * cross + (1 - sine) / angle**2 * square
