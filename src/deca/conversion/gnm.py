"""Google's GNM Head as a head of this system: its joints under a root of ours, exactly where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deca.conversion.asset import AssetError
from deca.conversion.inner_colours import with_inner_colours
from deca.conversion.named_arrays import NamedArrays
from deca.conversion.rigging import nearest_solution
from deca.conversion.surface_points import triangle_parts
from deca.conversion.target import TargetSurface
from deca.conversion.transfer import transfer_features
from deca.conversion.uv_tiles import one_map
from deca.head.data import HeadData

LICENCE = "Apache-2.0 (Google GNM Head); albedo and landmarks CC0"

# How far regressed joints may be from the published ones, metres for one unit of any component.
_EXACT = 1e-6
_ON_EYE = 0.5
_INSIDE_GROUP = 0.5
_SIDES = {"left", "right", "l", "r", "upper", "lower"}
_INNER_PARTS = ("teeth", "gums", "tongue", "mouth_interior", "eye_sockets")


@dataclass(frozen=True)
class Gnm:
    """The arrays of a GNM Head that are used, as published: metres, joints first where there are joints."""

    version: str
    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    triangle_uv: Float[np.ndarray, "triangle 3 2"]
    identity: Float[np.ndarray, "identity vertex 3"]
    expression: Float[np.ndarray, "expression vertex 3"]
    expression_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    joint_parents: Int[np.ndarray, " joint"]
    joints: Float[np.ndarray, "joint 3"]
    joint_identity: Float[np.ndarray, "identity joint 3"]
    skinning_weights: Float[np.ndarray, "joint vertex"]
    pose_correctives: Float[np.ndarray, "pose vertex 3"]
    groups: dict[str, Float[np.ndarray, " vertex"]]


def gnm_arrays(file: NamedArrays) -> Gnm:
    """The arrays under GNM's names, checked against each other; AssetError where they do not fit."""
    vertices = file.numbers("template_vertex_positions", None, 3)
    count = len(vertices)
    triangles = file.indices("triangles", None, 3, count=count)
    joints = file.numbers("template_joint_positions", None, 3)
    identity = file.numbers("vertex_identity_basis", None, count, 3)
    expression = file.numbers("expression_basis", None, count, 3)
    group_names = _texts(file, "vertex_group_names", None)
    groups = file.numbers("vertex_groups", len(group_names), count)
    weights = file.numbers("skinning_weights", len(joints), count)
    NamedArrays(file.where, {"skinning_weights": weights.T}).shares("skinning_weights", count, len(joints))
    correctives = file.numbers("pose_correctives_regressor", 9 * len(joints), 3 * count)
    return Gnm(
        version=" ".join(str(file.arrays[name]) for name in ("version", "variant") if name in file.arrays),
        vertices=vertices,
        triangles=triangles,
        triangle_uv=file.numbers("triangle_uvs", len(triangles), 3, 2),
        identity=identity,
        expression=expression,
        expression_names=_texts(file, "expression_names", len(expression)),
        joint_names=_texts(file, "joint_names", len(joints)),
        joint_parents=_parents(file, len(joints)),
        joints=joints,
        joint_identity=file.numbers("joint_identity_basis", len(identity), len(joints), 3),
        skinning_weights=weights,
        pose_correctives=correctives.reshape(9 * len(joints), count, 3),
        groups=dict(zip(group_names, groups, strict=True)),
    )


def gnm_head(gnm: Gnm, default: HeadData, where: str) -> HeadData:
    """GNM Head with all its components; `where` names its file in errors.

    The pose turns a root of ours, which lies on the neck's joint; everything else is GNM's own: joints,
    weights, and correctives on the turns of all its joints. There is no jaw joint: expressions open the
    mouth. Regions are those of its vertex groups where their names say so, all else is carried over from the
    default head, found by the eyes' joints.
    """
    names, parents = _joint_order(gnm, where)
    texture_vertices, texture_triangles = one_map(gnm.triangle_uv)
    groups = _regions(gnm)
    target = _surface(gnm, names, texture_vertices, texture_triangles, groups)
    features = transfer_features(target, default)
    regions = features.regions | groups
    inner = {name: regions[name] for name in _INNER_PARTS if name in regions}
    inner["mouth"] = inner.pop("mouth_interior", np.zeros(len(gnm.triangles), bool)) | _unknown(target, inner)
    lips = features.full_landmark_triangles[48:]
    lips_z = float(gnm.vertices[gnm.triangles[lips], 2].mean())
    mean, basis = with_inner_colours(features.albedo_mean, features.albedo_basis, target, inner, lips_z)
    regressor = _exact_regressor(gnm, where)
    neck = names.index("neck") - 1
    zeros = np.zeros((len(gnm.vertices), 1), np.float32)
    return HeadData(
        name="gnm",
        version=gnm.version or "unknown",
        source=f"GNM Head; albedo, landmarks and regions without a vertex group from {default.name}",
        licence=LICENCE,
        template_vertices=gnm.vertices,
        triangles=gnm.triangles,
        texture_vertices=texture_vertices,
        texture_triangles=texture_triangles,
        shape_basis=gnm.identity,
        expression_basis=gnm.expression,
        expression_names=gnm.expression_names,
        expression_joint_rotations=np.zeros((len(gnm.expression), len(names), 3), np.float32),
        joint_names=names,
        joint_parents=parents,
        joint_regressor=np.concatenate([regressor[neck : neck + 1], regressor]),
        skinning_weights=np.concatenate([zeros, gnm.skinning_weights.T], 1),
        pose_basis=gnm.pose_correctives,
        **features.landmark_arrays(),
        region_names=tuple(regions),
        region_triangles=np.stack(list(regions.values())),
        vertex_mirror=features.vertex_mirror,
        albedo_mean=mean,
        albedo_basis=basis,
    )


def _joint_order(gnm: Gnm, where: str) -> tuple[tuple[str, ...], Int[np.ndarray, " joint"]]:
    """Our names of root and GNM's joints, and the parents: what hung on nothing hangs on the root."""
    eyes = [joint for joint, name in enumerate(gnm.joint_names) if "eye" in name.lower()]
    necks = [joint for joint, name in enumerate(gnm.joint_names) if "neck" in name.lower()]
    if len(eyes) != 2 or len(necks) != 1:
        found = ", ".join(gnm.joint_names)
        raise AssetError(f"{where}: its joints are {found}; a neck and two eyes are expected")
    left = max(eyes, key=lambda joint: gnm.joints[joint, 0])
    known = {necks[0]: "neck", left: "left_eye", sum(eyes) - left: "right_eye"}
    names = [known.get(joint, name.lower()) for joint, name in enumerate(gnm.joint_names)]
    return ("root", *names), np.concatenate([[-1], gnm.joint_parents + 1])


def _surface(
    gnm: Gnm,
    names: Sequence[str],
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
    groups: dict[str, Bool[np.ndarray, " triangle"]],
) -> TargetSurface:
    """The neutral surface: skin is the largest connected part but for what groups put inside."""
    eyes = [names.index(name) - 1 for name in ("left_eye", "right_eye")]
    balls = [np.all(gnm.skinning_weights[eye][gnm.triangles] > _ON_EYE, axis=1) for eye in eyes]
    skin = (triangle_parts(gnm.triangles, len(gnm.vertices)) == 0) & ~balls[0] & ~balls[1]
    for name in _INNER_PARTS:
        if name in groups:
            skin &= ~groups[name]
    return TargetSurface(
        vertices=gnm.vertices.astype(np.float64),
        triangles=gnm.triangles,
        texture_vertices=texture_vertices,
        texture_triangles=texture_triangles,
        skin=skin,
        left_eyeball=balls[0],
        right_eyeball=balls[1],
        eye_centres=gnm.joints[eyes].astype(np.float64),
        landmarks=None,
    )


def _unknown(
    target: TargetSurface, inner: dict[str, Bool[np.ndarray, " triangle"]]
) -> Bool[np.ndarray, " triangle"]:
    """What is neither skin nor eyeball nor a part with a name: it lies inside the mouth."""
    known = target.skin | target.left_eyeball | target.right_eyeball
    return ~np.any([known, *inner.values()], axis=0)


def _regions(gnm: Gnm) -> dict[str, Bool[np.ndarray, " triangle"]]:
    """Our regions that vertex groups name, in singular or plural and by sides."""
    wanted = ("face", "eyes", "lips", "nose", "forehead", "scalp", "neck", "ears", *_INNER_PARTS)
    regions: dict[str, Bool[np.ndarray, " triangle"]] = {}
    for group, values in gnm.groups.items():
        plain = "_".join(word for word in group.lower().replace(" ", "_").split("_") if word not in _SIDES)
        for name in wanted:
            if plain in (name, name.removesuffix("s")) or (name == "teeth" and plain == "tooth"):
                inside = np.all(values[gnm.triangles] > _INSIDE_GROUP, axis=1)
                regions[name] = regions.get(name, np.zeros(len(inside), bool)) | inside
    return regions


def _exact_regressor(gnm: Gnm, where: str) -> Float[np.ndarray, "joint vertex"]:
    """Weights of vertices that give every joint of every person exactly, whatever the expression.

    Published joints are a template and a basis of their own. The weights closest to the joint's own vertices
    that sum to one and reproduce both, and vanish on expressions, say the same.
    """
    count = len(gnm.vertices)
    fields = np.concatenate([gnm.vertices[None], gnm.identity, gnm.expression]).transpose(0, 2, 1)
    constraints = np.concatenate([np.ones((1, count)), fields.reshape(-1, count)])
    moved = np.concatenate([gnm.joints[None], gnm.joint_identity]).transpose(0, 2, 1)
    still = np.zeros((3 * len(gnm.expression), len(gnm.joints)))
    wanted = np.concatenate([np.ones((1, len(gnm.joints))), moved.reshape(-1, len(gnm.joints)), still])
    own = gnm.skinning_weights / np.maximum(gnm.skinning_weights.sum(1, keepdims=True), 1e-6)
    weights = nearest_solution(constraints, wanted, own.T.astype(np.float64)).astype(np.float32)
    miss = np.abs(constraints @ weights - wanted)[1:].max()
    if miss > _EXACT:
        raise AssetError(
            f"{where}: its joints contradict its vertices by {miss:.2g} m: expressions move what identities "
            "move; get the file again"
        )
    return weights.T


def _texts(file: NamedArrays, name: str, count: int | None) -> tuple[str, ...]:
    texts = file.arrays.get(name)
    if texts is None:
        raise file.error(f"lacks {name}; get the file again")
    if texts.dtype.kind not in "US" or texts.ndim != 1 or count not in (None, len(texts)):
        raise file.error(f"{name} is {texts.dtype} of shape {texts.shape}, expected {count or 'some'} names")
    return tuple(
        text.decode("ascii", "replace") if isinstance(text, bytes) else text for text in texts.tolist()
    )


def _parents(file: NamedArrays, count: int) -> Int[np.ndarray, " joint"]:
    parents = file.arrays.get("joint_parent_indices")
    if parents is None or parents.shape != (count,) or parents.dtype.kind not in "iu":
        raise file.error(f"joint_parent_indices must be {count} whole numbers; get the file again")
    parents = parents.astype(np.int64)
    if any(not -1 <= parent < joint for joint, parent in enumerate(parents.tolist())):
        raise file.error(f"joints hang on {parents.tolist()}; each must hang on an earlier one")
    return parents
