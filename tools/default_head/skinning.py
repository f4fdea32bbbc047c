"""Joints, skinning weights and the jaw: one rotation for the joint and for the action jawOpen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from default_head.expression import ACTIONS, gaze_rotations
from default_head.makehuman import MakeHuman
from default_head.mesh import Topology
from jaxtyping import Float
from scipy.optimize import nnls

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)
# What each bone of the MakeHuman neck takes of a turn of the head; all bones beyond it take the whole.
NECK_BONES = {"neck01": 0.15, "neck02": 0.5, "neck03": 0.85}
# Skin this far from the jaw's axis moves too little to tell its weight, metres.
JAW_REACH = 0.006
SMOOTHING_STEPS = 3


@dataclass(frozen=True)
class Rig:
    """The arrays of a HeadData that move the head, with the actions as they must stand in its expression
    basis."""

    joint_regressor: Float[np.ndarray, "joint vertex"]
    skinning_weights: Float[np.ndarray, "vertex joint"]
    pose_basis: Float[np.ndarray, "pose vertex 3"]
    expression_basis: Float[np.ndarray, "expression vertex 3"]
    expression_joint_rotations: Float[np.ndarray, "expression joint 3"]


def build_rig(
    data: MakeHuman,
    topology: Topology,
    vertices: Float[np.ndarray, "vertex 3"],
    actions: Float[np.ndarray, "52 vertex 3"],
) -> Rig:
    """Joints, weights and correctives for the mean head and its facial actions.

    jawOpen becomes a turn of the jaw joint about x by the angle that carries the lower teeth; what skinning
    alone leaves of it is a pose corrective on the two entries of R - I that hold the sine, so the joint at
    that angle gives the action's mesh exactly. mouthClose stands in the coordinates of the turned jaw, since
    it is used on top of it.
    """
    opened = actions[ACTIONS.index("jawOpen")]
    angle, axis_point = _jaw_axis(vertices[topology.vertex_part == 4], opened[topology.vertex_part == 4])
    regressor = _joint_regressor(data, topology, vertices, axis_point)
    jaw = regressor[JOINTS.index("jaw")] @ vertices
    weights = _skinning_weights(data, topology, vertices, opened, angle, jaw)
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    share = weights[:, JOINTS.index("jaw"), None, None]
    blended = np.eye(3) + share * (turn - np.eye(3))
    shift = share[..., 0] * (jaw - turn @ jaw)
    unposed = np.linalg.solve(blended, (vertices + opened - shift)[..., None])[..., 0]
    pose_basis = np.zeros((9 * (len(JOINTS) - 1), len(vertices), 3))
    first = 9 * (JOINTS.index("jaw") - 1)
    pose_basis[first + 5] = -(unposed - vertices) / (2 * sine)
    pose_basis[first + 7] = (unposed - vertices) / (2 * sine)
    basis = actions.copy()
    basis[ACTIONS.index("jawOpen")] = 0
    close = ACTIONS.index("mouthClose")
    basis[close] = np.linalg.solve(blended, actions[close][..., None])[..., 0]
    rotations = np.zeros((len(ACTIONS), len(JOINTS), 3))
    rotations[ACTIONS.index("jawOpen"), JOINTS.index("jaw"), 0] = angle
    rotations[:, 3:] = gaze_rotations()
    return Rig(regressor, weights, pose_basis, basis, rotations)


def _jaw_axis(teeth: Float[np.ndarray, "tooth 3"], moved: Float[np.ndarray, "tooth 3"]):
    """The angle (radians, about x) and the fixed point of the turn that carries the lower teeth
    (Procrustes)."""
    before, after = teeth[:, 1:], (teeth + moved)[:, 1:]
    a, b = before - before.mean(0), after - after.mean(0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.linalg.solve(np.eye(2) - turn, after.mean(0) - turn @ before.mean(0))
    return angle, np.array([0, *centre])


def _joint_regressor(
    data: MakeHuman, topology: Topology, vertices, jaw_axis
) -> Float[np.ndarray, "joint vertex"]:
    """Weights of vertices whose mean is each joint; an eyeball's two poles give its centre for every
    shape."""
    base = topology.place(data.vertices)
    homogeneous = np.concatenate([base, np.ones((len(base), 1))], 1)
    to_head = np.linalg.lstsq(homogeneous, vertices, rcond=None)[0]
    low, high = (
        [*data.vertices[data.joint_vertices[name]].mean(0), 1] @ to_head
        for name in ("joint-neck", "joint-head")
    )
    targets = np.stack([low, (low + high) / 2, jaw_axis])
    regressor = np.zeros((len(JOINTS), len(vertices)))
    skin = topology.vertex_part == 0
    for joint, target in enumerate(targets):
        if JOINTS[joint] == "jaw":
            near = np.linalg.norm(np.abs(vertices) - [0.066, *target[1:]], axis=1) < 0.025
        else:
            near = np.abs(vertices[:, 1] - target[1] + 0.4 * (vertices[:, 2] - target[2])) < 0.02
        regressor[joint] = _mean_weights(vertices, np.flatnonzero(skin & near), target, topology)
    for joint, side in ((3, 1), (4, 2)):
        ball = np.flatnonzero(topology.vertex_part == side)
        regressor[joint, ball[[0, -1]]] = 0.5
    return regressor


def _mean_weights(vertices, chosen, target, topology: Topology) -> Float[np.ndarray, " vertex"]:
    """Even, non-negative, mirror-symmetric weights on the chosen vertices whose weighted mean is the
    target."""
    exact = 1e3
    equations = np.vstack(
        [exact * np.ones(len(chosen)), exact * vertices[chosen].T / 0.1, np.eye(len(chosen))]
    )
    wanted = np.concatenate([[exact], exact * target / 0.1, np.full(len(chosen), 1 / len(chosen))])
    weights = np.zeros(len(vertices))
    weights[chosen] = nnls(equations, wanted)[0]
    weights = (weights + weights[topology.vertex_mirror]) / 2
    return weights / weights.sum()


def _skinning_weights(
    data, topology: Topology, vertices, opened, angle, jaw
) -> Float[np.ndarray, "vertex joint"]:
    """Neck weights from the MakeHuman rig, jaw weights from how far jawOpen carries each vertex around the
    jaw."""
    bones = np.stack(list(data.bone_weights.values()))
    taken = np.array([_neck_share(bone, data) for bone in data.bone_weights])
    with_head = (taken @ bones) / np.maximum(bones.sum(0), 1e-9)
    neck = np.where(topology.base_vertex_index >= 0, with_head[topology.base_vertex_index], 1.0)
    offset = vertices - jaw
    sine, cosine = np.sin(angle), np.cos(angle)
    arc = (
        np.stack([0 * offset[:, 0], *(offset[:, 1:] @ np.array([[cosine, sine], [-sine, cosine]])).T], 1)
        - offset
    )
    arc[:, 0] = 0
    reach = 2 * np.sin(angle / 2) * JAW_REACH
    with_jaw = ((opened * arc).sum(1) / (np.square(arc).sum(1) + reach**2)).clip(0, 1)
    skin = topology.vertex_part == 0
    smooth = _smoothing(topology)
    for _ in range(SMOOTHING_STEPS):
        neck, with_jaw = smooth(neck), smooth(with_jaw)
    neck = np.where(skin, neck, 1.0)
    with_jaw = np.where(skin, with_jaw, np.isin(topology.vertex_part, (4, 5)))
    eyes = [(topology.vertex_part == side).astype(float) for side in (1, 2)]
    weights = np.stack([1 - neck, neck * (1 - with_jaw), neck * with_jaw, 0 * neck, 0 * neck], 1)
    for joint, eye in zip((3, 4), eyes, strict=True):
        weights[eye > 0] = np.eye(len(JOINTS))[joint]
    return weights


def _neck_share(bone: str, data: MakeHuman) -> float:
    """How much of a turn of the head a bone takes."""
    if bone in NECK_BONES:
        return NECK_BONES[bone]
    while bone and bone != "head":
        bone = data.bone_parents[bone]
    return 1.0 if bone == "head" else 0.0


def _smoothing(topology: Topology):
    """A function that moves each vertex's value half-way to the mean of its neighbours."""
    edges = np.concatenate(
        [topology.triangles[:, [0, 1]], topology.triangles[:, [1, 2]], topology.triangles[:, [2, 0]]]
    )
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    degree = np.bincount(edges[:, 0])

    def smooth(values: np.ndarray) -> np.ndarray:
        return values / 2 + np.bincount(edges[:, 0], values[edges[:, 1]]) / degree / 2

    return smooth
