"""Several photos of one person to one head: shape, albedo, texture and relief of all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from deca.animation.wrinkles import Wrinkles, explaining_code
from deca.apps.errors import UsageError, output_error
from deca.apps.options import ReconstructOptions
from deca.apps.photo_list import list_jobs
from deca.apps.reconstruct import (
    FaceTask,
    NoFaceError,
    Reconstructor,
    chosen_faces,
    fitted_landmarks,
    timed,
)
from deca.apps.reconstruction import Reconstruction
from deca.apps.stream import in_order, threads_shared
from deca.conversion.asset import AssetError
from deca.fitting.appearance import AppearanceFit, shading_map
from deca.fitting.displacement import fit_displacement
from deca.fitting.eyes import fit_eyes
from deca.fitting.landmarks import LandmarkFit
from deca.fitting.merging import merged_relief
from deca.fitting.observation import Observation, observe, vertices_in_photo
from deca.fitting.photo_texture import PhotoView
from deca.fitting.several import fit_same_person
from deca.head.data import HeadError
from deca.io.default_networks import default_networks
from deca.io.files import whole_folder
from deca.io.gltf import at_rest
from deca.io.heads import default_head
from deca.io.images import PhotoError, read_photo
from deca.io.parameter_files import write_parameters
from deca.parameters import Parameters
from deca.photo.crop import Crop, crop_image, landmark_crop
from deca.photo.face_area import face_size
from deca.photo.quality import blur
from deca.photo.sampling import transform_points

_GOOD_SIZE = 250.0
"""A face of so many pixels shows all that a texture and relief take from it."""
_LEAST_WEIGHT = 0.1
_BLUR_SIZE = 224
Item = TypeVar("Item")
Result = TypeVar("Result")


def reconstruct_person(options: ReconstructOptions, console: Console) -> int:
    """`deca reconstruct --same-person`: one folder for all photos; returns how many photos failed.

    The folder has the name of the first photo, and holds what `deca reconstruct` writes of the best photo,
    and in photos/ the parameters of each one. A photo that fails is told of in one line and left out. Raises
    UsageError where nothing can be done and OutputError where writing fails.
    """
    if options.model != "fit" or options.engine != "threads":
        raise UsageError("--same-person fits the head: it goes with --model fit and --engine threads alone")
    jobs = list_jobs(options.photos)
    folder = options.out / jobs[0].name
    if folder.exists() and not options.overwrite:
        console.print(f"{folder} is there already; --overwrite does it again", highlight=False)
        return 0
    try:
        reconstructor = Reconstructor(options.head, options.texture_size)
    except (HeadError, AssetError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    tasks, names, failed = [], [], 0
    for job in jobs:
        try:
            photo = read_photo(job.photo)
            tasks.append(
                FaceTask(photo, chosen_faces(reconstructor.find(photo), "largest", str(job.photo))[0], {})
            )
            names.append(job.name)
        except (PhotoError, FileNotFoundError, NoFaceError) as error:
            console.print(f"deca: {error}", highlight=False)
            failed += 1
    if not tasks:
        raise UsageError("none of the photos shows a face")
    results = reconstruct_same_person(reconstructor, tasks)
    try:
        with whole_folder(folder) as parts:
            results[0].write(parts, options.pose)
            (parts / "photos").mkdir()
            for task, name in zip(tasks, names, strict=True):
                own = next(result for result in results if result.found is task.found)
                write_parameters(parts / "photos" / f"{name}.json", own.record(None), own.deca.data)
    except OSError as error:
        raise output_error(options.out, error) from None
    console.print(f"{folder}: {len(tasks)} photos", highlight=False)
    return failed


@dataclass(frozen=True)
class _View:
    """One photo on the way."""

    task: FaceTask
    crop: Crop
    weight: float
    fitted: LandmarkFit
    parameters: Parameters
    iris_colour: Float[Tensor, "3"] | None
    vertices: Float[Tensor, "1 vertex 3"]
    vertices_photo: Float[Tensor, "vertex 3"]
    appearance: AppearanceFit


@torch.no_grad()
def reconstruct_same_person(reconstructor: Reconstructor, tasks: Sequence[FaceTask]) -> list[Reconstruction]:
    """One person's face in several photos: a reconstruction for each photo, the best photo's first.

    All have the same shape, albedo, detail code, texture and relief; each has its own camera, pose, jaw,
    expression, gaze and light, and the displacement is the person's under the photo's expression. Photos
    count by the size and the sharpness of the face. `tasks` hold at least one face.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "geometry"):
        crops = [landmark_crop(task.found.ibug68) for task in tasks]
        weights = [photo_weight(task, crop) for task, crop in zip(tasks, crops, strict=True)]
        points = [
            torch.from_numpy(
                transform_points(crop.T_image_photo, fitted_landmarks(task.found, reconstructor.deca.data))
            )
            for task, crop in zip(tasks, crops, strict=True)
        ]
        together = [task.found.teeth_together for task in tasks]
        fits = fit_same_person(reconstructor.deca.head_model, points, weights, teeth_together=together)
    with timed(seconds, "appearance"):
        views = _side_by_side(
            lambda photo: _view(reconstructor, *photo), list(zip(tasks, crops, weights, fits, strict=True))
        )
        views = _in_one_albedo(reconstructor, sorted(views, key=lambda view: -view.weight))
    with timed(seconds, "detail"):
        displacements, code = _relief(reconstructor, views)
    with timed(seconds, "texture"):
        pictures = [
            PhotoView(view.task.photo, view.vertices, view.vertices_photo, view.appearance, view.weight)
            for view in views
        ]
        seen = _side_by_side(partial(reconstructor.photo_texture.seen, like=views[0].appearance), pictures)
        iris = next((view.iris_colour for view in views if view.iris_colour is not None), None)
        texture = reconstructor.photo_texture.merged(seen, 0, iris)
    each = {step: value / len(views) for step, value in seconds.items()}
    results = []
    for view, displacement in zip(views, displacements, strict=True):
        pixels_per_unit = float(view.crop.T_photo_crop[0, 0] * view.crop.size / 2)
        results.append(
            Reconstruction(
                deca=reconstructor.deca,
                photo=view.task.photo,
                found=view.task.found,
                crop=view.crop,
                parameters=view.appearance.parameters.replace(detail=code),
                displacement=displacement,
                texture=texture,
                residuals={"landmarks_px": view.fitted.residual * pixels_per_unit},
                seconds=view.task.seconds | each,
            )
        )
    return results


def photo_weight(task: FaceTask, crop: Crop) -> float:
    """How much a photo says of a person, up to 1: by the size of the face and how sharp it is."""
    picture = crop_image(task.photo, crop.resized(_BLUR_SIZE))[0].permute(1, 2, 0).clamp(0, 1)
    sharp = 1 - blur((picture.numpy() * 255).astype("uint8"))
    size = min(1.0, face_size(task.found.dense468) / _GOOD_SIZE)
    return max(_LEAST_WEIGHT, 2 * sharp * size) if sharp < 0.5 else max(_LEAST_WEIGHT, size)


def _view(
    reconstructor: Reconstructor, task: FaceTask, crop: Crop, weight: float, fitted: LandmarkFit
) -> _View:
    """Eyes and appearance of one photo whose geometry is known."""
    deca, photo = reconstructor.deca, task.photo
    landmarks_photo = torch.from_numpy(fitted_landmarks(task.found, deca.data))
    head = deca.head_model(fitted.parameters)
    eyes = fit_eyes(photo, landmarks_photo, head, fitted.parameters, deca.head_model, crop)
    vertices = deca.head_model(eyes.parameters).vertices
    vertices_photo = reconstructor.registration(
        vertices_in_photo(vertices, eyes.parameters.camera, crop), landmarks_photo
    )
    appearance = reconstructor.photo_texture.appearance(photo, vertices, vertices_photo, eyes.parameters)
    return _View(
        task, crop, weight, fitted, eyes.parameters, eyes.iris_colour(), vertices, vertices_photo, appearance
    )


def _in_one_albedo(reconstructor: Reconstructor, views: Sequence[_View]) -> list[_View]:
    """The views with the mean albedo, by weight and skin that is seen, each in its own light."""
    shares = torch.tensor([view.weight * float(view.appearance.skin.sum()) + 1e-6 for view in views])
    albedos = torch.cat([view.appearance.parameters.albedo for view in views])
    albedo = (shares / shares.sum()) @ albedos

    def lit(view: _View) -> _View:
        parameters = view.parameters.replace(albedo=albedo[None])
        appearance = reconstructor.photo_texture.light(
            view.task.photo, view.vertices, view.vertices_photo, parameters
        )
        return replace(view, appearance=appearance)

    return _side_by_side(lit, views)


def _relief(
    reconstructor: Reconstructor, views: Sequence[_View]
) -> tuple[list[Float[Tensor, "1 1 size size"]], Float[Tensor, "1 detail"]]:
    """The person's displacement under each photo's expression, and the detail code that explains them."""
    deca = reconstructor.deca

    def relief_of(view: _View) -> tuple[Float[Tensor, "1 1 size size"], Observation]:
        seen = observe(view.task.photo, view.vertices, view.vertices_photo, deca.head_model, deca.layout)
        parameters = view.appearance.parameters
        light = shading_map(seen.normals, parameters.lighting)
        predicted = deca.albedo_model(parameters.albedo) * light
        relief = fit_displacement(seen, predicted, parameters.lighting, reconstructor.relief_region)
        return relief, seen

    reliefs, observations = zip(*_side_by_side(relief_of, views), strict=True)
    weights = [view.weight for view in views]
    faces = [view.appearance.parameters for view in views]
    if deca.data.name != default_head().name:
        merged = merged_relief(reliefs, observations, weights)
        return [merged] * len(views), faces[0].detail
    networks = default_networks()
    code = explaining_code(torch.cat(reliefs), _together(faces), networks.detail_decoder)
    rest = at_rest(faces[0]).replace(detail=code)
    own = [
        Wrinkles(relief, face.replace(detail=code), networks.displacement)
        for relief, face in zip(reliefs, faces, strict=True)
    ]
    merged = merged_relief([wrinkles.under(rest) for wrinkles in own], observations, weights)
    wrinkles = Wrinkles(merged, rest, networks.displacement)
    return [wrinkles.under(face) for face in faces], code


def _side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of each photo, in their order, on as many threads as PyTorch has for one."""
    workers = torch.get_num_threads()
    with threads_shared(workers):
        # Gradients are switched off for each thread by itself.
        return list(in_order(torch.no_grad()(work), items, workers))


def _together(faces: Sequence[Parameters]) -> Parameters:
    """Single faces as a batch."""
    return Parameters(
        **{name: torch.cat([getattr(face, name) for face in faces]) for name in faces[0].__dataclass_fields__}
    )
