"""The REALY benchmark: errors of four regions of a face, each aligned by itself (Chai et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from deca.evaluation.optimal_step import Keypoints, bend
from deca.evaluation.similarity import SEVEN_OF_68, Similarity
from deca.evaluation.surface import Surface

KEYPOINTS = 85
"""iBUG's 68, then 17 on the cheeks."""
REGIONS = ("nose", "mouth", "forehead", "cheek")
_EYES, _BROWS, _OUTER_LIPS = tuple(range(36, 48)), tuple(range(17, 27)), (*range(48, 61), 64)
_NOSE = tuple(range(27, 36))
# The keypoints that hold a region while it is aligned rigidly, and while it is bent.
_RIGID = {
    "nose": (*_NOSE, 70, 71),
    "mouth": _OUTER_LIPS,
    "forehead": (*_EYES, *_BROWS),
    "cheek": (*_OUTER_LIPS, 76, 77, 36, 41, 40, 39, 42, 47, 46, 45, 7, 8, 9),
}
_BENT = {"nose": _NOSE, "mouth": _OUTER_LIPS, "forehead": (*_EYES, *_BROWS)}
_MOST_STEPS = 100
_LEAST_CHANGE = 1e-6


@dataclass(frozen=True)
class Region:
    """Part of a scan, in the scan's unit (about a centimetre)."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]


@dataclass(frozen=True)
class KeypointPlaces:
    """Where the 85 keypoints lie on the meshes of a topology."""

    corners: Int[np.ndarray, "85 3"]
    barycentrics: Float[np.ndarray, "85 3"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "85 3"], triangles: Int[np.ndarray, "triangle 3"]) -> KeypointPlaces:
        """From the official rows: a triangle, and the weights of its first two corners."""
        first, second = rows[:, 1], rows[:, 2]
        weights = np.stack([first, second, 1 - first - second], 1)
        return cls(triangles[rows[:, 0].astype(np.int64)], weights)

    def __call__(self, vertices: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "85 3"]:
        """The keypoints of a mesh."""
        return (vertices[self.corners] * self.barycentrics[..., None]).sum(1)


@dataclass(frozen=True)
class RegionResult:
    """A prediction laid on a region, and how far each vertex of the region is from what it corresponds to.

    All in the scan's unit. `rigid_steps` and `solves` count the updates of the two alignments.
    """

    laid: Similarity
    bent: Float[np.ndarray, "vertex 3"]
    errors: Float[np.ndarray, " vertex"]
    rigid_steps: int
    solves: int

    @property
    def error(self) -> float:
        """The mean over the region's vertices."""
        return float(self.errors.mean())


def globally_laid(
    keypoints: Float[np.ndarray, "85 3"], scan_keypoints: Float[np.ndarray, "85 3"]
) -> Similarity:
    """The first alignment, by seven keypoints. Its scale is a ratio of sums of absolute coordinates, and a
    mirrored prediction would be mirrored back."""
    seven = list(SEVEN_OF_68)
    return _laid(keypoints[seven], scan_keypoints[seven], with_scale=True)


def evaluate_region(
    name: str,
    region: Region,
    scan_keypoints: Float[np.ndarray, "85 3"],
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    places: KeypointPlaces,
) -> RegionResult:
    """The error of one region for a prediction whose vertices are globally laid already.

    The prediction is laid on the region rigidly; the region is bent onto those points of the prediction that
    are closest to it; and each of its vertices is compared with the point of the prediction closest to where
    it was bent to.
    """
    surface = Surface(vertices, triangles)
    laid, steps = rigidly_laid(name, region, scan_keypoints, surface, places)
    # In the region's frame from here on, with the tree of the prediction's own.
    closest = laid(surface.closest(laid.inverse(region.vertices))[2])
    keypoints = None
    if name in _BENT:
        chosen = list(_BENT[name])
        nearest = np.asarray(KDTree(region.vertices).query(scan_keypoints[chosen])[1])
        # Of keypoints with the same vertex the last one counts.
        used, last = np.unique(nearest[::-1], return_index=True)
        keypoints = Keypoints(used, laid(places(vertices))[chosen][::-1][last])
    bent = bend(region.vertices, region.triangles, closest, keypoints)
    matched = laid(surface.closest(laid.inverse(bent.vertices))[2])
    errors = np.linalg.norm(matched - region.vertices, axis=1)
    return RegionResult(laid, bent.vertices, errors, steps, bent.solves)


def rigidly_laid(
    name: str,
    region: Region,
    scan_keypoints: Float[np.ndarray, "85 3"],
    surface: Surface,
    places: KeypointPlaces,
) -> tuple[Similarity, int]:
    """The region's alignment and how many updates it took: rigid ICP from the region to the whole surface,
    held by repeated keypoints."""
    chosen = list(_RIGID[name])
    repeats = len(region.vertices) // len(chosen)
    if name == "cheek":
        repeats //= 4
    own = places(surface.vertices)[chosen]
    targets = np.concatenate([region.vertices, *[scan_keypoints[chosen]] * repeats])
    laid, before, steps = Similarity(1.0, np.eye(3), np.zeros(3)), None, 0
    for _ in range(_MOST_STEPS):
        closest = surface.closest(laid.inverse(region.vertices))[2]
        sources = laid(np.concatenate([closest, *[own] * repeats]))
        onward = _laid(sources, targets, with_scale=False)
        error = float(np.square(onward(sources) - targets).sum(1).mean())
        # The last fit, which changes next to nothing, is not applied.
        if before is not None and abs(before - error) < _LEAST_CHANGE:
            break
        laid, before, steps = onward.after(laid), error, steps + 1
    return laid, steps


def _laid(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"], with_scale: bool
) -> Similarity:
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    left, _, right = np.linalg.svd(b.T @ a)
    rotation = left @ right
    scale = float(np.abs(b).sum() / np.abs(a @ rotation.T).sum()) if with_scale else 1.0
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)
