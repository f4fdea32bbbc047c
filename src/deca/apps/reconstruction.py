"""One reconstructed face: what is known of it, and its folder of files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.apps.options import OpeningPose
from deca.geometry import vertex_normals
from deca.head.detail import DetailedSurface
from deca.head.model import Head
from deca.io.files import whole_folder
from deca.io.gltf import at_rest, write_glb
from deca.io.maps import encode_normals, encode_unit, write_displacement, write_map
from deca.io.obj import ObjWriter
from deca.io.parameter_files import FaceRecord, write_landmarks, write_parameters
from deca.model.deca import Deca
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo
from deca.render.camera import crop_to_photo, project


@dataclass(frozen=True)
class Reconstruction:
    """One face of one photo as a head.

    `parameters` is a batch of one; `displacement` is in metres along the normal, in UV; `texture` is sRGB
    in UV, row 0 at v = 1; `residuals` are what fitting left over, `seconds` how long each step took.
    """

    deca: Deca
    photo: Photo
    found: FoundFace
    crop: Crop
    parameters: Parameters
    displacement: Float[Tensor, "1 1 size size"]
    texture: UInt8[np.ndarray, "texture_size texture_size 3"]
    residuals: dict[str, float]
    seconds: dict[str, float]

    @cached_property
    def head(self) -> Head:
        """The head posed as in the photo."""
        with torch.no_grad():
            return self.deca.head_model(self.parameters)

    @cached_property
    def detail(self) -> DetailedSurface:
        """The detailed surface of the head posed as in the photo."""
        with torch.no_grad():
            return self.deca.detail_model.surface(self.head.vertices, self.displacement)

    @cached_property
    def landmarks_photo(self) -> Float[np.ndarray, "68 2"]:
        """The 68 iBUG landmarks of the head, in pixels of the photo, centres at half-integers."""
        return self._in_photo(self.deca.landmarks(self.head))

    @cached_property
    def dense_landmarks_photo(self) -> Float[np.ndarray, "dense 2"]:
        """The 468 dense landmarks of the head likewise; none where the head model has none."""
        return self._in_photo(self.deca.landmarks.dense(self.head))

    def save(self, folder: str | Path, pose: OpeningPose = "photo") -> Path:
        """Write every file of the face into `folder`, which appears whole or not at all, replacing an older
        one.

        head.glb and the two OBJ meshes are posed as in the photo, or neutral.
        """
        folder = Path(folder)
        with whole_folder(folder) as parts, torch.no_grad():
            self._write(parts, pose)
        return folder

    def _write(self, folder: Path, pose: OpeningPose) -> None:
        # Drawing needs this module's class, so the drawing module is imported here.
        from deca.apps.sheet import draw_sheet

        deca, data = self.deca, self.deca.data
        opening = self.parameters if pose == "photo" else at_rest(self.parameters)
        vertices = deca.head_model(opening).vertices
        detail = self.detail if pose == "photo" else deca.detail_model.surface(vertices, self.displacement)
        normal_map = encode_normals(detail.tangent_normals()[0].numpy())
        scale = write_displacement(folder / "displacement.png", self.displacement[0, 0].numpy())
        albedo = deca.layout.fill(deca.albedo_model(self.parameters.albedo))
        write_map(folder / "texture.png", self.texture)
        write_map(folder / "albedo.png", encode_unit(albedo[0].numpy()))
        write_map(folder / "normal.png", normal_map)
        write_glb(folder / "head.glb", deca.head_model, opening, self.texture, normal_map)
        coarse, detailed = _obj_writers(deca)
        normals = vertex_normals(vertices, deca.head_model.triangles)[0].numpy()
        coarse.write(folder / "coarse.obj", vertices[0].numpy(), "texture.png", normals)
        dense = deca.dense_model(vertices, self.displacement).vertices[0].numpy()
        detailed.write(folder / "detail.obj", dense, "texture.png")
        record = FaceRecord(
            parameters=self.parameters,
            crop=self.crop,
            image_size=(self.photo.shape[1], self.photo.shape[0]),
            detector_confidence=self.found.detection.score,
            residuals=self.residuals,
            displacement_scale=scale,
        )
        write_parameters(folder / "parameters.json", record, data)
        write_landmarks(folder / "landmarks.json", self.landmarks_photo, self.dense_landmarks_photo)
        write_map(folder / "sheet.png", draw_sheet(self))

    def _in_photo(self, points: Float[Tensor, "1 point 3"]) -> Float[np.ndarray, "point 2"]:
        T_photo_crop = torch.from_numpy(self.crop.T_photo_crop)[None]
        points_image = project(points, self.parameters.camera).double()
        return crop_to_photo(points_image, T_photo_crop, self.crop.size)[0].numpy()


_OBJ_WRITERS: WeakKeyDictionary[Deca, tuple[ObjWriter, ObjWriter]] = WeakKeyDictionary()


def _obj_writers(deca: Deca) -> tuple[ObjWriter, ObjWriter]:
    """Writers of the coarse and of the dense mesh: their constant lines are made once for all faces."""
    if deca not in _OBJ_WRITERS:
        data, dense = deca.data, deca.dense_model
        _OBJ_WRITERS[deca] = (
            ObjWriter(data.triangles, data.texture_vertices, data.texture_triangles),
            ObjWriter(
                dense.fine_triangles.numpy(),
                dense.fine_texture_vertices.numpy(),
                dense.fine_texture_triangles.numpy(),
            ),
        )
    return _OBJ_WRITERS[deca]
