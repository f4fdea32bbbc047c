"""ICT-FaceKit as a head that can be posed: joints, skinning and the jaw's turn from its own shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from deca.conversion.facekit import ACTIONS, LANDMARKS, LOWER_TEETH, PARTS, FaceKit
from deca.conversion.facekit_mesh import KeptMesh, keep_mesh
from deca.conversion.inner_colours import with_inner_colours
from deca.conversion.rigging import (
    JOINTS,
    PARENTS,
    Hinge,
    even_weights,
    fit_hinge,
    smooth_step,
    turn_shares,
)
from deca.conversion.target import TargetSurface
from deca.conversion.transfer import Features, transfer_features
from deca.head.data import HeadData

LICENCE = "MIT, (c) 2020 USC Institute for Creative Technologies; albedo and landmarks CC0"

_CENTIMETRE = 0.01
# iBUG: the middle of the inner rim of each lip, point above point.
_UPPER_LIP, _LOWER_LIP = (61, 62, 63), (67, 66, 65)
_JAW = JOINTS.index("jaw")
# Rings about the neck rise to the back by this much; they and the surroundings of the jaw's ends reach so
# far, and the jaw's ends lie so far to the sides, metres.
_NECK_SLANT, _RING = 0.4, 0.02
_JAW_WIDTH, _AROUND_JAW = 0.066, 0.025


def ict_head(kit: FaceKit, default: HeadData) -> HeadData:
    """The head of ICT-FaceKit with every identity component and its actions under ARKit's names.

    Its origin is moved to the default head's. The jaw's hinge is the turn of the lower teeth under jawOpen;
    the action turns this joint, and pose correctives hold what skinning leaves of it, so that joint and
    action at one give the published shape, and mouthClose on top of it too. Eyeballs turn about their
    centres, with eyeLook shapes as far as the default head's.
    """
    mesh = keep_mesh(kit)
    vertices, target, features = _aligned(kit, mesh, default)
    moves = action_moves(kit, mesh)
    teeth = _kept(mesh, *LOWER_TEETH)
    hinge = fit_hinge(vertices[teeth], vertices[teeth] + moves["jawOpen"][teeth])
    opening = turn_shares(vertices, mesh.triangles, moves["jawOpen"], hinge)
    joints = _joints(default, features, target, hinge)
    weights = _skinning(mesh, vertices, joints, opening)
    pose_basis, basis = correct_jaw(vertices, moves, weights[:, _JAW], hinge)
    mean, albedo = with_inner_colours(
        features.albedo_mean,
        features.albedo_basis,
        target,
        _inner_parts(mesh),
        vertices[np.searchsorted(mesh.vertices, LANDMARKS[48:]), 2].mean(),
    )
    regions = {
        **features.regions,
        "teeth": mesh.parts["teeth"],
        "tongue": mesh.parts["tongue"],
        "mouth_interior": mesh.parts["mouth_socket"]
        | (mesh.parts["gums_and_tongue"] & ~mesh.parts["tongue"]),
        "eye_sockets": mesh.parts["left_eye_socket"] | mesh.parts["right_eye_socket"],
    }
    return HeadData(
        name="ict",
        version="1",
        source=f"ICT-FaceKit; joints and skinning from its shapes, albedo and landmarks from {default.name}",
        licence=LICENCE,
        template_vertices=vertices.astype(np.float32),
        triangles=mesh.triangles,
        texture_vertices=mesh.texture_vertices,
        texture_triangles=mesh.texture_triangles,
        shape_basis=(kit.identities[:, mesh.vertices] * np.float32(_CENTIMETRE)).astype(np.float32),
        expression_basis=basis.astype(np.float32),
        expression_names=tuple(ACTIONS),
        expression_joint_rotations=_turns(default, hinge),
        joint_names=JOINTS,
        joint_parents=np.array(PARENTS),
        joint_regressor=_regressor(mesh, vertices, joints).astype(np.float32),
        skinning_weights=weights.astype(np.float32),
        pose_basis=pose_basis.astype(np.float32),
        **features.landmark_arrays(),
        region_names=tuple(regions),
        region_triangles=np.stack(list(regions.values())),
        vertex_mirror=features.vertex_mirror,
        albedo_mean=mean,
        albedo_basis=albedo,
    )


def action_moves(kit: FaceKit, mesh: KeptMesh) -> dict[str, Float[np.ndarray, "vertex 3"]]:
    """How each of ACTIONS moves the kept vertices, metres."""
    return {
        name: _CENTIMETRE * np.sum([kit.shapes[shape][mesh.vertices] for shape in shapes], axis=0)
        for name, shapes in ACTIONS.items()
    }


def closed_surface(kit: FaceKit, mesh: KeptMesh) -> TargetSurface:
    """The neutral face with its lips closed, in metres about its own origin.

    The published lips stand apart by nearly a millimetre. Landmarks are carried over from closed lips to
    closed lips, or every mouth would be fitted as much too open.
    """
    neutral = _neutral(kit, mesh)
    landmarks = np.searchsorted(mesh.vertices, LANDMARKS)
    close = kit.shapes["mouthClose"][mesh.vertices].astype(np.float64) * _CENTIMETRE
    upper, lower = (landmarks[list(lip)] for lip in (_UPPER_LIP, _LOWER_LIP))
    gap, closing = neutral[upper] - neutral[lower], close[lower] - close[upper]
    closed = neutral + close * (gap[:, 1].mean() / closing[:, 1].mean())
    balls = [closed[_kept(mesh, *PARTS[name])] for name in ("left_eyeball", "right_eyeball")]
    return TargetSurface(
        vertices=closed,
        triangles=mesh.triangles,
        texture_vertices=mesh.texture_vertices,
        texture_triangles=mesh.texture_triangles,
        skin=mesh.skin,
        left_eyeball=mesh.parts["left_eyeball"],
        right_eyeball=mesh.parts["right_eyeball"],
        eye_centres=np.stack([(ball.min(0) + ball.max(0)) / 2 for ball in balls]),
        landmarks=closed[landmarks],
    )


def correct_jaw(
    vertices: Float[np.ndarray, "vertex 3"],
    moves: dict[str, Float[np.ndarray, "vertex 3"]],
    share: Float[np.ndarray, " vertex"],
    hinge: Hinge,
) -> tuple[Float[np.ndarray, "36 vertex 3"], Float[np.ndarray, "action vertex 3"]]:
    """Pose correctives and expression basis by which joint and action open the jaw as jawOpen does.

    The correctives stand on the two entries of R - I that hold the sine of the jaw's angle, so they are
    whole at the action's own angle. mouthClose stands in the coordinates of the turned jaw, on top of which
    it is used; the jaw turns about x.
    """
    blended = np.eye(3) + share[:, None, None] * (hinge.matrix - np.eye(3))
    turned = share[:, None] * (hinge.carry(vertices) - vertices)
    left_over = np.linalg.solve(blended, (moves["jawOpen"] - turned)[..., None])[..., 0]
    sine = np.sin(hinge.turn[0])
    pose_basis = np.zeros((9 * (len(JOINTS) - 1), len(vertices), 3))
    first = 9 * (_JAW - 1)
    pose_basis[first + 5], pose_basis[first + 7] = -left_over / (2 * sine), left_over / (2 * sine)
    basis = np.stack(list(moves.values()))
    names = list(moves)
    basis[names.index("jawOpen")] = 0
    close = np.linalg.solve(blended, moves["mouthClose"][..., None])[..., 0]
    basis[names.index("mouthClose")] = close
    return pose_basis, basis


def _aligned(kit: FaceKit, mesh: KeptMesh, default: HeadData) -> tuple[np.ndarray, TargetSurface, Features]:
    """The neutral vertices in metres about the default head's origin; the same as a surface with its lips
    closed, and what is carried over to it."""
    surface = closed_surface(kit, mesh)
    features = transfer_features(surface, default)
    origin = features.registration.translation * [0, 1, 1]
    assert surface.landmarks is not None
    moved = replace(
        surface,
        vertices=surface.vertices - origin,
        eye_centres=surface.eye_centres - origin,
        landmarks=surface.landmarks - origin,
    )
    return _neutral(kit, mesh) - origin, moved, features.moved(-origin)


def _neutral(kit: FaceKit, mesh: KeptMesh) -> Float[np.ndarray, "vertex 3"]:
    return kit.neutral[mesh.vertices].astype(np.float64) * _CENTIMETRE


def _joints(
    default: HeadData, features: Features, target: TargetSurface, hinge: Hinge
) -> Float[np.ndarray, "5 3"]:
    """Root and neck where the default head's come to lie, the jaw at its hinge, eyes at their centres."""
    carried = default.joint_regressor @ features.registration.vertices
    root, neck = (carried[default.joint_names.index(name)] * [0, 1, 1] for name in ("root", "neck"))
    return np.stack([root, neck, hinge.point, *target.eye_centres])


def _skinning(
    mesh: KeptMesh,
    vertices: Float[np.ndarray, "vertex 3"],
    joints: Float[np.ndarray, "5 3"],
    opening: Float[np.ndarray, " vertex"],
) -> Float[np.ndarray, "vertex 5"]:
    """Eyeballs go with their joints, the rest with the jaw as far as it follows, else by height."""
    weights = np.zeros((len(vertices), len(JOINTS)))
    neck = smooth_step(vertices[:, 1], joints[0, 1], joints[1, 1])
    weights[:, _JAW] = opening
    weights[:, 0], weights[:, 1] = (1 - opening) * (1 - neck), (1 - opening) * neck
    for joint in ("left_eye", "right_eye"):
        ball = _kept(mesh, *PARTS[f"{joint}ball"])
        weights[ball] = np.eye(len(JOINTS))[JOINTS.index(joint)]
    return weights


def _regressor(
    mesh: KeptMesh, vertices: Float[np.ndarray, "vertex 3"], joints: Float[np.ndarray, "5 3"]
) -> Float[np.ndarray, "5 vertex"]:
    """Joints as means of what surrounds them: eyes of their balls, the jaw of the skin before both ears, root
    and neck of a ring of the neck's skin."""
    skin = np.unique(mesh.triangles[mesh.skin])
    offsets = vertices[skin][None] - joints[:3, None]
    slanted = np.abs(offsets[:2, :, 1] + _NECK_SLANT * offsets[:2, :, 2]) < _RING
    before_ears = np.linalg.norm(np.abs(vertices[skin]) - [_JAW_WIDTH, *joints[2, 1:]], axis=1) < _AROUND_JAW
    chosen = [skin[slanted[0]], skin[slanted[1]], skin[before_ears]]
    chosen += [_kept(mesh, *PARTS[name]) for name in ("left_eyeball", "right_eyeball")]
    return np.stack([even_weights(*pair, vertices) for pair in zip(chosen, joints, strict=True)])


def _turns(default: HeadData, hinge: Hinge) -> Float[np.ndarray, "action 5 3"]:
    """How far each action turns each joint: jawOpen the jaw, eyeLook shapes the eyes as by default."""
    turns = np.zeros((len(ACTIONS), len(JOINTS), 3), np.float32)
    for row, action in enumerate(ACTIONS):
        if action in default.expression_names:
            known = default.expression_joint_rotations[default.expression_names.index(action)]
            for joint in ("left_eye", "right_eye"):
                turns[row, JOINTS.index(joint)] = known[default.joint_names.index(joint)]
    turns[list(ACTIONS).index("jawOpen"), _JAW] = hinge.turn
    return turns


def _inner_parts(mesh: KeptMesh) -> dict[str, Bool[np.ndarray, " triangle"]]:
    return {
        "teeth": mesh.parts["teeth"],
        "gums": mesh.parts["gums_and_tongue"] & ~mesh.parts["tongue"],
        "tongue": mesh.parts["tongue"],
        "mouth": mesh.parts["mouth_socket"],
        "eye_sockets": mesh.parts["left_eye_socket"] | mesh.parts["right_eye_socket"],
    }


def _kept(mesh: KeptMesh, first: int, end: int) -> Int[np.ndarray, " vertex"]:
    """The kept vertices that are first..end of ICT-FaceKit's."""
    return np.flatnonzero((mesh.vertices >= first) & (mesh.vertices < end))
