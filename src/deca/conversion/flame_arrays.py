"""FLAME's published arrays, its landmarks and its masks, under our names and in our axis order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from deca.conversion.named_arrays import NamedArrays

SHAPE_COMPONENTS = 300
EXPRESSION_COMPONENTS = 100
JOINT_PARENTS = (-1, 0, 1, 1, 1)  # root, neck, jaw, left eye, right eye
POSE_COMPONENTS = 9 * (len(JOINT_PARENTS) - 1)
_NO_PARENT = 2**32 - 1  # -1 in the file's unsigned numbers


def flame_arrays(file: NamedArrays) -> dict[str, np.ndarray]:
    """The head model (Li et al. 2017): metres, y up, the face along +z.

    Bases have their component first: shape_basis (300, V, 3), expression_basis (100, V, 3) and pose_basis
    (36, V, 3); joint_regressor (5, V), skinning_weights (V, 5), joint_parents (5,) with -1 first. AssetError
    for another body model, wrong shapes, indices out of range, weights that do not sum to one.
    """
    template = file.numbers("v_template", None, 3)
    vertex_count = len(template)
    components = SHAPE_COMPONENTS + EXPRESSION_COMPONENTS
    parents = _joint_parents(file)
    directions = file.numbers("shapedirs", vertex_count, 3, components).transpose(2, 0, 1)
    correctives = file.numbers("posedirs", vertex_count, 3, POSE_COMPONENTS).transpose(2, 0, 1)
    return {
        "template_vertices": template,
        "triangles": file.indices("f", None, 3, count=vertex_count),
        "shape_basis": directions[:SHAPE_COMPONENTS].copy(),
        "expression_basis": directions[SHAPE_COMPONENTS:].copy(),
        "pose_basis": correctives.copy(),
        "joint_regressor": file.numbers("J_regressor", len(parents), vertex_count),
        "skinning_weights": file.shares("weights", vertex_count, len(parents)),
        "joint_parents": parents,
    }


def landmark_arrays(file: NamedArrays) -> dict[str, np.ndarray]:
    """The 51 fixed inner landmarks, the contour's 79 rows of 17, and the full 68, as triangles and
    barycentrics."""
    return {
        "landmark_triangles": file.indices("static_lmk_faces_idx", 51),
        "landmark_barycentrics": file.shares("static_lmk_bary_coords", 51, 3),
        "contour_triangles": file.indices("dynamic_lmk_faces_idx", 79, 17),
        "contour_barycentrics": file.shares("dynamic_lmk_bary_coords", 79, 17, 3),
        "full_landmark_triangles": file.indices("full_lmk_faces_idx", 1, 68)[0],
        "full_landmark_barycentrics": file.shares("full_lmk_bary_coords", 1, 68, 3)[0],
    }


def mask_arrays(file: NamedArrays) -> dict[str, np.ndarray]:
    """The vertex ids of each region under its name."""
    return {name: file.indices(name, None) for name in file.arrays}


def dense_template_arrays(file: NamedArrays) -> dict[str, np.ndarray]:
    """The dense mesh of one vertex a texel: size (), texel (N,) = row * size + column, the head's triangle
    corners (N, 3) with barycentrics (N, 3) at each, and triangles (M, 3) of these N."""
    size = file.indices("img_size", count=2**15)
    corners = file.indices("valid_pixel_3d_faces", None, 3)
    count = len(corners)
    return {
        "size": size,
        "triangles": file.indices("f", None, 3, count=count),
        "texel": file.indices("valid_pixel_ids", count, count=int(size) ** 2),
        "corners": corners,
        "barycentrics": file.shares("valid_pixel_b_coords", count, 3),
    }


def template_arrays(
    triangles: Int[np.ndarray, "triangle 3"],
    texture_vertices: Float[np.ndarray, "texture_vertex 2"],
    texture_triangles: Int[np.ndarray, "triangle 3"],
) -> dict[str, np.ndarray]:
    """The topology and UV layout of FLAME's mesh; its vertices, off the model's origin, are left out."""
    return {
        "triangles": triangles,
        "texture_vertices": texture_vertices.astype(np.float32),
        "texture_triangles": texture_triangles,
    }


def _joint_parents(file: NamedArrays) -> np.ndarray:
    table = file.arrays.get("kintree_table")
    if table is not None and table.ndim == 2 and table.shape[1] != len(JOINT_PARENTS):
        raise file.error(f"a body model of {table.shape[1]} joints; FLAME has 5, give its generic_model.pkl")
    if table is None or table.shape != (2, len(JOINT_PARENTS)) or table.dtype.kind not in "iu":
        raise file.error("has no kintree_table of 2 x 5 joints; get the file again")
    parents = table[0].astype(np.int64)
    parents[0] = -1 if parents[0] == _NO_PARENT else parents[0]
    if tuple(parents.tolist()) != JOINT_PARENTS or table[1].tolist() != list(range(len(JOINT_PARENTS))):
        raise file.error(f"its joints hang on {parents.tolist()}; FLAME's on {list(JOINT_PARENTS)}")
    return parents
