"""Parts of a head as heads of their own, which move as the whole does: less work, the same face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from deca.head.data import HeadData

_LANDMARKS = (
    "landmark_triangles",
    "contour_triangles",
    "full_landmark_triangles",
    "dense_landmark_triangles",
)
_EYES = ("left_eye", "right_eye")


def face_part(data: HeadData) -> HeadData:
    """The triangles of the region "face" and those under landmarks, with all that moves them.

    The joints, which depend on every vertex of the head, become vertices themselves, the last ones; so the
    part moves exactly as the whole does. Seen from the side it is a sheet with nothing behind it.
    """
    return _part(data, _face(data))


def landmark_part(data: HeadData) -> HeadData:
    """As `face_part`, the triangles under and around dense landmarks, and the eyeballs: a third of a head.

    The normals of the vertices around a dense landmark are those of the whole head.
    """
    around = np.zeros(len(data.template_vertices), bool)
    around[data.triangles[data.dense_landmark_triangles]] = True
    for name in _EYES:
        if name in data.joint_names:
            around |= data.skinning_weights[:, data.joint_names.index(name)] > 0
    return _part(data, _under_landmarks(data) | around[data.triangles].any(1))


def part_vertices(data: HeadData) -> Int[np.ndarray, " vertex"]:
    """The vertices of the head that its face part has, in its order; the part's joints come after them."""
    return np.unique(data.triangles[_face(data)])


def face_vertices(data: HeadData) -> Int[np.ndarray, " vertex"]:
    """The vertices of the region "face"."""
    return np.unique(data.triangles[data.region("face")])


def _face(data: HeadData) -> Bool[np.ndarray, " triangle"]:
    return data.region("face") | _under_landmarks(data)


def _under_landmarks(data: HeadData) -> Bool[np.ndarray, " triangle"]:
    under = np.zeros(len(data.triangles), bool)
    for name in _LANDMARKS:
        under[getattr(data, name).flatten()] = True
    return under


def _part(data: HeadData, kept: Bool[np.ndarray, " triangle"]) -> HeadData:
    vertices = np.unique(data.triangles[kept])
    # Where an old triangle or vertex has gone.
    triangle_place = np.cumsum(kept) - 1
    vertex_place = np.zeros(len(data.template_vertices), np.int64)
    vertex_place[vertices] = np.arange(len(vertices))
    joints = len(data.joint_names)
    # A joint is carried by its parent, as which it does not move when it turns.
    carriers = np.eye(joints, dtype=np.float32)[np.maximum(data.joint_parents, 0)]
    changes = {
        "template_vertices": _with_joints(data, data.template_vertices, vertices),
        "shape_basis": _with_joints(data, data.shape_basis, vertices),
        "expression_basis": _with_joints(data, data.expression_basis, vertices),
        "pose_basis": np.pad(data.pose_basis[:, vertices], ((0, 0), (0, joints), (0, 0))),
        "skinning_weights": np.concatenate([data.skinning_weights[vertices], carriers]),
        "joint_regressor": np.eye(joints, len(vertices) + joints, len(vertices), dtype=np.float32),
        "triangles": vertex_place[data.triangles[kept]],
        "texture_triangles": data.texture_triangles[kept],
        "region_triangles": data.region_triangles[:, kept],
        "vertex_mirror": data.vertex_mirror[:0],
    }
    changes |= {name: triangle_place[getattr(data, name)] for name in _LANDMARKS}
    return replace(data, **changes)


def _with_joints(
    data: HeadData, values: Float[np.ndarray, "*some vertex 3"], vertices: Int[np.ndarray, " kept"]
) -> Float[np.ndarray, "*some part 3"]:
    """Values at some vertices, then at the joints."""
    joints = np.einsum("jv,...vc->...jc", data.joint_regressor, values, optimize=True)
    return np.concatenate([values[..., vertices, :], joints.astype(np.float32)], -2)
