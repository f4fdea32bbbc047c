"""HeadData: the arrays of one head model, of any topology, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int

REGIONS = ("face", "eyes", "lips", "nose", "forehead", "scalp", "neck")


class HeadError(ValueError):
    """A head model is not what the format asks for."""


@dataclass(frozen=True)
class HeadData:
    """One head model as arrays: metres, x to the subject's left, y up, z out of the face.

    Triangles wind counter-clockwise seen from outside. `texture_vertices` are (u, v) in [0, 1], u to the
    right and v up in the map; `texture_triangles` index them corner by corner beside `triangles`.
    `expression_joint_rotations` is the axis-angle by which one unit of an expression turns each joint, so
    that opening the jaw by its joint or by the action jawOpen is one and the same rotation. `pose_basis`
    weighs the entries, row by row, of R - I of every joint but the first (FLAME, section 4). Landmarks are
    (triangle, barycentric): 51 inner iBUG points; 79 rows of 17 contour points by yaw (rows 0..39 for 0..39
    degrees, 40..78 for -1..-39; positive yaw turns the face to the subject's left); the full 68 as fixed
    points; and, where a head has them, the 468 points of the dense landmark network. `region_triangles`
    marks the triangles of each named region. `vertex_mirror` is each vertex's mirror image. The albedo is
    sRGB in [0, 1] in the UV map, row 0 at v = 1: `albedo_mean` + coefficients @ `albedo_basis`, the basis
    at its own resolution.
    """

    name: str
    version: str
    source: str
    licence: str
    template_vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    texture_vertices: Float[np.ndarray, "texture_vertex 2"]
    texture_triangles: Int[np.ndarray, "triangle 3"]
    shape_basis: Float[np.ndarray, "shape vertex 3"]
    expression_basis: Float[np.ndarray, "expression vertex 3"]
    expression_names: tuple[str, ...]
    expression_joint_rotations: Float[np.ndarray, "expression joint 3"]
    joint_names: tuple[str, ...]
    joint_parents: Int[np.ndarray, " joint"]
    joint_regressor: Float[np.ndarray, "joint vertex"]
    skinning_weights: Float[np.ndarray, "vertex joint"]
    pose_basis: Float[np.ndarray, "pose vertex 3"]
    landmark_triangles: Int[np.ndarray, "51"]
    landmark_barycentrics: Float[np.ndarray, "51 3"]
    contour_triangles: Int[np.ndarray, "79 17"]
    contour_barycentrics: Float[np.ndarray, "79 17 3"]
    full_landmark_triangles: Int[np.ndarray, "68"]
    full_landmark_barycentrics: Float[np.ndarray, "68 3"]
    dense_landmark_triangles: Int[np.ndarray, " dense"]
    dense_landmark_barycentrics: Float[np.ndarray, "dense 3"]
    region_names: tuple[str, ...]
    region_triangles: Bool[np.ndarray, "region triangle"]
    vertex_mirror: Int[np.ndarray, " mirror"]
    albedo_mean: Float[np.ndarray, "height width 3"]
    albedo_basis: Float[np.ndarray, "albedo basis_height basis_width 3"]

    def __post_init__(self) -> None:
        _check(self)

    @property
    def has_actions(self) -> bool:
        """Whether the expressions are facial actions, each from 0 to 1 (ARKit's jawOpen is among them).

        Otherwise they are components of a statistical model such as FLAME, signed and of unit variance.
        """
        return "jawOpen" in self.expression_names

    def region(self, name: str) -> Bool[np.ndarray, " triangle"]:
        """The triangles of one region; an unknown name is a HeadError that lists the known ones."""
        if name not in self.region_names:
            raise HeadError(
                f"head {self.name!r} has no region {name!r}; it has {', '.join(self.region_names)}"
            )
        return self.region_triangles[self.region_names.index(name)]


def head_data_from_arrays(arrays: Mapping[str, np.ndarray], where: str) -> HeadData:
    """HeadData from named arrays, strings and name lists as Unicode arrays; `where` names the source in
    errors.

    A missing or unknown key, an object array, a wrong shape or an index out of range is a HeadError.
    """
    known = {field.name for field in fields(HeadData)}
    missing, unknown = sorted(known - set(arrays)), sorted(set(arrays) - known)
    if missing or unknown:
        problem = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise HeadError(f"{where}: this head file {problem}; make it again with the tool that wrote it")
    values = {}
    for field in fields(HeadData):
        array = np.asarray(arrays[field.name])
        if array.dtype == object:
            raise HeadError(f"{where}: {field.name} is an object array; only plain arrays are read")
        if field.type == "str":
            values[field.name] = str(array)
        elif field.type == "tuple[str, ...]":
            values[field.name] = tuple(str(entry) for entry in array)
        elif field.type.startswith("Bool"):
            values[field.name] = _writable(array, np.bool_)
        elif field.type.startswith("Int"):
            if not np.issubdtype(array.dtype, np.integer):
                raise HeadError(f"{where}: {field.name} holds {array.dtype}, not integers")
            values[field.name] = _writable(array, np.int64)
        else:
            values[field.name] = _writable(array, np.float32)
    try:
        return HeadData(**values)
    except HeadError as error:
        raise HeadError(f"{where}: {error}") from None


def _writable(array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """The array in a type, copied only where it must be: PyTorch takes no read-only memory."""
    return np.require(array, dtype, "W")


def _check(data: HeadData) -> None:
    vertex_count = len(data.template_vertices)
    triangle_count = len(data.triangles)
    joint_count = len(data.joint_names)
    expected = {
        "template_vertices": (vertex_count, 3),
        "triangles": (triangle_count, 3),
        "texture_vertices": (len(data.texture_vertices), 2),
        "texture_triangles": (triangle_count, 3),
        "shape_basis": (len(data.shape_basis), vertex_count, 3),
        "expression_basis": (len(data.expression_names), vertex_count, 3),
        "expression_joint_rotations": (len(data.expression_names), joint_count, 3),
        "joint_parents": (joint_count,),
        "joint_regressor": (joint_count, vertex_count),
        "skinning_weights": (vertex_count, joint_count),
        "pose_basis": (9 * (joint_count - 1), vertex_count, 3),
        "landmark_triangles": (51,),
        "landmark_barycentrics": (51, 3),
        "contour_triangles": (79, 17),
        "contour_barycentrics": (79, 17, 3),
        "full_landmark_triangles": (68,),
        "full_landmark_barycentrics": (68, 3),
        "dense_landmark_triangles": (len(data.dense_landmark_triangles),),
        "dense_landmark_barycentrics": (len(data.dense_landmark_triangles), 3),
        "region_triangles": (len(data.region_names), triangle_count),
        "vertex_mirror": (len(data.vertex_mirror),),
        "albedo_mean": (*data.albedo_mean.shape[:2], 3),
        "albedo_basis": (*data.albedo_basis.shape[:3], 3),
    }
    for name, shape in expected.items():
        array = getattr(data, name)
        if array.shape != shape:
            raise HeadError(f"{name} has shape {array.shape}, expected {shape}")
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise HeadError(f"{name} holds a number that is not finite")
    if min(vertex_count, triangle_count, joint_count) < 1:
        raise HeadError("a head needs at least one vertex, one triangle and one joint")
    if len(data.dense_landmark_triangles) not in (0, 468):
        raise HeadError(f"dense landmarks must be 468 or none, found {len(data.dense_landmark_triangles)}")
    if len(data.vertex_mirror) not in (0, vertex_count):
        raise HeadError(
            f"vertex_mirror must hold {vertex_count} entries or none, found {len(data.vertex_mirror)}"
        )
    for name, count in (
        ("triangles", vertex_count),
        ("texture_triangles", len(data.texture_vertices)),
        ("landmark_triangles", triangle_count),
        ("contour_triangles", triangle_count),
        ("full_landmark_triangles", triangle_count),
        ("dense_landmark_triangles", triangle_count),
        ("vertex_mirror", vertex_count),
    ):
        array = getattr(data, name)
        if array.size and (array.min() < 0 or array.max() >= count):
            bad = int(array[(array < 0) | (array >= count)].flat[0])
            raise HeadError(f"{name} holds the index {bad}, outside 0..{count - 1}")
    parents = data.joint_parents
    if parents[0] != -1 or any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise HeadError(
            f"joint_parents {parents.tolist()}: -1 for the first, an earlier joint for every other"
        )
    if np.abs(data.skinning_weights.sum(1) - 1).max() > 1e-3:
        raise HeadError("skinning_weights of a vertex do not sum to one")
    if missing := [name for name in REGIONS if name not in data.region_names]:
        raise HeadError(f"region_names lacks {', '.join(missing)}")
