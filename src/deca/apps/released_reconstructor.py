"""DECA's released way from a photo to heads: its crop, masks, fixed displacement and maps of 256 texels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from deca.apps.network_reconstructor import landmark_residual
from deca.apps.options import OpeningPose
from deca.apps.reconstruct import FaceTask, timed
from deca.apps.reconstruction import Reconstruction
from deca.head.data import HeadData
from deca.head.released_detail import DETAIL_SIZE, released_vertex_normals
from deca.head.texel_mesh import TexelTemplate, texel_mesh
from deca.io.networks import face_detector, face_landmarker
from deca.model.deca import Deca
from deca.model.networks import FaceNetworks
from deca.model.released import ReleasedDecoder, ReleasedDecoding
from deca.photo.faces import FoundFace, find_faces
from deca.photo.released_crop import plain_crop_image, points_box, released_landmark_crop
from deca.photo.sampling import Photo

DECODING = "released.safetensors"


@dataclass(frozen=True)
class ReleasedReconstruction(Reconstruction):
    """A head as the released code decodes it; every array of that goes into a file of its own.

    `displacement` is what shapes the detail normals: D limited by the mask, and the fixed map. The texture
    is the crop's, sampled without a look at what hides what, and has 256 texels a side.
    """

    decoder: ReleasedDecoder
    template: TexelTemplate
    decoding: ReleasedDecoding

    def arrays(self) -> dict[str, Tensor]:
        """Everything the released code returns for this face: its decoding, pictures and dense mesh."""
        decoding = self.decoding
        crop_pictures = self.decoder.pictures(decoding, self.crop.size)
        found = {
            field.name: getattr(decoding, field.name)
            for field in fields(decoding)
            if field.name != "parameters"
        }
        found |= {
            f"picture_{field.name}": getattr(crop_pictures, field.name) for field in fields(crop_pictures)
        }
        normals = released_vertex_normals(decoding.vertices, self.decoder.head_model.triangles)
        found["dense_vertices"] = texel_mesh(self.template, decoding.vertices, normals, decoding.displacement)
        found["dense_triangles"] = self.template.triangles
        return found

    def write(self, folder: Path, pose: OpeningPose = "photo") -> None:
        """As every face is written, and the arrays of the released code beside."""
        super().write(folder, pose)
        save_file({name: array.contiguous() for name, array in self.arrays().items()}, folder / DECODING)


class ReleasedReconstructor:
    """Predicts heads as the released code does, step by step."""

    batch_size = 8

    def __init__(
        self, data: HeadData, networks: FaceNetworks, decoder: ReleasedDecoder, template: TexelTemplate
    ) -> None:
        self.deca = Deca(data, DETAIL_SIZE)
        self.networks = networks
        self.decoder = decoder
        self.template = template

    def find(self, photo: Photo) -> list[FoundFace]:
        """Every face of a photo, from the viewer's left to right."""
        return find_faces(photo, face_detector(), face_landmarker())

    @torch.no_grad()
    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        """Reconstruct found faces, all of them in one pass of the networks."""
        seconds: dict[str, float] = {}
        with timed(seconds, "encoding"):
            crops = [released_landmark_crop(points_box(task.found.ibug68)) for task in tasks]
            images = torch.cat(
                [plain_crop_image(task.photo, crop) for task, crop in zip(tasks, crops, strict=True)]
            )
            parameters = self.networks.encode(images)
        with timed(seconds, "detail"):
            displacement = self.networks.displacement(parameters)
        results: list[Reconstruction] = []
        for number, (task, crop) in enumerate(zip(tasks, crops, strict=True)):
            own_seconds = task.seconds | {step: value / len(tasks) for step, value in seconds.items()}
            one = slice(number, number + 1)
            with timed(own_seconds, "decoding"):
                decoding = self.decoder.decode(parameters[number], displacement[one], images[one])
            texture = decoding.texture_uv[0].permute(1, 2, 0).clamp(0, 1) * 255
            own = parameters[number]
            results.append(
                ReleasedReconstruction(
                    deca=self.deca,
                    photo=task.photo,
                    found=task.found,
                    crop=crop,
                    parameters=own,
                    displacement=self.decoder.shaping_displacement(displacement[one]),
                    texture=texture.round().to(torch.uint8).numpy(),
                    residuals={"landmarks_px": landmark_residual(self.deca, own, crop, task.found)},
                    seconds=own_seconds,
                    decoder=self.decoder,
                    template=self.template,
                    decoding=decoding,
                )
            )
        return results
