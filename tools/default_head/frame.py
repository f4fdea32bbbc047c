"""The mean head's frame and smooth weights over it: face, skull, importance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from default_head.mesh import Topology
from default_head.population import Population
from jaxtyping import Float

# How much a vertex counts when the leading directions of the shape space are chosen.
FACE_IMPORTANCE, HEAD_IMPORTANCE, NECK_IMPORTANCE, INSIDE_IMPORTANCE = 1.0, 0.15, 0.03, 0.02
# The centres of the eyeballs of the mean head lie here, metres: about as in FLAME, so that the origin is
# near the middle of the head.
EYE_HEIGHT, EYE_DEPTH = 0.033, 0.062


@dataclass(frozen=True)
class Frame:
    """The mean head with what the shape space needs to know about it.

    `face` is 1 on the face and fades to 0 at scalp, ears and neck; `skull` weighs, with sum one, the vertices
    by which heads are laid upon each other; `importance` weighs vertices when leading directions are chosen.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    face: Float[np.ndarray, " vertex"]
    skull: Float[np.ndarray, " vertex"]
    importance: Float[np.ndarray, " vertex"]


def mean_head(
    base: Float[np.ndarray, "vertex 3"], population: Population, topology: Topology
) -> Float[np.ndarray, "vertex 3"]:
    """The population's mean, made exactly symmetric, in the head frame of CONVENTIONS.md."""
    mean = base + np.tensordot(population.weights.mean(0), population.fields, 1)
    mean = (mean + mirrored(mean, topology)) / 2
    # The ball's vertices are denser at the front: its two poles, the first vertex and the last, give its
    # centre.
    left = mean[topology.vertex_part == 1]
    centre = (left[0] + left[-1]) / 2
    return mean + np.array([0, EYE_HEIGHT - centre[1], EYE_DEPTH - centre[2]])


def frame_of(vertices: Float[np.ndarray, "vertex 3"], topology: Topology) -> Frame:
    """Weights by place on a head of the size and in the frame of `mean_head`."""
    x, y, z = vertices.T
    front = smooth_step(z, 0.0, 0.05)
    above_neck = smooth_step(y + 0.35 * (z - 0.06), -0.105, -0.085)
    below_crown = 1 - smooth_step(y, 0.085, 0.13)
    face = front * above_neck * below_crown
    head = smooth_step(y + 0.5 * z, -0.09, -0.04)
    inside = (topology.vertex_part != 0) | cavity_vertices(topology)
    importance = NECK_IMPORTANCE + (HEAD_IMPORTANCE - NECK_IMPORTANCE) * head
    importance = importance + (FACE_IMPORTANCE - importance) * face
    importance = np.where(inside, INSIDE_IMPORTANCE, importance)
    area = vertex_areas(vertices, topology)
    skull = np.where(inside | (np.abs(x) > 0.076), 0, head * area)
    # Between counting vertices (dense at eyes, nose and mouth) and counting square metres.
    density = np.sqrt(area / area[topology.vertex_part == 0].mean())
    return Frame(vertices, face, skull / skull.sum(), importance * density)


def cavity_vertices(topology: Topology) -> np.ndarray:
    """Which vertices lie inside the mouth or behind the lids, rims excluded."""
    outside = np.zeros(len(topology.vertex_part), bool)
    outside[topology.triangles[topology.cavity == 0]] = True
    return ~outside


def mirrored(
    fields: Float[np.ndarray, "*field vertex 3"], topology: Topology
) -> Float[np.ndarray, "*field vertex 3"]:
    """The mirror image of vector fields on the head."""
    return fields[..., topology.vertex_mirror, :] * [-1.0, 1.0, 1.0]


def vertex_areas(vertices: Float[np.ndarray, "vertex 3"], topology: Topology) -> Float[np.ndarray, " vertex"]:
    """A third of the area around each vertex, square metres."""
    first, second, third = (vertices[topology.triangles[:, corner]] for corner in range(3))
    areas = np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2
    return np.bincount(topology.triangles.ravel(), np.repeat(areas / 3, 3), len(vertices))


def smooth_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, a cubic between."""
    t = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)
