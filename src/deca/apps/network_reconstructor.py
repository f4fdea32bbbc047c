"""The published way from a photo to heads: networks predict the parameters and the detail of a crop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from deca.apps.options import TextureSize
from deca.apps.reconstruct import FaceTask, fitted_landmarks, timed
from deca.apps.reconstruction import Reconstruction
from deca.fitting.eyes import fit_eyes
from deca.fitting.observation import vertices_in_photo
from deca.fitting.photo_texture import PhotoTexture
from deca.fitting.registration import Registration
from deca.head.data import HeadData
from deca.io.networks import face_detector, face_landmarker
from deca.model.deca import Deca
from deca.model.detail_decoder import enlarged
from deca.model.networks import FaceNetworks
from deca.parameters import Parameters
from deca.photo.crop import Crop, crop_image, landmark_crop
from deca.photo.faces import FoundFace, find_faces
from deca.photo.sampling import Photo
from deca.render.camera import crop_to_photo, project

_MAP_SIZE = 512


class NetworkReconstructor:
    """Predicts heads as the paper describes it: the detailed surface is M + D N (DECA, equation 6).

    The crop is free of aliasing; detail maps have 512 texels a side, twice the decoder's; the texture is
    gathered from the photo by visibility, at any size, as in the fit.
    """

    batch_size = 8

    def __init__(self, data: HeadData, networks: FaceNetworks, texture_size: TextureSize = 1024) -> None:
        self.deca = Deca(data, _MAP_SIZE)
        self.networks = networks
        self.photo_texture = PhotoTexture(data, self.deca.head_model, texture_size)
        self.registration = Registration(data)

    def find(self, photo: Photo) -> list[FoundFace]:
        """Every face of a photo, from the viewer's left to right."""
        return find_faces(photo, face_detector(), face_landmarker())

    @torch.no_grad()
    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        """Reconstruct found faces, all of them in one pass of the networks."""
        seconds: dict[str, float] = {}
        with timed(seconds, "encoding"):
            crops = [landmark_crop(task.found.ibug68) for task in tasks]
            images = [crop_image(task.photo, crop) for task, crop in zip(tasks, crops, strict=True)]
            parameters = self.networks.encode(torch.cat(images))
        with timed(seconds, "detail"):
            displacement = enlarged(self.networks.displacement(parameters), _MAP_SIZE)
        results = []
        for number, (task, crop) in enumerate(zip(tasks, crops, strict=True)):
            own_seconds = task.seconds | {step: value / len(tasks) for step, value in seconds.items()}
            own = parameters[number]
            with timed(own_seconds, "texture"):
                texture = self._texture(task, crop, own)
            results.append(
                Reconstruction(
                    deca=self.deca,
                    photo=task.photo,
                    found=task.found,
                    crop=crop,
                    parameters=own,
                    displacement=displacement[number : number + 1],
                    texture=texture,
                    residuals={"landmarks_px": landmark_residual(self.deca, own, crop, task.found)},
                    seconds=own_seconds,
                )
            )
        return results

    def _texture(self, task: FaceTask, crop: Crop, parameters: Parameters) -> np.ndarray:
        """The photo's colours, taken where the head lies once its landmarks are laid over the photo's."""
        head_model = self.deca.head_model
        landmarks_photo = torch.from_numpy(fitted_landmarks(task.found, self.deca.data))
        head = head_model(parameters)
        vertices = head.vertices
        eyes = fit_eyes(task.photo, landmarks_photo, head, parameters, head_model, crop)
        vertices_photo = self.registration(
            vertices_in_photo(vertices, parameters.camera, crop), landmarks_photo
        )
        appearance = self.photo_texture.appearance(task.photo, vertices, vertices_photo, parameters)
        return self.photo_texture.texture(
            task.photo, vertices, vertices_photo, appearance, eyes.iris_colour()
        )


def landmark_residual(deca: Deca, parameters: Parameters, crop: Crop, found: FoundFace) -> float:
    """Root mean square distance between the head's 68 landmarks and those found, in pixels of the photo."""
    points = project(deca.landmarks(deca.head_model(parameters)), parameters.camera).double()
    seen = crop_to_photo(points, torch.from_numpy(crop.T_photo_crop)[None], crop.size)[0].numpy()
    return float(np.sqrt(((seen - found.ibug68[:, :2]) ** 2).sum(1).mean()))
