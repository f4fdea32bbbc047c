"""What the page needs of a head beside its GLB, and how a face in a picture moves, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float

from deca.animation.person import BUMPS
from deca.apps.encoding_reconstructor import EncodingReconstructor
from deca.apps.errors import UsageError
from deca.apps.people import read_person
from deca.apps.reconstruct import chosen_faces
from deca.io.default_networks import default_networks
from deca.io.gltf import jaw_as_action, split_at_seams
from deca.io.parameter_files import FaceRecord, ParameterFileError, read_parameters
from deca.photo.sampling import Photo
from deca.render.hollows import DARKENING, LEFT, vertex_surroundings
from deca.render.lighting import FACTORS

IDENTITY_COMPONENTS = 10
"""How many of the head's components of shape the page can change."""


@torch.no_grad()
def figure_file(folder: Path) -> bytes:
    """The safetensors file that the page loads with head.glb; UsageError for a folder that is no head's.

    relief           (512, 512)         the reconstructed displacement, millimetres
    identity         (10, vertex, 3)    how a deviation of each component moves the vertices, metres
    identity_joints  (10, joint, 3)     and the joints, metres
    vertices         (glb vertex,)      which of these vertices each vertex of the GLB is
    shape, jaw, expression, detail      as in parameters.json, the detail code the most likely one where
                                        none was reconstructed
    light            (9, 3)             by what 1, x, y, z, xy, xz, yz, x^2 - y^2, 3 z^2 - 1 of a normal are
                                        multiplied and summed to its light
    surroundings_*                      the matrix of `deca.render.hollows.vertex_surroundings`: `starts` of
                                        its rows, `columns`, `weights`
    head_to_photo    (2, 3)             pixels of the photo of (x, y, 1) in the head frame

    The metadata says the head model's licence, the size of the photo, how much of the relief is to be shaded
    over the texture, how light fades in hollows, and whether the default detail decoder drives it.
    """
    person = read_person(folder)
    data, parameters = person.deca.data, person.parameters
    try:
        record = read_parameters(folder / "parameters.json", data)
    except (FileNotFoundError, ParameterFileError) as error:
        raise UsageError(f"{error}; name the folder of a face that `deca reconstruct` made") from None
    basis = data.shape_basis[:IDENTITY_COMPONENTS]
    tensors = {
        "relief": (person.displacement[0, 0].numpy() * 1000).astype(np.float16),
        "identity": basis.astype(np.float16),
        "identity_joints": person.deca.head_model.joint_shape_basis[:IDENTITY_COMPONENTS].numpy(),
        "vertices": split_at_seams(data).vertices.astype(np.int32),
        "head_to_photo": _head_to_photo(record),
    }
    around = vertex_surroundings(data)
    tensors["surroundings_starts"] = around.indptr.astype(np.int32)
    tensors["surroundings_columns"] = around.indices.astype(np.int32)
    tensors["surroundings_weights"] = around.data.astype(np.float32)
    tensors["light"] = np.array(FACTORS, np.float32)[:, None] * parameters.lighting[0].numpy()
    for name in ("shape", "jaw", "expression", "detail"):
        tensors[name] = getattr(parameters, name)[0].numpy()
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {
        "licence": data.licence,
        "photo_width": str(record.image_size[0]),
        "photo_height": str(record.image_size[1]),
        "bumps": str(BUMPS),
        "darkening": str(DARKENING),
        "light_left": f"{LEFT[0]} {LEFT[1]}",
        "reach": str(person.hollows.reach),
        "decoder": "default" if person.decode == default_networks().displacement else "none",
    }
    return safetensors.numpy.save(tensors, metadata)


@torch.no_grad()
def movement(photo: Photo, reconstructor: EncodingReconstructor, name: str) -> dict[str, Any]:
    """How the largest face of a photo moves: weights of actions by name, and what the joints of jaw, eyes and
    root turn beyond them, axis-angle in radians; NoFaceError, which says `name`, where there is no face.
    """
    (face,) = chosen_faces(reconstructor.find(photo), "largest", name)
    data = reconstructor.deca.data
    parameters = jaw_as_action(reconstructor.coarse(photo, face)[1], data)
    weights = (round(weight, 4) for weight in parameters.expression[0].tolist())
    height, width = photo.shape[:2]
    left, top, right, bottom = face.box.tolist()
    return {
        "expression": dict(zip(data.expression_names, weights, strict=True)),
        "jaw": parameters.jaw[0].tolist(),
        "eyes": parameters.eyes[0].tolist(),
        "pose": parameters.pose[0].tolist(),
        "box": [left / width, top / height, right / width, bottom / height],
    }


def _head_to_photo(record: FaceRecord) -> Float[np.ndarray, "2 3"]:
    """Weak perspective (`deca.render.camera`) and the crop's place in the photo as one map."""
    scale, x, y = record.parameters.camera[0].tolist()
    half = record.crop.size / 2
    crop_of_head = np.array(
        [[scale * half, 0, (scale * x + 1) * half], [0, -scale * half, (1 - scale * y) * half], [0, 0, 1]]
    )
    return (record.crop.T_photo_crop @ crop_of_head)[:2].astype(np.float32)
