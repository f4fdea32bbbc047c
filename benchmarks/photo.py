"""Times from a photo to its files, step by step: one thread, medians, after one run that compiles and loads.

Run: python benchmarks/photo.py [PHOTO]. Without a photo it takes the astronaut.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measure import describe_machine, median_milliseconds, print_table
from torch import Tensor

from deca.apps.reconstruct import Reconstructor
from deca.apps.reconstruction import Reconstruction
from deca.apps.sheet import draw_sheet
from deca.geometry import vertex_normals
from deca.io.files import data_file
from deca.io.gltf import write_glb
from deca.io.images import read_photo
from deca.io.maps import encode_normals
from deca.io.networks import face_detector, face_landmarker
from deca.io.obj import write_obj
from deca.photo.crop import crop_image, landmark_crop
from deca.photo.detect import detect, whole_view
from deca.photo.faces import find_faces
from deca.photo.landmarks import landmarks
from deca.photo.sampling import Photo
from deca.raster.rasterise import rasterise
from deca.render.camera import project
from deca.render.renderer import render_detailed

RUNS = 7
# The published implementation on two cores without a GPU, its rasteriser ported to the CPU, milliseconds.
REFERENCE = {
    "loading head, networks and layouts (once)": 1850,
    "rasterise the head at 224": 4.3,
    "detail.obj and coarse.obj written": 383,
    "all files of the face": 383,  # of OBJ alone
}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else data_file("astronaut.jpg")
    started = time.perf_counter()
    reconstructor = Reconstructor()
    loading = 1000 * (time.perf_counter() - started)
    photo = read_photo(path)
    results = [reconstructor.photo(photo, "largest")[0] for _ in range(RUNS + 1)][1:]
    rows = {"loading head, networks and layouts (once)": loading}
    rows |= finding(path, photo) | fitting(results) | decoding(results[0]) | writing(results[0])
    print_table(f"{path.name}: {describe_machine()}", rows, REFERENCE)


def finding(path: Path, photo: Photo) -> dict[str, float]:
    """From the file to landmarks and crop."""
    views = [whole_view(photo.shape[0], photo.shape[1])]
    detection = detect(photo, views, face_detector())[0]
    crop = landmark_crop(find_faces(photo, face_detector(), face_landmarker())[0].ibug68)
    return {
        "reading the photo": timed(lambda: read_photo(path)),
        "detection: network and boxes": timed(lambda: detect(photo, views, face_detector())),
        "landmarks of one face: two passes, each with its mirror image": timed(
            lambda: landmarks(photo, detection, face_landmarker())
        ),
        "finding all faces with their landmarks": timed(
            lambda: find_faces(photo, face_detector(), face_landmarker())
        ),
        "crop at 224": timed(lambda: crop_image(photo, crop)),
    }


def fitting(results: list[Reconstruction]) -> dict[str, float]:
    """The steps as the reconstructions timed themselves."""

    def step(*names: str) -> float:
        return 1000 * float(np.median([sum(one.seconds[name] for name in names) for one in results]))

    return {
        "geometry from landmarks": step("geometry"),
        "eyes": step("eyes"),
        "albedo and light": step("appearance"),
        "coarse fit: geometry, eyes, albedo and light": step("geometry", "eyes", "appearance"),
        "displacement from shading, 512": step("detail"),
        "texture, 1024": step("texture"),
        "everything, files left out": step(*results[0].seconds),
    }


def decoding(result: Reconstruction) -> dict[str, float]:
    """From parameters to images, with maps of 512 texels."""
    deca, parameters = result.deca, result.parameters
    size = result.crop.size

    def decode() -> Tensor:
        head = deca.head_model(parameters)
        deca.landmarks(head)
        deca.albedo_model(parameters.albedo)
        deca.detail_model(head.vertices, result.displacement)
        return head.vertices

    with torch.no_grad():
        vertices = decode()
        image = project(vertices, parameters.camera)
        albedo = deca.layout.fill(deca.albedo_model(parameters.albedo))
        normals = deca.detail_model(vertices, result.displacement)

    def render() -> None:
        surface = deca.surface_model(vertices, image, size, size)
        render_detailed(surface, albedo, normals, parameters.lighting)

    return {
        "decode: head, landmarks, albedo and detail normals at 512": timed(decode),
        "rasterise the head at 224": timed(lambda: rasterise(image, deca.head_model.triangles, size, size)),
        "render: lit detailed image at 224, from vertices": timed(render),
    }


def writing(result: Reconstruction) -> dict[str, float]:
    """The files of a face, the larger ones also each for itself."""
    deca, data, opening = result.deca, result.deca.data, result.parameters
    with torch.no_grad():
        head = deca.head_model(opening)
        dense = deca.dense_model(head.vertices, result.displacement)
        normal_map = encode_normals(result.detail.tangent_normals()[0].numpy())
        normals = vertex_normals(head.vertices, deca.head_model.triangles)[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        glb, detail, coarse = (Path(folder) / name for name in ("head.glb", "detail.obj", "coarse.obj"))

        def write_meshes() -> None:
            write_obj(
                detail,
                dense.vertices[0].numpy(),
                dense.triangles.numpy(),
                dense.texture_vertices.numpy(),
                dense.texture_triangles.numpy(),
                "texture.png",
            )
            write_obj(
                coarse,
                head.vertices[0].numpy(),
                data.triangles,
                data.texture_vertices,
                data.texture_triangles,
                "texture.png",
                normals,
            )

        # A copy each time: a reconstruction keeps what it has computed once.
        return {
            "sheet.png drawn": timed(lambda: draw_sheet(replace(result))),
            "head.glb written": timed(
                lambda: write_glb(glb, deca.head_model, opening, result.texture, normal_map)
            ),
            "detail.obj and coarse.obj written": timed(write_meshes),
            "all files of the face": timed(lambda: replace(result).save(Path(folder) / "face")),
        }


def timed(function: Callable[[], object]) -> float:
    """Median milliseconds of a call without gradients."""
    with torch.no_grad():
        return median_milliseconds(function, RUNS)


if __name__ == "__main__":
    main()
