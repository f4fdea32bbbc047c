"""The way of the shipped networks from a photo to heads: they predict parameters and displacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from deca.apps.network_reconstructor import landmark_residual
from deca.apps.options import TextureSize
from deca.apps.reconstruct import FaceTask, Reconstructor, fitted_landmarks, timed
from deca.apps.reconstruction import Reconstruction
from deca.fitting.eyes import fit_eyes
from deca.fitting.landmarks import LandmarkFitConfig, refine_landmarks
from deca.fitting.observation import vertices_in_photo
from deca.head.detail import DetailModel
from deca.head.face_part import face_part, part_vertices
from deca.head.uv import UVLayout
from deca.io.default_networks import default_networks
from deca.model.detail_decoder import MAP_SIZE, enlarged
from deca.model.detail_view import VIEW_CROP, DetailView
from deca.model.small_networks import SmallNetworks
from deca.parameters import Parameters
from deca.photo.crop import Crop, crop_image, crop_luma, landmark_crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo, transform_points
from deca.render.camera import project

# The crop in 1.1 boxes of the landmarks: the middle of what the networks were trained with.
_CROP_MARGIN = 1.55


def encoded_crop(found: FoundFace) -> Crop:
    """The crop that the networks are given of a found face."""
    return landmark_crop(found.ibug68, margin=_CROP_MARGIN)


class EncodingReconstructor:
    """Predicts heads with SmallNetworks of the default head, and refines them if asked to.

    Unrefined, geometry, albedo, light and eyes are what one pass of the coarse encoder says, and the relief
    is the displacement decoded from the detail code. Refined by `refine` steps, the geometry is brought
    nearer to the landmarks, and eyes, albedo, light and relief are fitted to the photo.
    """

    batch_size = 8

    def __init__(
        self, refine: int = 0, texture_size: TextureSize = 1024, networks: SmallNetworks | None = None
    ) -> None:
        self.fit = Reconstructor(texture_size=texture_size)
        self.deca = self.fit.deca
        self.networks = networks or default_networks()
        self.refine_config = LandmarkFitConfig(iterations=refine) if refine else None
        data = self.deca.data
        # The view shows the face alone.
        part = face_part(data)
        self._face_vertices = torch.from_numpy(part_vertices(data))
        self.detail_view = DetailView(part, DetailModel(part, UVLayout(part, MAP_SIZE)))

    def find(self, photo: Photo) -> list[FoundFace]:
        """Every face of a photo, from the viewer's left to right."""
        return self.fit.find(photo)

    @torch.no_grad()
    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        """Reconstruct found faces, all of them in one pass of the coarse encoder."""
        seconds: dict[str, float] = {}
        with timed(seconds, "encoding"):
            crops = [encoded_crop(task.found) for task in tasks]
            seen = [self._seen(task.photo, task.found, crop) for task, crop in zip(tasks, crops, strict=True)]
            images, points = zip(*seen, strict=True)
            parameters = self.encode(torch.cat(images), torch.cat(points))
        each = {step: value / len(tasks) for step, value in seconds.items()}
        return [
            self._face(replace(task, seconds=task.seconds | each), crop, parameters[number])
            for number, (task, crop) in enumerate(zip(tasks, crops, strict=True))
        ]

    def encode(
        self, images: Float[Tensor, "batch 3 size size"], points: Float[Tensor, "batch 468 3"]
    ) -> Parameters:
        """Parameters of crops and the points in them, as SmallNetworks takes both; no detail."""
        parameters = self.networks.encode(images, points)
        # A facial action means nothing beyond.
        return parameters.replace(expression=parameters.expression.clamp(0, 1))

    def coarse(self, photo: Photo, found: FoundFace) -> tuple[Crop, Parameters]:
        """The crop of one face and its parameters, unrefined, all but the detail code."""
        crop = encoded_crop(found)
        return crop, self.encode(*self._seen(photo, found, crop))

    def detail_code(
        self, photo: Photo, found: FoundFace, crop: Crop, parameters: Parameters
    ) -> Float[Tensor, "1 detail"]:
        """The detail code of one face, read where its landmarks are."""
        luma = crop_luma(photo, crop.resized(VIEW_CROP))
        vertices = self.deca.head_model(parameters).vertices
        landmarks = torch.from_numpy(transform_points(crop.T_image_photo, found.dense468[:, :2]))[None]
        vertices_image = self.fit.registration(project(vertices, parameters.camera), landmarks)
        face = self._face_vertices
        view = self.detail_view(luma, vertices[:, face], vertices_image[:, face], parameters.lighting)
        return self.networks.detail_code(view, parameters)

    def _seen(
        self, photo: Photo, found: FoundFace, crop: Crop
    ) -> tuple[Float[Tensor, "1 3 size size"], Float[Tensor, "1 468 3"]]:
        """A face's crop as the coarse encoder takes it, and its points in the image frame."""
        image = crop_image(photo, crop.resized(self.networks.image_size))
        points = transform_points(crop.T_image_photo, found.dense468[:, :2])
        return image, torch.nn.functional.pad(torch.from_numpy(points).float(), (0, 1), value=1.0)[None]

    def _face(self, task: FaceTask, crop: Crop, parameters: Parameters) -> Reconstruction:
        seconds = dict(task.seconds)
        landmarks_photo = torch.from_numpy(fitted_landmarks(task.found, self.deca.data))
        if self.refine_config is not None:
            with timed(seconds, "geometry"):
                landmarks_image = torch.from_numpy(
                    transform_points(crop.T_image_photo, landmarks_photo.numpy())
                )
                fitted = refine_landmarks(
                    self.deca.head_model,
                    landmarks_image,
                    parameters,
                    self.refine_config,
                    task.found.teeth_together,
                )
                code = self.detail_code(task.photo, task.found, crop, fitted.parameters)
                fitted = replace(fitted, parameters=fitted.parameters.replace(detail=code))
            return self.fit.finished(task, crop, fitted, seconds)
        with timed(seconds, "detail"):
            parameters = parameters.replace(detail=self.detail_code(task.photo, task.found, crop, parameters))
            displacement = enlarged(self.networks.displacement(parameters), self.deca.layout.size)
        with timed(seconds, "texture"):
            head = self.deca.head_model(parameters)
            vertices = head.vertices
            eyes = fit_eyes(task.photo, landmarks_photo, head, parameters, self.deca.head_model, crop)
            vertices_photo = self.fit.registration(
                vertices_in_photo(vertices, parameters.camera, crop), landmarks_photo
            )
            photo_texture = self.fit.photo_texture
            appearance = photo_texture.appearance(task.photo, vertices, vertices_photo, parameters)
            texture = photo_texture.texture(
                task.photo, vertices, vertices_photo, appearance, eyes.iris_colour()
            )
        return Reconstruction(
            deca=self.deca,
            photo=task.photo,
            found=task.found,
            crop=crop,
            parameters=parameters,
            displacement=displacement,
            texture=texture,
            residuals={"landmarks_px": landmark_residual(self.deca, parameters, crop, task.found)},
            seconds=seconds,
        )
