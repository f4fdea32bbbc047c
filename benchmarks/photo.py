"""Times from a photo to its files, step by step: one thread, medians, after one run that compiles and loads.

Run: python benchmarks/photo.py [PHOTO]. Without a photo it takes the astronaut.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import describe_machine, median_milliseconds
from rich.console import Console
from rich.table import Table

from deca.apps.reconstruct import Reconstructor
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
from deca.raster.rasterise import rasterise
from deca.render.camera import project
from deca.render.renderer import render_detailed

RUNS = 7
# Figures of the project's design for such a machine, and the bars.
BARS = {
    "detection: network and boxes": "3.9 (network alone)",
    "landmarks of one face: two passes, each with its mirror image": "3.9 (one run of the network)",
    "rasterise the head at 224": "1.2 (numba), 2.0 (reference, C++)",
    "decode: head, landmarks, albedo and detail normals at 512": "277 (reference, with both encoders)",
    "all files of the face": "383 (reference, OBJ alone)",
    "coarse fit: geometry, eyes, albedo and light": "3000",
    "everything, files left out": "15000",
}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else data_file("astronaut.jpg")
    started = time.perf_counter()
    reconstructor = Reconstructor()
    loading = 1000 * (time.perf_counter() - started)
    deca = reconstructor.deca
    photo = read_photo(path)
    views = [whole_view(photo.shape[0], photo.shape[1])]
    detection = detect(photo, views, face_detector())[0]
    results = [reconstructor.photo(photo, "largest")[0] for _ in range(RUNS + 1)][1:]
    result = results[0]
    crop = landmark_crop(result.found.ibug68)
    opening = result.parameters
    with torch.no_grad():
        vertices = deca.head_model(opening).vertices
        normal_map = encode_normals(
            deca.detail_model.tangent_normals(vertices, result.displacement)[0].numpy()
        )
        dense = deca.dense_model(vertices, result.displacement)
    normals = vertex_normals(vertices, deca.head_model.triangles)[0].numpy()

    image = project(vertices, opening.camera)
    albedo = deca.layout.fill(deca.albedo_model(opening.albedo))
    detail_normals = deca.detail_model(vertices, result.displacement)

    def decode() -> None:
        head = deca.head_model(opening)
        deca.landmarks(head)
        deca.albedo_model(opening.albedo)
        deca.detail_model(head.vertices, result.displacement)

    def render() -> None:
        surface = deca.surface_model(vertices, image, crop.size, crop.size)
        render_detailed(surface, albedo, detail_normals, opening.lighting)

    def step(*names: str) -> float:
        return 1000 * float(np.median([sum(one.seconds[name] for name in names) for one in results]))

    with tempfile.TemporaryDirectory() as folder:
        glb, obj = Path(folder) / "head.glb", Path(folder) / "detail.obj"
        rows = {
            "loading head, networks and layouts (once)": loading,
            "reading the photo": timed(lambda: read_photo(path)),
            "detection: network and boxes": timed(lambda: detect(photo, views, face_detector())),
            "landmarks of one face: two passes, each with its mirror image": timed(
                lambda: landmarks(photo, detection, face_landmarker())
            ),
            "finding all faces with their landmarks": timed(
                lambda: find_faces(photo, face_detector(), face_landmarker())
            ),
            "crop at 224": timed(lambda: crop_image(photo, crop)),
            "geometry from landmarks": step("geometry"),
            "eyes": step("eyes"),
            "albedo and light": step("appearance"),
            "coarse fit: geometry, eyes, albedo and light": step("geometry", "eyes", "appearance"),
            "displacement from shading, 512": step("detail"),
            "texture, 1024": step("texture"),
            "everything, files left out": step(*result.seconds),
            "decode: head, landmarks, albedo and detail normals at 512": timed(decode),
            "rasterise the head at 224": timed(
                lambda: rasterise(image, deca.head_model.triangles, crop.size, crop.size)
            ),
            "render: lit detailed image at 224, from vertices": timed(render),
            "sheet.png drawn": timed(lambda: draw_sheet(result)),
            "head.glb written": timed(
                lambda: write_glb(glb, deca.head_model, opening, result.texture, normal_map)
            ),
            "detail.obj written (dense mesh)": timed(
                lambda: write_obj(
                    obj,
                    dense.vertices[0].numpy(),
                    dense.triangles.numpy(),
                    dense.texture_vertices.numpy(),
                    dense.texture_triangles.numpy(),
                    "texture.png",
                )
            ),
            "coarse.obj written": timed(
                lambda: write_obj(
                    obj,
                    vertices[0].numpy(),
                    deca.data.triangles,
                    deca.data.texture_vertices,
                    deca.data.texture_triangles,
                    "texture.png",
                    normals,
                )
            ),
            "all files of the face": timed(lambda: result.save(Path(folder) / "face")),
        }
    table = Table("step", "ms", "bar or design figure, ms", title=f"{path.name}: {describe_machine()}")
    for name, value in rows.items():
        table.add_row(name, f"{value:.1f}", BARS.get(name, ""))
    Console(width=110).print(table)


def timed(function: Callable[[], object]) -> float:
    """Median milliseconds of a call without gradients."""
    with torch.no_grad():
        return median_milliseconds(function, RUNS)


if __name__ == "__main__":
    main()
