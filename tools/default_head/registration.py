"""The landmark network's canonical face laid onto the mean head: anchors, thin-plate splines, closest
points."""

from __future__ import annotations

import igl
import numpy as np
from default_head.mesh import Topology
from default_head.profiles import arc_lengths, midline_profile, parting_length, point_at, profiles
from jaxtyping import Bool, Float, Int
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

# Points of the canonical face on the subject's left, from the middle (or the inner corner) outward.
UPPER_LIP_INNER = (13, 312, 311, 310, 415)
UPPER_LIP_WET = (12, 268, 271, 272, 407)
UPPER_LIP_MIDDLE = (11, 302, 303, 304, 408)
UPPER_LIP_OUTER = (0, 267, 269, 270, 409)
LOWER_LIP_INNER = (14, 317, 402, 318, 324)
LOWER_LIP_WET = (15, 316, 403, 319, 325)
LOWER_LIP_MIDDLE = (16, 315, 404, 320, 307)
LOWER_LIP_OUTER = (17, 314, 405, 321, 375)
LIP_CORNERS = (308, 292, 306, 291)
UPPER_LID = (398, 384, 385, 386, 387, 388, 466)
LOWER_LID = (382, 381, 380, 374, 373, 390, 249)
LID_CORNERS = (362, 263)
BROW = (336, 296, 334, 293, 300, 285, 295, 282, 283, 276)
MIDLINE = (151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 164, 0, 17, 18, 200, 199, 175, 152)
# Heights of the vermilion at the midline, metres along the skin from the line where the lips meet.
UPPER_VERMILION, LOWER_VERMILION = 0.0138, 0.0122
# From the ends of the opening in which the eyeball shows to the corners where the lids meet, metres.
INNER_CORNER, OUTER_CORNER = (-0.0033, -0.0006, 0.0), (0.001, 0.0003, 0.0)
# The upper edge of the brows above the eyes, metres.
BROW_RISE = 0.023
ROUNDS = 4


def register_canonical_face(
    canonical: Float[np.ndarray, "468 3"], vertices: Float[np.ndarray, "vertex 3"], topology: Topology
) -> Float[np.ndarray, "468 3"]:
    """Where the 468 points of the canonical face lie on the surface of the mean head, metres, in mirror
    symmetry.

    Lips, lids and the midline are anchored to the same features of the head; the rest follows by a thin-plate
    spline and is drawn to the closest skin in a few rounds.
    """
    partner = mirror_points(canonical)
    anchors = {**_lip_anchors(canonical, vertices, topology), **_lid_anchors(vertices, topology, canonical)}
    eye_height = np.mean([anchors[index][1] for index in UPPER_LID + LOWER_LID if index in anchors])
    anchors |= _midline_anchors(canonical, vertices, topology, eye_height)
    anchors |= _brow_anchors(canonical, anchors, vertices, topology)
    for index in list(anchors):
        anchors[int(partner[index])] = anchors[index] * [-1, 1, 1]
    fixed = np.array(sorted(anchors))
    placed = np.array([anchors[index] for index in fixed])
    skin = outer_skin(topology)
    points = RBFInterpolator(canonical[fixed], placed, kernel="thin_plate_spline", smoothing=1e-9)(canonical)
    free = np.setdiff1d(np.arange(len(canonical)), fixed)
    for _ in range(ROUNDS):
        on_skin = closest(points, vertices, topology.triangles, skin)[0]
        known = np.concatenate([fixed, free])
        targets = np.concatenate([placed, on_skin[free]])
        smoothing = np.concatenate([np.full(len(fixed), 1e-9), np.full(len(free), 2e-4)])
        spline = RBFInterpolator(
            canonical[known],
            targets,
            kernel="thin_plate_spline",
            smoothing=smoothing,  # pyright: ignore[reportArgumentType] (scipy takes one for each point)
        )
        points = spline(canonical)
        points[fixed] = placed
        points = (points + points[partner] * [-1, 1, 1]) / 2
    return points


def mirror_points(canonical: Float[np.ndarray, "468 3"]) -> Int[np.ndarray, "468"]:
    """The mirror partner of each canonical point."""
    return np.asarray(KDTree(canonical * [-1, 1, 1]).query(canonical)[1])


def outer_skin(topology: Topology) -> Bool[np.ndarray, " triangle"]:
    """The triangles of the skin that the world sees: no cavity, no eyeball."""
    return (topology.part == 0) & (topology.cavity == 0)


def closest(
    points: Float[np.ndarray, "point 3"],
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
    allowed: Bool[np.ndarray, " triangle"],
) -> tuple[Float[np.ndarray, "point 3"], Int[np.ndarray, " point"], Float[np.ndarray, "point 3"]]:
    """Closest points on the allowed triangles: position, triangle, barycentric."""
    chosen = np.flatnonzero(allowed)
    corners = np.ascontiguousarray(triangles[chosen])
    found, nearest = map(
        np.asarray, igl.point_mesh_squared_distance(np.ascontiguousarray(points), vertices, corners)[1:]
    )
    a, b, c = (vertices[corners[found, corner]] for corner in range(3))
    barycentrics = np.asarray(igl.barycentric_coordinates(nearest, a, b, c)).clip(0, 1)
    barycentrics = barycentrics / barycentrics.sum(1, keepdims=True)
    return nearest, chosen[found], barycentrics


def _lip_anchors(canonical, vertices, topology: Topology) -> dict[int, np.ndarray]:
    """Lip points by their place across the mouth and along the profile from where the lips meet."""
    corner = _rim_end(vertices, topology, cavity=1, side=1)
    width = canonical[LIP_CORNERS[0], 0]
    anchors = {}
    rows = (
        (True, UPPER_LIP_INNER, 0.0),
        (True, UPPER_LIP_WET, 0.22),
        (True, UPPER_LIP_MIDDLE, 0.6),
        (True, UPPER_LIP_OUTER, 1.0),
        (False, LOWER_LIP_INNER, 0.0),
        (False, LOWER_LIP_WET, 0.25),
        (False, LOWER_LIP_MIDDLE, 0.6),
        (False, LOWER_LIP_OUTER, 1.0),
    )
    for upper, indices, part in rows:
        for index in indices:
            across = canonical[index, 0] / width
            x = np.clip(across * corner[0], 1e-5, 0.9 * corner[0])
            profile = profiles(vertices, topology, 1, x)[0 if upper else 1]
            height = (UPPER_VERMILION if upper else LOWER_VERMILION) * np.sqrt(1 - min(across / 1.2, 1) ** 2)
            point = point_at(profile, parting_length(profile, 1 if upper else -1) + part * height)
            point[0] += max(across * corner[0] - x, 0)
            anchors[index] = point
    return anchors


def _lid_anchors(vertices, topology: Topology, canonical) -> dict[int, np.ndarray]:
    """The points of the left eye's rim by their place between its corners."""
    inner, outer = (_rim_end(vertices, topology, cavity=2, side=side) for side in (-1, 1))
    left, right = canonical[list(LID_CORNERS), 0]
    beyond = np.stack([inner + INNER_CORNER, outer + OUTER_CORNER])
    corners = closest(beyond, vertices, topology.triangles, outer_skin(topology))[0]
    anchors: dict[int, np.ndarray] = dict(zip(LID_CORNERS, corners, strict=True))
    for upper, indices in ((True, UPPER_LID), (False, LOWER_LID)):
        for index in indices:
            across = (canonical[index, 0] - left) / (right - left)
            x = inner[0] + across * (outer[0] - inner[0])
            try:
                profile = profiles(vertices, topology, 2, x)[0 if upper else 1]
            except ValueError:
                continue
            anchors[index] = point_at(profile, parting_length(profile, 1 if upper else -1))
    return anchors


def _brow_anchors(canonical, anchors, vertices, topology: Topology) -> dict[int, np.ndarray]:
    """The left brow, which no form of the mesh shows: as far from the eye's opening as on the canonical
    face."""
    lids = [index for index in UPPER_LID + LOWER_LID if index in anchors]
    ours = np.array([anchors[index] for index in lids]).mean(0)
    skin = np.ascontiguousarray(topology.triangles[outer_skin(topology)])
    placed = {}
    for index in BROW:
        x, y = ours[:2] + canonical[index, :2] - canonical[lids, :2].mean(0)
        hits = igl.ray_mesh_intersect(np.array([x, y, 1.0]), np.array([0.0, 0.0, -1.0]), vertices, skin)
        placed[index] = np.array([x, y, 1.0 - hits[0][1]])
    return placed


def _rim_end(vertices, topology: Topology, cavity: int, side: int) -> np.ndarray:
    """The corner of mouth or eye: the rim's vertex farthest to the subject's left (side 1) or right (-1)."""
    rim = np.intersect1d(
        topology.triangles[topology.cavity == cavity], topology.triangles[outer_skin(topology)]
    )
    return vertices[rim[np.argmax(side * vertices[rim, 0])]]


def _midline_anchors(canonical, vertices, topology: Topology, eye_height) -> dict[int, np.ndarray]:
    """Points of the midline at the same part of the way between features that both profiles share."""
    ours = vertices[midline_profile(vertices, topology)]
    theirs = canonical[list(MIDLINE)][::-1]
    theirs_eye_height = canonical[list(UPPER_LID + LOWER_LID), 1].mean()
    ours_at, theirs_at = _profile_features(ours, eye_height), _profile_features(theirs, theirs_eye_height)
    along_ours, along_theirs = arc_lengths(ours), arc_lengths(theirs)
    lengths = np.interp(along_theirs, along_theirs[theirs_at], along_ours[ours_at])
    inside = (along_theirs >= along_theirs[theirs_at[0]]) & (along_theirs <= along_theirs[theirs_at[-1]])
    lips = {0, 17}
    return {
        index: point_at(ours, length)
        for index, length, known in zip(MIDLINE[::-1], lengths, inside, strict=True)
        if known and index not in lips
    }


def _profile_features(line: Float[np.ndarray, "point 3"], eye_height: float) -> list[int]:
    """Indices on a midline profile, from below: chin, groove under the lip, base and tip of the nose, eyes,
    brow."""
    y, z = line[:, 1], line[:, 2]
    tip = int(z.argmax())

    def between(low: float, high: float, sign: int) -> int:
        inside = np.flatnonzero((y > y[tip] + low) & (y < y[tip] + high))
        return int(inside[(sign * z[inside]).argmin()])

    base = between(-0.022, -0.009, 1)
    groove = between(-0.066, -0.045, 1)
    chin = int(np.argmin(np.where(z > z[groove] - 0.012, y, np.inf)))
    eyes, brow = (int(np.abs(y - eye_height - rise).argmin()) for rise in (0.006, BROW_RISE))
    return [chin, groove, base, tip, eyes, brow]
