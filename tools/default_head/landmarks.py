"""The landmarks of the default head: 468 dense points, 68 of iBUG, and the contour that slides with yaw."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from default_head.mesh import Topology
from default_head.registration import closest, outer_skin
from jaxtyping import Float, Int

from deca.photo.ibug import ibug68

CONTOUR = 17
# Rows of the table: 0..39 for 0..39 degrees of yaw, then -1..-39 (positive turns to the subject's left).
YAWS = (*range(40), *range(-1, -40, -1))
# A contour point slides along the cut from its place on a frontal face towards this point of the face,
# metres, over at most this part of the way.
CONTOUR_CENTRE = (0.0, -0.02)
CONTOUR_REACH, CONTOUR_STEPS = 0.65, 120
MOUTH_CORNERS = (61, 291)
# The 468 points of each lip, from its outer edge inwards, without the mouth's corners.
UPPER_LIP = (
    185, 40, 39, 37, 0, 267, 269, 270, 409, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    183, 42, 41, 38, 12, 268, 271, 272, 407, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
LOWER_LIP = (
    146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307,
    96, 89, 179, 86, 15, 316, 403, 319, 325, 95, 88, 178, 87, 14, 317, 402, 318, 324,
)  # fmt: skip


@dataclass(frozen=True)
class Landmarks:
    """The landmark arrays of a HeadData."""

    landmark_triangles: Int[np.ndarray, "51"]
    landmark_barycentrics: Float[np.ndarray, "51 3"]
    contour_triangles: Int[np.ndarray, "79 17"]
    contour_barycentrics: Float[np.ndarray, "79 17 3"]
    full_landmark_triangles: Int[np.ndarray, "68"]
    full_landmark_barycentrics: Float[np.ndarray, "68 3"]
    dense_landmark_triangles: Int[np.ndarray, "468"]
    dense_landmark_barycentrics: Float[np.ndarray, "468 3"]


def place_landmarks(
    dense: Float[np.ndarray, "468 3"],
    vertices: Float[np.ndarray, "vertex 3"],
    jaw_weights: Float[np.ndarray, " vertex"],
    topology: Topology,
) -> Landmarks:
    """Every landmark as (triangle, barycentric), from where the 468 dense points lie on the mean head.

    The 68 are read off the dense points by the same rule as in photographs. `jaw_weights` say how far each
    vertex goes with the jaw.
    """
    skin = outer_skin(topology)
    _, dense_triangles, dense_barycentrics = closest(dense, vertices, topology.triangles, skin)
    # Where closed lips touch, the nearest skin may be the other lip's: it would stay behind when they part.
    going = jaw_weights[topology.triangles]
    points_going = (going[dense_triangles] * dense_barycentrics).sum(1)
    corner = points_going[list(MOUTH_CORNERS)].mean()
    for lip, side in ((UPPER_LIP, 1), (LOWER_LIP, -1)):
        wrong = [point for point in lip if side * (points_going[point] - corner) > 0]
        own = skin & (side * (going - corner) <= 0).all(1)
        _, dense_triangles[wrong], dense_barycentrics[wrong] = closest(
            dense[wrong], vertices, topology.triangles, own
        )
    full, full_triangles, full_barycentrics = closest(ibug68(dense), vertices, topology.triangles, skin)
    contour_triangles, contour_barycentrics = _contour_table(full[:CONTOUR], vertices, topology)
    return Landmarks(
        landmark_triangles=full_triangles[CONTOUR:],
        landmark_barycentrics=full_barycentrics[CONTOUR:],
        contour_triangles=contour_triangles,
        contour_barycentrics=contour_barycentrics,
        full_landmark_triangles=full_triangles,
        full_landmark_barycentrics=full_barycentrics,
        dense_landmark_triangles=dense_triangles,
        dense_landmark_barycentrics=dense_barycentrics,
    )


def _contour_table(frontal: Float[np.ndarray, "17 3"], vertices, topology: Topology):
    """For each yaw the contour as a viewer sees it: on the hidden side the outline, on the other its frontal
    place.

    Each point has a track over the face, from its frontal place inward. At a yaw it stands where the track,
    turned, reaches farthest outward.
    """
    tracks = [_track(point, vertices, topology) for point in frontal]
    triangles = np.empty((len(YAWS), CONTOUR), np.int64)
    barycentrics = np.empty((len(YAWS), CONTOUR, 3))
    for row, yaw in enumerate(np.radians(YAWS)):
        for point, (positions, track_triangles, track_barycentrics) in enumerate(tracks):
            outward = frontal[point, :2] - CONTOUR_CENTRE
            across = positions[:, 0] * np.cos(yaw) + positions[:, 2] * np.sin(yaw)
            chosen = np.argmax(across * outward[0] + positions[:, 1] * outward[1])
            # The face turns to the subject's left: that side's outline is hidden behind the cheek, the
            # other stays.
            if frontal[point, 0] * yaw <= 0:
                chosen = 0
            triangles[row, point] = track_triangles[chosen]
            barycentrics[row, point] = track_barycentrics[chosen]
    return triangles, barycentrics


def _track(start: Float[np.ndarray, "3"], vertices, topology: Topology):
    """Points of the front of the skin seen along the way from `start` towards the middle of the face."""
    skin = np.flatnonzero(outer_skin(topology))
    corners = np.ascontiguousarray(topology.triangles[skin])
    positions, triangles, barycentrics = closest(
        start[None], vertices, topology.triangles, outer_skin(topology)
    )
    found = [(positions[0], triangles[0], barycentrics[0])]
    for part in np.linspace(0, CONTOUR_REACH, CONTOUR_STEPS)[1:]:
        x, y = start[:2] + part * (np.array(CONTOUR_CENTRE) - start[:2])
        hits = igl.ray_mesh_intersect(np.array([x, y, 1.0]), np.array([0.0, 0.0, -1.0]), vertices, corners)
        if not hits:
            continue
        triangle, _, u, v = hits[0]
        weights = np.array([1 - u - v, u, v]).clip(0, 1)
        found.append((weights @ vertices[corners[triangle]], skin[triangle], weights / weights.sum()))
    return tuple(np.array(column) for column in zip(*found, strict=True))
