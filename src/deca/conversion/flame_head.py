"""A head made of FLAME's files: model, landmarks, UV layout, and masks and albedo where they are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from deca.conversion.asset import KINDS, AssetError
from deca.conversion.target import TargetSurface
from deca.conversion.transfer import transfer_features
from deca.head.data import HeadData, HeadError

NEEDED = ("flame", "flame-landmarks", "flame-template")
OPTIONAL = ("flame-masks", "albedo-bfm", "albedo-flame")
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")

_LANDMARKS = ("landmark_triangles", "contour_triangles", "full_landmark_triangles")
# Our regions, and FLAME's masks that make them up.
_MASKS = {
    "face": ("face",),
    "eyes": ("eye_region",),
    "lips": ("lips",),
    "nose": ("nose",),
    "forehead": ("forehead",),
    "scalp": ("scalp",),
    "neck": ("neck",),
    "ears": ("left_ear", "right_ear"),
    "eyeballs": ("left_eyeball", "right_eyeball"),
}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FlameParts:
    """FLAME's files by kind, as arrays under our names: all of `NEEDED`, any of `OPTIONAL`."""

    version: str
    arrays: Mapping[str, Arrays]


def flame_head(name: str, parts: FlameParts, default: HeadData) -> HeadData:
    """Put FLAME's files together to one head with all its components (FLAME: Li et al. 2017).

    What they lack comes from the default head, brought into FLAME's shape: the 468 dense landmarks, the
    mirror images of vertices, and regions and albedo where there are no masks and no albedo. AssetError where
    the files do not belong together.
    """
    flame, landmarks, template = (parts.arrays[kind] for kind in NEEDED)
    _check_together(parts.arrays)
    features = transfer_features(_surface(flame, landmarks, template), default)
    masks = parts.arrays.get("flame-masks", {})
    regions = features.regions | _regions(masks, flame["triangles"], len(flame["template_vertices"]))
    albedo = parts.arrays.get("albedo-bfm", parts.arrays.get("albedo-flame"))
    expression_count = len(flame["expression_basis"])
    made_of = f"FLAME {parts.version} ({', '.join(parts.arrays)})"
    return HeadData(
        name=name,
        version=parts.version,
        source=f"{made_of}; what these lack is from {default.name} {default.version}",
        licence="; ".join(dict.fromkeys(KINDS[kind].licence for kind in parts.arrays)),
        template_vertices=flame["template_vertices"],
        triangles=flame["triangles"],
        texture_vertices=template["texture_vertices"],
        texture_triangles=template["texture_triangles"],
        shape_basis=flame["shape_basis"],
        expression_basis=flame["expression_basis"],
        expression_names=tuple(f"expression_{number:03}" for number in range(expression_count)),
        expression_joint_rotations=np.zeros((expression_count, len(JOINTS), 3), np.float32),
        joint_names=JOINTS,
        joint_parents=flame["joint_parents"],
        joint_regressor=flame["joint_regressor"],
        skinning_weights=flame["skinning_weights"],
        pose_basis=flame["pose_basis"],
        landmark_triangles=landmarks["landmark_triangles"],
        landmark_barycentrics=landmarks["landmark_barycentrics"],
        contour_triangles=landmarks["contour_triangles"],
        contour_barycentrics=landmarks["contour_barycentrics"],
        full_landmark_triangles=landmarks["full_landmark_triangles"],
        full_landmark_barycentrics=landmarks["full_landmark_barycentrics"],
        dense_landmark_triangles=features.dense_landmark_triangles,
        dense_landmark_barycentrics=features.dense_landmark_barycentrics,
        region_names=tuple(regions),
        region_triangles=np.stack(list(regions.values())),
        vertex_mirror=features.vertex_mirror,
        albedo_mean=features.albedo_mean if albedo is None else albedo["mean"],
        albedo_basis=features.albedo_basis if albedo is None else albedo["basis"],
    )


def with_counts(data: HeadData, shape: int, expression: int) -> HeadData:
    """The head with its first components of shape and expression alone, as DECA has it: 100 and 50.

    HeadError where the head has fewer.
    """
    for what, wanted, found in (
        ("shape", shape, len(data.shape_basis)),
        ("expression", expression, len(data.expression_basis)),
    ):
        if found < wanted:
            found_in = f"head {data.name!r} has {found} components of {what}"
            raise HeadError(f"{found_in}, {wanted} are wanted; take a head with more")
    return replace(
        data,
        shape_basis=data.shape_basis[:shape],
        expression_basis=data.expression_basis[:expression],
        expression_names=data.expression_names[:expression],
        expression_joint_rotations=data.expression_joint_rotations[:expression],
    )


def _check_together(arrays: Mapping[str, Arrays]) -> None:
    """AssetError where files are of different FLAME versions or topologies."""
    flame, landmarks, template = (arrays[kind] for kind in NEEDED)
    triangles, vertex_count = flame["triangles"], len(flame["template_vertices"])
    if len(template["triangles"]) != len(triangles):
        found = f"it has {len(template['triangles'])} triangles, the model {len(triangles)}"
        raise _mismatch("flame-template", found)
    if not np.array_equal(template["triangles"], triangles):
        raise _mismatch("flame-template", "its triangles join other vertices than the model's")
    for name in _LANDMARKS:
        if (largest := int(landmarks[name].max())) >= len(triangles):
            raise _mismatch("flame-landmarks", f"{name} names triangle {largest} of {len(triangles)}")
    for region, vertices in arrays.get("flame-masks", {}).items():
        if vertices.size and (largest := int(vertices.max())) >= vertex_count:
            raise _mismatch("flame-masks", f"{region} names vertex {largest} of {vertex_count}")


def _mismatch(kind: str, found: str) -> AssetError:
    other = f"{kind} is for another FLAME version or topology than the model"
    return AssetError(f"{other}: {found}; add the {KINDS[kind].file} that belongs to it")


def _surface(flame: Arrays, landmarks: Arrays, template: Arrays) -> TargetSurface:
    vertices, triangles = flame["template_vertices"], flame["triangles"]
    eyes = [JOINTS.index("left_eye"), JOINTS.index("right_eye")]
    with_eyes = np.all((flame["skinning_weights"][:, eyes] > 0.5)[triangles], axis=1)
    corners = vertices[triangles[landmarks["full_landmark_triangles"]]]
    joints = flame["joint_regressor"] @ vertices
    return TargetSurface(
        vertices=vertices,
        triangles=triangles,
        texture_vertices=template["texture_vertices"],
        texture_triangles=template["texture_triangles"],
        skin=~np.any(with_eyes, axis=1),
        left_eyeball=with_eyes[:, 0],
        right_eyeball=with_eyes[:, 1],
        eye_centres=joints[eyes],
        landmarks=(corners * landmarks["full_landmark_barycentrics"][..., None]).sum(1),
    )


def _regions(
    masks: Arrays, triangles: np.ndarray, vertex_count: int
) -> dict[str, Bool[np.ndarray, " triangle"]]:
    """Our regions, as far as there are masks for them: the triangles that lie in a mask with all corners."""
    regions = {}
    for region, names in _MASKS.items():
        if all(name in masks for name in names):
            inside = np.zeros(vertex_count, bool)
            for name in names:
                inside[masks[name]] = True
            regions[region] = inside[triangles].all(1)
    return regions
