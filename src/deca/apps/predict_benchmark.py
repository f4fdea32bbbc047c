"""`deca predict-benchmark`: a benchmark's images to neutral heads, in the formats that it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import track

from deca.apps.encoding_reconstructor import EncodingReconstructor
from deca.apps.errors import UsageError, output_error
from deca.apps.evaluate_feng import LIST as FENG_LIST
from deca.apps.evaluate_now import LIST as NOW_LIST
from deca.apps.evaluate_options import Benchmark, PredictOptions, SurfaceChoice
from deca.apps.evaluate_realy import KEYPOINT_FILE
from deca.apps.network_reconstructor import NetworkReconstructor
from deca.apps.reconstruct import (
    FaceReconstructor,
    FaceTask,
    NoFaceError,
    chosen_faces,
    open_reconstructor,
)
from deca.apps.reconstruction import Reconstruction
from deca.apps.scan_predictions import read_list
from deca.conversion.asset import AssetError
from deca.conversion.registration import full_landmarks, outer_skin
from deca.conversion.surface_points import closest_barycentrics
from deca.evaluation.similarity import SEVEN_OF_68
from deca.evaluation.surface import Surface
from deca.head.data import HeadData, HeadError
from deca.io.files import whole_file
from deca.io.gltf import at_rest
from deca.io.images import PhotoError, read_photo
from deca.io.number_text import number_lines
from deca.model.deca import Deca
from deca.model.detail_decoder import enlarged
from deca.model.weights import WeightsError

_MILLIMETRES = 1000.0
_PICTURES = (".jpg", ".jpeg", ".png")
# Where a benchmark keeps its images, in the folder of its data.
_FOLDERS = {"now": ("iphone_pictures", "."), "feng": ("images", "."), "realy": ("REALY_image", ".")}
_LISTS = {"now": (NOW_LIST, ("subject", "group")), "feng": (FENG_LIST, ("group", "subject"))}
# REALY's 17 points of the cheeks, as dense landmarks: right and left below the outer lid, beside the nose
# wing, mid-cheek, from the eye towards the ear, from the mouth towards the ear, the jaw and the lower jaw,
# below the inner lid, and the chin. Where its authors' own points lie exactly is not published.
_CHEEKS = (117, 346, 203, 423, 50, 280, 143, 372, 207, 427, 214, 434, 210, 430, 121, 350, 175)


@dataclass(frozen=True)
class BenchmarkImage:
    """An image, and where its prediction goes, without suffix."""

    path: Path
    place: Path


def predict_benchmark(options: PredictOptions, console: Console) -> int:
    """Predict every image that is not done; returns how many could not be predicted.

    UsageError where nothing can be done: no images, an unusable head.
    """
    images = list(_images(options))
    if not images:
        raise UsageError(f"{options.dataset}: no images of {options.benchmark} here")
    try:
        reconstructor = open_reconstructor(options)
    except (HeadError, AssetError, WeightsError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None
    shape, failures = None, 0
    for image in track(images, "predicting", console=console):
        if Path(f"{image.place}.obj").is_file():
            continue
        try:
            photo = read_photo(image.path)
            faces = chosen_faces(reconstructor.find(photo), "largest", str(image.path))
            (result,) = reconstructor.faces([FaceTask(photo, faces[0], {})])
        except (PhotoError, NoFaceError, FileNotFoundError) as error:
            console.print(f"{error}", style="red", highlight=False)
            failures += 1
            continue
        if shape is None:
            shape = _Shape(result.deca, options.surface)
            if options.benchmark == "realy":
                _write_keypoints(options.out / KEYPOINT_FILE, result.deca.data, shape)
        shape.write(image.place, *_neutral(reconstructor, result), options.benchmark)
    return failures


def _images(options: PredictOptions) -> Iterator[BenchmarkImage]:
    if not options.dataset.is_dir():
        raise UsageError(f"{options.dataset}: no such folder")
    folders = [options.dataset / name for name in _FOLDERS[options.benchmark]]
    if options.benchmark == "realy":
        folder = next(folder for folder in folders if folder.is_dir())
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _PICTURES:
                yield BenchmarkImage(path, options.out / path.stem)
        return
    name, order = _LISTS[options.benchmark]
    listed, wrong = read_list(options.images or options.dataset / name, order)
    if wrong:
        raise UsageError(str(wrong[0].error))
    for image in listed:
        found = [folder / image.line for folder in folders if (folder / image.line).is_file()]
        yield BenchmarkImage((found or [folders[0] / image.line])[0], image.prediction(options.out))


@torch.no_grad()
def _neutral(
    reconstructor: FaceReconstructor, result: Reconstruction
) -> tuple[Float[torch.Tensor, "1 vertex 3"], Float[torch.Tensor, "1 1 size size"]]:
    """The head at rest, and the displacement that belongs to it."""
    rest = at_rest(result.parameters)
    displacement = result.displacement
    if isinstance(reconstructor, EncodingReconstructor | NetworkReconstructor):
        displacement = enlarged(reconstructor.networks.displacement(rest), displacement.shape[-1])
    return result.deca.head_model(rest).vertices, displacement


class _Shape:
    """Heads of one topology as the benchmarks take them: the outer skin, or the dense mesh with wrinkles."""

    def __init__(self, deca: Deca, surface: SurfaceChoice) -> None:
        self.deca, self.surface = deca, surface
        if surface == "coarse":
            self.triangles = deca.data.triangles[outer_skin(deca.data)]
        else:
            self.triangles = deca.dense_model.fine_triangles.numpy()
        rows = (self.triangles + 1).tolist()
        self._faces = "".join(f"f {a} {b} {c}\n" for a, b, c in rows).encode()

    def vertices(
        self,
        vertices: Float[torch.Tensor, "1 vertex 3"],
        displacement: Float[torch.Tensor, "1 1 size size"],
    ) -> Float[np.ndarray, "shown 3"]:
        """Of a head at rest, metres."""
        if self.surface == "coarse":
            return vertices[0].double().numpy()
        return self.deca.dense_model(vertices, displacement).vertices[0].double().numpy()

    def write(
        self,
        place: Path,
        vertices: Float[torch.Tensor, "1 vertex 3"],
        displacement: Float[torch.Tensor, "1 1 size size"],
        benchmark: Benchmark,
    ) -> None:
        """Write mesh and landmarks, millimetres; the mesh last, so that it says that all is there."""
        landmarks = full_landmarks(self.deca.data, vertices[0].double().numpy())[list(SEVEN_OF_68)]
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if benchmark != "realy":
                with whole_file(f"{place}.npy") as temporary, open(temporary, "wb") as stream:
                    np.save(stream, landmarks * _MILLIMETRES)
            with whole_file(f"{place}.obj") as temporary, open(temporary, "wb") as stream:
                lines = number_lines(b"v", self.vertices(vertices, displacement) * _MILLIMETRES)
                stream.write(lines.tobytes())
                stream.write(self._faces)
        except OSError as error:
            raise output_error(place.parent, error) from None


def _write_keypoints(path: Path, data: HeadData, shape: _Shape) -> None:
    """The 85 rows of REALY's keypoints on the meshes that are written."""
    if not len(data.dense_landmark_triangles):
        raise UsageError(f"REALY's keypoints need a head with dense landmarks; {data.name} has none")
    template = torch.from_numpy(data.template_vertices)[None]
    size = shape.deca.layout.size
    vertices = shape.vertices(template, torch.zeros(1, 1, size, size))
    corners = data.triangles[data.dense_landmark_triangles[list(_CHEEKS)]]
    weights = data.dense_landmark_barycentrics[list(_CHEEKS)]
    own = data.template_vertices.astype(np.float64)
    cheeks = (own[corners] * weights[..., None]).sum(1)
    points = np.concatenate([full_landmarks(data, own), cheeks])
    rows = keypoint_rows(points, vertices, shape.triangles)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(rows) + "\n")
    except OSError as error:
        raise output_error(path.parent, error) from None


def keypoint_rows(
    points: Float[np.ndarray, "point 3"],
    vertices: Float[np.ndarray, "vertex 3"],
    triangles: Int[np.ndarray, "triangle 3"],
) -> list[tuple[int, float, float]]:
    """The places of a mesh that are nearest to points, as triangle and the weights of its first two
    corners."""
    _, nearest, closest = Surface(vertices, triangles).closest(points)
    weights = closest_barycentrics(closest, *np.moveaxis(vertices[triangles[nearest]], 1, 0))
    return [
        (int(triangle), float(first), float(second))
        for triangle, (first, second, _) in zip(nearest, weights, strict=True)
    ]
