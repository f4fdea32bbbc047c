"""A head in GNM's schema, made of the default head: its mesh, joints and some of its components."""

from __future__ import annotations

import numpy as np

from deca.head.data import HeadData

JOINTS = ("neck", "head", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1)


def gnm_arrays(default: HeadData, identities: int = 20, expressions: int = 10) -> dict[str, np.ndarray]:
    """The npz's arrays; beyond the default head's components there are smooth random ones.

    What skins to root, neck and jaw of the default head is split between neck and head by height; the last
    two texture tiles of three show what tiled layouts do.
    """
    random = np.random.default_rng(7)
    vertices, triangles = default.template_vertices, default.triangles
    own = default.joint_regressor[[1, 1, 3, 4]].copy()
    joints = own @ vertices + np.array([[0, 0, 0], [0, 0.06, 0.01], [0, 0, 0], [0, 0, 0]], np.float32)
    identity = _components(default.shape_basis, identities, vertices, random)
    expression = _components(default.expression_basis, expressions, vertices, random)
    high = ((vertices[:, 1] - joints[0, 1]) / 0.06).clip(0, 1)
    weights = np.stack([1 - high, high, *default.skinning_weights[:, 3:].T])
    weights[:2] *= 1 - weights[2:].sum(0)
    uv = default.texture_vertices[default.texture_triangles].copy()
    uv[default.region("eyeballs")] += [1, 0]
    uv[default.region("teeth")] += [2, 0]
    groups = {name: default.region(name) for name in ("teeth", "tongue")}
    members = np.zeros((3, len(vertices)), np.float32)
    for row, inside in enumerate(groups.values()):
        members[row, np.unique(triangles[inside])] = 1
    members[2, vertices[:, 0] > 0] = 1
    return {
        "version": np.array("3.0"),
        "variant": np.array("head"),
        "template_vertex_positions": vertices,
        "template_joint_positions": joints.astype(np.float32),
        "vertex_identity_basis": identity,
        "joint_identity_basis": np.einsum("jv,ivc->ijc", own, identity),
        "expression_basis": expression,
        "identity_names": np.array([f"identity_{number}" for number in range(identities)]),
        "joint_names": np.array(JOINTS),
        "expression_names": np.array([f"expression_{number}" for number in range(expressions)]),
        "joint_parent_indices": np.array(PARENTS, np.int32),
        "skinning_weights": weights.astype(np.float32),
        "quads": np.zeros((0, 4), np.int32),
        "triangles": triangles.astype(np.int32),
        "quad_uvs": np.zeros((0, 4, 2), np.float32),
        "triangle_uvs": uv.astype(np.float32),
        "mesh_component_names": np.array(["head", "left_eye", "right_eye", "teeth"]),
        "mirror_indices": default.vertex_mirror.astype(np.int32),
        "joint_regressor": own,
        "pose_correctives_regressor": random.normal(0, 1e-4, (9 * len(JOINTS), 3 * len(vertices))).astype(
            np.float32
        ),
        "bone_aligned_template_joint_orientations": np.tile(np.eye(3, dtype=np.float32), (len(JOINTS), 1, 1)),
        "vertex_groups": members,
        "vertex_group_names": np.array([*groups, "left_side"]),
    }


def _components(
    known: np.ndarray, count: int, vertices: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The first components of a basis, and random waves of a millimetre where it has too few."""
    waves = random.normal(0, 400, (max(0, count - len(known)), 3, 3))
    phases = random.uniform(0, 2 * np.pi, (len(waves), 1, 3))
    more = 0.001 * np.sin(np.einsum("vc,wcd->wvd", vertices, waves) + phases)
    return np.concatenate([known[:count], more]).astype(np.float32)
