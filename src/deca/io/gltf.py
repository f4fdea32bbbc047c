"""A head as glTF 2.0: textured, skinned to its joints, one morph target for each of its expressions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from deca.animation.joints import jaw_as_action
from deca.animation.motion import Motion
from deca.animation.person import BUMPS
from deca.geometry import axis_angle_to_matrix, vertex_normals
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.skinning import joint_transforms
from deca.head.tangents import texture_tangents
from deca.io.bending import normal_changes
from deca.io.glb import VERTEX_DATA, GlbBuffer, write_container
from deca.io.gltf_animation import animation, joint_rotations, joint_translations, quaternions
from deca.io.maps import jpeg_bytes
from deca.io.png import png_bytes
from deca.parameters import Parameters

# Actions that are used on top of another: as targets add up, theirs is what they add to the other at one.
_ON_TOP_OF = {"mouthClose": "jawOpen"}
_POSITION_THRESHOLD = 1e-5  # metres: a vertex that moves less does not move
_NORMAL_THRESHOLD = 5e-3  # of a unit normal, 0.3 degrees: what 8-bit shading does not show
_SKIN_ROUGHNESS = 0.6
_EYE_ROUGHNESS = 0.15  # the film of tears


def at_rest(parameters: Parameters) -> Parameters:
    """The same person, neutral: expression, pose, neck, jaw and eyes at zero."""
    still = ("expression", "pose", "neck", "jaw", "eyes")
    return parameters.replace(**{name: torch.zeros_like(getattr(parameters, name)) for name in still})


def write_glb(
    path: str | Path,
    head_model: HeadModel,
    parameters: Parameters,
    texture: UInt8[np.ndarray, "height width 3"],
    normal_map: UInt8[np.ndarray, "normal_height normal_width 3"] | None = None,
    motion: Motion | None = None,
) -> None:
    """Write one person as a GLB that opens in the pose and expression of `parameters` (a batch of one).

    A motion of the same person becomes an animation of morph weights and joints.

    The bind pose is the person at rest, whatever the pose it opens in; `at_rest(parameters)` opens neutral.
    Each expression becomes a morph target under its own name, holding the whole movement of the action at
    one, the turning of its joint included; mouthClose holds what it adds to jawOpen at one. Metres, y up, the
    face along +z, as the head frame. The texture is sRGB, row 0 at v = 1; the normal map is in tangent space,
    green along growing v (`DetailedSurface.tangent_normals`).

    An open jaw is said by the weight of jawOpen, which face capture drives, and not by its joint. Linear
    targets and skinning cannot express a jaw part of its way round, nor pose correctives: the millimetre that
    this takes in the pose the file opens in is in its base mesh, so that it shows the reconstruction.
    """
    if parameters.batch != 1:
        raise ValueError(
            f"write_glb: parameters hold {parameters.batch} faces, expected one; take parameters[index]"
        )
    with torch.no_grad():
        parameters = jaw_as_action(parameters.to(head_model.template_vertices.device), head_model.data)
        person = _person(head_model, parameters)
        person = replace(person, vertices=person.vertices + _pose_correction(head_model, parameters, person))
        split = split_at_seams(head_model.data)
        buffer = GlbBuffer()
        attributes = _attributes(buffer, head_model, person, split, tangents=normal_map is not None)
        morphs = _morph_targets(buffer, head_model.triangles, person.vertices, person.targets, split)
        primitives = [
            {
                "attributes": attributes,
                "indices": buffer.indices(triangles, len(split.vertices)),
                "material": material,
                "targets": morphs,
            }
            for material, triangles in enumerate(_triangles_by_material(head_model.data, split))
            if len(triangles)
        ]
        nodes, skin = _skeleton(buffer, head_model, parameters)
        animations = {}
        if motion is not None:
            bind = head_model.rest_joints(at_rest(parameters))[0]
            curves = animation(buffer, head_model, motion, bind, mesh_node=0, first_joint_node=1)
            animations = {"animations": [curves]}
    images = [("image/jpeg", jpeg_bytes(texture))]
    if normal_map is not None:
        images.append(("image/png", png_bytes(normal_map)))  # a JPEG would add bumps of its own
    data = head_model.data
    document = {
        "asset": {
            "version": "2.0",
            "generator": f"deca {version('deca')}",
            "copyright": f"Head model {data.name} {data.version}: {data.licence}",
            "extras": {
                "unit": "metre",
                "headModel": {
                    "name": data.name,
                    "version": data.version,
                    "source": data.source,
                    "licence": data.licence,
                },
            },
        },
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "head", "mesh": 0, "skin": 0}, *nodes],
        "skins": [skin],
        "meshes": [
            {
                "name": "head",
                "primitives": primitives,
                "weights": parameters.expression[0].tolist(),
                "extras": {"targetNames": list(data.expression_names)},
            }
        ],
        "materials": _materials(has_normal_map=normal_map is not None)[: len(primitives)],
        "textures": [{"source": source, "sampler": 0} for source in range(len(images))],
        # Linear with mipmaps; clamped, for the map has an edge.
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        **animations,
        "images": [{"mimeType": kind, "bufferView": buffer.view(encoded)} for kind, encoded in images],
    }
    write_container(path, document, buffer)


@dataclass(frozen=True)
class _Person:
    """One person at rest, and the displacement of each expression at one; metres."""

    vertices: Float[Tensor, "vertex 3"]
    targets: Float[Tensor, "expression vertex 3"]


@dataclass(frozen=True)
class Split:
    """The mesh with every vertex doubled where the texture has a seam: what each new vertex was."""

    vertices: Int[np.ndarray, " corner"]
    texture_vertices: Int[np.ndarray, " corner"]
    triangles: Int[np.ndarray, "triangle 3"]


def _person(head_model: HeadModel, parameters: Parameters) -> _Person:
    rest = at_rest(parameters)
    vertices = head_model(rest).vertices[0]
    names = head_model.data.expression_names
    on_top = [(names.index(a), names.index(b)) for a, b in _ON_TOP_OF.items() if a in names and b in names]
    # On a head at rest an action that turns no joint moves it by its basis and nothing else.
    targets = head_model.expression_basis.clone()
    turning = head_model.expression_joint_rotations.flatten(1).any(1)
    turning[[action for action, _ in on_top]] = True
    expression = torch.eye(len(targets), dtype=vertices.dtype, device=vertices.device)
    for action, base in on_top:
        expression[action, base] = 1
    expression = expression[turning]
    each = rest.map(lambda tensor: tensor.expand(len(expression), *tensor.shape[1:]))
    targets[turning] = head_model(each.replace(expression=expression)).vertices - vertices
    for action, base in on_top:
        targets[action] -= targets[base]
    return _Person(vertices, targets)


def _pose_correction(
    head_model: HeadModel, parameters: Parameters, person: _Person
) -> Float[Tensor, "vertex 3"]:
    """What has to be added to the rest vertices so that targets and skinning give the posed head, metres."""
    rotations = axis_angle_to_matrix(joint_rotations(head_model, parameters))
    joints = head_model.rest_joints(parameters)
    transforms = joint_transforms(rotations, joints, head_model.data.joint_parents.tolist())[0]
    blended = (_four_weights(head_model.skinning_weights) @ transforms.flatten(1)).unflatten(-1, (3, 4))
    posed = head_model(parameters).vertices[0] - blended[..., 3]
    wanted = torch.linalg.solve(blended[..., :3], posed[..., None])[..., 0]
    return wanted - person.vertices - torch.einsum("e,evc->vc", parameters.expression[0], person.targets)


def _four_weights(weights: Float[Tensor, "vertex joint"]) -> Float[Tensor, "vertex joint"]:
    """The four largest skinning weights of each vertex, summing to one: glTF's first set holds no more."""
    if weights.shape[1] > 4:
        weights = weights * (weights.argsort(dim=1, descending=True).argsort(dim=1) < 4)
    return weights / weights.sum(1, keepdim=True)


def split_at_seams(data: HeadData) -> Split:
    """The mesh of a GLB: every vertex double where the texture has a seam, in the order of the head's own."""
    key = data.triangles * len(data.texture_vertices) + data.texture_triangles
    unique, triangles = np.unique(key, return_inverse=True)
    vertices, texture_vertices = np.divmod(unique, len(data.texture_vertices))
    return Split(vertices, texture_vertices, triangles.reshape(-1, 3))


def _attributes(
    buffer: GlbBuffer, head_model: HeadModel, person: _Person, split: Split, tangents: bool
) -> dict[str, int]:
    normals = vertex_normals(person.vertices[None], head_model.triangles)
    texture_vertices = head_model.data.texture_vertices[split.texture_vertices]
    weights = _four_weights(head_model.skinning_weights)[split.vertices]
    order = weights.argsort(dim=1, descending=True, stable=True)[:, :4]
    strongest = torch.take_along_dim(weights, order, 1)
    pad = 4 - order.shape[1]
    strongest = torch.nn.functional.pad(strongest, (0, pad))
    order = torch.nn.functional.pad(order, (0, pad)).where(strongest > 0, 0)
    attributes = {
        "POSITION": buffer.bounded_array(_array(person.vertices[split.vertices]), target=VERTEX_DATA),
        "NORMAL": buffer.array(_array(normals[0, split.vertices]), target=VERTEX_DATA),
        "TEXCOORD_0": buffer.array(
            np.ascontiguousarray(texture_vertices * [1, -1] + [0, 1], np.float32), target=VERTEX_DATA
        ),
        "JOINTS_0": buffer.array(order.cpu().numpy().astype(np.uint8), target=VERTEX_DATA),
        "WEIGHTS_0": buffer.array(_array(strongest), target=VERTEX_DATA),
    }
    if tangents:
        along_u = texture_tangents(
            person.vertices[None],
            normals,
            head_model.triangles,
            head_model.texture_vertices,
            head_model.texture_triangles,
        )
        attributes["TANGENT"] = buffer.array(_array(along_u[0, split.texture_vertices]), target=VERTEX_DATA)
    return attributes


def _morph_targets(
    buffer: GlbBuffer,
    triangles: Int[Tensor, "triangle 3"],
    vertices: Float[Tensor, "vertex 3"],
    targets: Float[Tensor, "target vertex 3"],
    split: Split,
) -> list[dict[str, int]]:
    moves = _array(targets)
    turns = normal_changes(_array(vertices), triangles.cpu().numpy(), moves)

    def sparse(changes: Float[np.ndarray, "vertex 3"], threshold: float) -> int:
        x, y, z = changes.T
        rows = np.flatnonzero((x * x + y * y + z * z > threshold**2)[split.vertices])
        return buffer.sparse_array(changes[split.vertices[rows]], rows, len(split.vertices))

    return [
        {"POSITION": sparse(moved, _POSITION_THRESHOLD), "NORMAL": sparse(turned, _NORMAL_THRESHOLD)}
        for moved, turned in zip(moves, turns, strict=True)
    ]


def _triangles_by_material(data: HeadData, split: Split) -> list[Int[np.ndarray, "triangle 3"]]:
    """Skin, then eyeballs: the triangles that turn wholly with an eye joint."""
    eyes = [joint for joint, name in enumerate(data.joint_names) if name in ("left_eye", "right_eye")]
    eyeball = (data.skinning_weights[:, eyes].sum(1) > 0.5)[data.triangles].all(1)
    return [split.triangles[~eyeball], split.triangles[eyeball]]


def _skeleton(buffer: GlbBuffer, head_model: HeadModel, parameters: Parameters) -> tuple[list[dict], dict]:
    """The joints as nodes 1, 2, ... in their pose, and the skin that binds the person at rest to them."""
    data = head_model.data
    rotations = quaternions(joint_rotations(head_model, parameters)[0])
    bind = head_model.rest_joints(at_rest(parameters))[0]
    translations = joint_translations(head_model, parameters, bind)[0]
    nodes = []
    for joint in range(len(data.joint_names)):
        children = [1 + child for child in np.flatnonzero(data.joint_parents == joint).tolist()]
        nodes.append(
            {
                "name": data.joint_names[joint],
                "translation": translations[joint].tolist(),
                "rotation": rotations[joint].tolist(),
                **({"children": children} if children else {}),
            }
        )
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(nodes), 1, 1))
    inverse_bind[:, 3, :3] = -_array(bind)  # column-major: the last column is stored as the last row
    skin = {
        "joints": [1 + joint for joint in range(len(nodes))],
        "skeleton": 1,
        "inverseBindMatrices": buffer.array(inverse_bind),
    }
    return nodes, skin


def _materials(has_normal_map: bool) -> list[dict]:
    bumps = {"normalTexture": {"index": 1, "scale": BUMPS}} if has_normal_map else {}
    return [
        {
            "name": name,
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": 0},
                "metallicFactor": 0.0,
                "roughnessFactor": roughness,
            },
            **bumps,
        }
        for name, roughness in (("skin", _SKIN_ROUGHNESS), ("eyes", _EYE_ROUGHNESS))
    ]


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.cpu().numpy(), np.float32)
