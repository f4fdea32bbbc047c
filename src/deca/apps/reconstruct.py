"""From a photo to reconstructed faces: the one way through all the rooms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from deca.apps.errors import UsageError
from deca.apps.options import (
    Behaviour,
    FaceChoice,
    JawAngles,
    ModelChoice,
    ModelOptions,
    Precision,
    TextureSize,
)
from deca.apps.reconstruction import Reconstruction
from deca.fitting.appearance import shading_map
from deca.fitting.displacement import fit_displacement
from deca.fitting.eyes import fit_eyes
from deca.fitting.landmarks import LandmarkFit, fit_landmarks
from deca.fitting.observation import observe, vertices_in_photo
from deca.fitting.photo_texture import PhotoTexture
from deca.fitting.registration import Registration
from deca.fitting.relief_region import relief_region
from deca.head.data import HeadData
from deca.io.heads import find_head
from deca.io.images import read_photo
from deca.io.networks import face_detector, face_landmarker
from deca.model.deca import Deca
from deca.photo.crop import Crop, landmark_crop
from deca.photo.faces import FoundFace, find_faces, largest_face
from deca.photo.sampling import Photo, transform_points


class NoFaceError(ValueError):
    """A photo shows no face that was found."""


@dataclass(frozen=True)
class FaceTask:
    """One found face of a photo, to be reconstructed; `seconds` are those that led to it, by step."""

    photo: Photo
    found: FoundFace
    seconds: dict[str, float]


@runtime_checkable
class FaceReconstructor(Protocol):
    """What turns photos into heads: it is made once and serves any number of photos, and several threads."""

    batch_size: int
    """How many faces are best given to `faces` at once; 1 where nothing is gained by more."""

    def find(self, photo: Photo) -> list[FoundFace]:
        """Every face of a photo, from the viewer's left to right; an empty list when there is none."""
        ...

    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        """Reconstruct found faces, of one photo or of several, in their order."""
        ...


def reconstruct(
    photo: str | Path | Photo,
    *,
    face: FaceChoice = "all",
    head: str | Path | None = None,
    model: ModelChoice = "fit",
    refine: int = 0,
    behaviour: Behaviour = "paper",
    jaw: JawAngles = "axis-angle",
    precision: Precision = "f32",
    texture_size: TextureSize = 1024,
) -> list[Reconstruction]:
    """Reconstruct the faces of a photo, from the viewer's left to right, or the largest alone.

    `photo` is a file or an array (height, width, 3) of sRGB bytes; the other arguments are the options of
    `deca reconstruct`. Raises FileNotFoundError, PhotoError or HeadError for bad files, NoFaceError where no
    face is found, and with `model` "deca" AssetError or WeightsError where its files are missing or bad.
    """
    options = ModelOptions(
        head=None if head is None else str(head),
        model=model,
        refine=refine,
        behaviour=behaviour,
        jaw=jaw,
        precision=precision,
        texture_size=texture_size,
    )
    return reconstruct_photo(open_reconstructor(options), photo, face)


def open_reconstructor(options: ModelOptions) -> FaceReconstructor:
    """What the options ask for; raises as `reconstruct` does for heads and networks."""
    _check_used(options)
    if options.model == "fit":
        return Reconstructor(options.head, options.texture_size)
    # Imported late: the networks' ways are built on this module.
    if options.model == "encode":
        from deca.apps.encoding_reconstructor import EncodingReconstructor

        return EncodingReconstructor(options.refine, options.texture_size)
    from deca.apps.published_model import open_paper_model, open_released_model

    if options.behaviour == "released":
        return open_released_model(options)
    return open_paper_model(options)


def _check_used(options: ModelOptions) -> None:
    """UsageError for an option that the chosen model would pass over in silence."""
    usual = ModelOptions()
    for name in ("behaviour", "jaw", "precision"):
        if options.model != "deca" and getattr(options, name) != getattr(usual, name):
            raise UsageError(f"--{name} {getattr(options, name)}: only --model deca has a choice of {name}")
    if options.model != "encode" and options.refine:
        raise UsageError(f"--refine {options.refine}: only --model encode is refined")
    if options.refine < 0:
        raise UsageError(f"--refine {options.refine}: the number of steps is zero or more")
    if options.model == "encode" and options.head is not None:
        raise UsageError(
            f"--model encode drives the default head, not {options.head}; use --model fit or no --head"
        )
    if options.behaviour == "released" and options.texture_size != usual.texture_size:
        raise UsageError(
            f"--texture-size {options.texture_size}: --behaviour released has textures of 256 texels"
        )


def reconstruct_photo(
    reconstructor: FaceReconstructor, photo: str | Path | Photo, face: FaceChoice
) -> list[Reconstruction]:
    """Reconstruct the faces of one photo, or the largest alone; raises as `reconstruct` does for photos."""
    name = "the photo" if isinstance(photo, np.ndarray) else str(photo)
    seconds: dict[str, float] = {}
    with timed(seconds, "reading"):
        pixels = photo if isinstance(photo, np.ndarray) else read_photo(photo)
    with timed(seconds, "finding"):
        found = reconstructor.find(pixels)
    return reconstructor.faces([FaceTask(pixels, one, seconds) for one in chosen_faces(found, face, name)])


def chosen_faces(found: list[FoundFace], choice: FaceChoice, name: str) -> list[FoundFace]:
    """All the faces found in a photo or the largest; raises NoFaceError, which names the photo, for none."""
    if not found:
        raise NoFaceError(f"{name}: no face found; use a photo in which a face is at least 40 pixels wide")
    return [largest_face(found)] if choice == "largest" else found


def fitted_landmarks(found: FoundFace, data: HeadData) -> Float[np.ndarray, "landmark 2"]:
    """What a head is laid over, in pixels of the photo: the 468 landmarks where it has them, else the 68."""
    return (found.dense468 if len(data.dense_landmark_triangles) else found.ibug68)[:, :2]


_tell: ContextVar[Callable[[str], None]] = ContextVar("tell", default=lambda step: None)


@contextmanager
def announced(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block and its thread, tell the name of each step of a reconstruction as it begins."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Enter in `seconds` how long the block took."""
    _tell.get()(step)
    started = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - started


class Reconstructor:
    """Fits the head to photos. Holds what is made once, the head and its maps, for any number of photos."""

    batch_size = 1

    def __init__(self, head: str | Path | None = None, texture_size: TextureSize = 1024) -> None:
        data = find_head(head)
        self.deca = Deca(data)
        self.photo_texture = PhotoTexture(data, self.deca.head_model, texture_size)
        self.registration = Registration(data)
        self.relief_region = relief_region(data, self.deca.layout)

    def photo(self, photo: str | Path | Photo, face: FaceChoice = "all") -> list[Reconstruction]:
        """Reconstruct the faces of one photo, or the largest alone; raises as `reconstruct` does."""
        return reconstruct_photo(self, photo, face)

    def find(self, photo: Photo) -> list[FoundFace]:
        """Every face of a photo, from the viewer's left to right."""
        return find_faces(photo, face_detector(), face_landmarker())

    def faces(self, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
        """Reconstruct found faces, one after another."""
        return [self.face(task) for task in tasks]

    def geometry(self, found: FoundFace) -> tuple[Crop, LandmarkFit]:
        """The crop of one found face and its geometry alone: camera, pose, jaw, shape, expression."""
        crop = landmark_crop(found.ibug68)
        landmarks_image = transform_points(crop.T_image_photo, fitted_landmarks(found, self.deca.data))
        points = torch.from_numpy(landmarks_image)
        return crop, fit_landmarks(self.deca.head_model, points, teeth_together=found.teeth_together)

    @torch.no_grad()
    def face(self, task: FaceTask) -> Reconstruction:
        """Reconstruct one found face."""
        seconds = dict(task.seconds)
        with timed(seconds, "geometry"):
            crop, fitted = self.geometry(task.found)
        return self.finished(task, crop, fitted, seconds)

    @torch.no_grad()
    def finished(
        self, task: FaceTask, crop: Crop, fitted: LandmarkFit, seconds: dict[str, float]
    ) -> Reconstruction:
        """Eyes, appearance, relief and texture of a face whose geometry is known; `seconds` are those spent
        so far."""
        deca = self.deca
        photo, found, parameters = task.photo, task.found, fitted.parameters
        landmarks_photo = torch.from_numpy(fitted_landmarks(found, self.deca.data))
        with timed(seconds, "eyes"):
            head = deca.head_model(parameters)
            eyes = fit_eyes(photo, landmarks_photo, head, parameters, deca.head_model, crop)
            parameters = eyes.parameters
        with timed(seconds, "appearance"):
            vertices = deca.head_model(parameters).vertices
            vertices_photo = self.registration(
                vertices_in_photo(vertices, parameters.camera, crop), landmarks_photo
            )
            appearance = self.photo_texture.appearance(photo, vertices, vertices_photo, parameters)
            parameters = appearance.parameters
        with timed(seconds, "detail"):
            observation = observe(photo, vertices, vertices_photo, deca.head_model, deca.layout)
            light = shading_map(observation.normals, parameters.lighting)
            predicted = deca.albedo_model(parameters.albedo) * light
            displacement = fit_displacement(observation, predicted, parameters.lighting, self.relief_region)
        with timed(seconds, "texture"):
            texture = self.photo_texture.texture(
                photo, vertices, vertices_photo, appearance, eyes.iris_colour()
            )
        pixels_per_unit = crop.T_photo_crop[0, 0] * crop.size / 2
        return Reconstruction(
            deca=deca,
            photo=photo,
            found=found,
            crop=crop,
            parameters=parameters,
            displacement=displacement,
            texture=texture,
            residuals={"landmarks_px": fitted.residual * float(pixels_per_unit)},
            seconds=seconds,
        )
