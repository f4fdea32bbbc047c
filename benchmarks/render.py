"""Times of the head model, rasterising, rendering, detail and the dense mesh: one thread, medians.

Run: python benchmarks/render.py. Beside them stand the reference implementation's figures on such a machine
(two cores without a GPU, its rasteriser ported to the CPU).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from measure import describe_machine, median_milliseconds, print_table

from deca.head.albedo import AlbedoModel
from deca.head.dense import DenseModel
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.raster.rasterise import rasterise
from deca.render.camera import project
from deca.render.openness import openness
from deca.render.pictures import clay, look
from deca.render.renderer import render_detailed, render_lit
from deca.render.surface import SurfaceModel
from deca.render.visibility import visible_points

RUNS = 30
CROP = 224
# The published implementation on two cores without a GPU, its rasteriser ported to the CPU, milliseconds.
REFERENCE = {
    "head model": 1.4,
    "albedo map 256": 66,
    f"rasterise {CROP}": 4.3,  # its kernel alone 2.0; with PyTorch3D 1,940
    "world to UV 256": 5,
    "detail normals 256": 20,  # 41 with the decoder, which alone takes 21
    # 277 with both encoders, which alone take 114; its detail decoder and pictures of the shape are in it.
    f"decode: head, landmarks, albedo and detail normals 256, detailed image {CROP}": 163,
    f"two clay pictures {CROP}, 2 x 2 samples": 15,  # one picture, one sample
}


def main() -> None:
    """Measure everything once and print the table."""
    torch.set_num_threads(1)
    data = default_head()
    started = time.perf_counter()
    model, surfaces, landmarks = HeadModel(data), SurfaceModel(data), HeadLandmarks(data)
    layout = UVLayout(data, 256)
    albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, 256)
    detail, dense = DetailModel(data, layout), DenseModel(data, layout)
    building = 1000 * (time.perf_counter() - started)

    parameters = model.neutral()
    parameters = parameters.replace(pose=torch.tensor([[0.1, 0.4, 0.0]]))
    head = model(parameters)
    vertices = head.vertices
    # Centred, and filling the crop as a face does.
    camera = torch.cat([torch.tensor([[8.0]]), -vertices[..., :2].mean(1)], -1)
    image = project(vertices, camera)
    surface = surfaces(vertices, image, CROP, CROP)
    albedo = layout.fill(albedo_model(parameters.albedo))
    noise = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    displacement = 0.0005 * torch.nn.functional.avg_pool2d(noise, 9, 1, 4)
    normals_uv = detail(vertices, displacement)
    open_sky = openness(vertices, surfaces.triangles)
    texture = np.full((512, 512, 3), 200, np.uint8)
    texel_normals = torch.nn.functional.normalize(normals_uv.flatten(2).mT, dim=-1)

    def lit_with_gradients() -> None:
        leaf = vertices.clone().requires_grad_()
        seen = surfaces(leaf, project(leaf, camera), CROP, CROP)
        render_lit(seen, albedo, parameters.lighting).image.sum().backward()

    def lit() -> None:
        render_lit(surfaces(vertices, image, CROP, CROP), albedo, parameters.lighting)

    def pictures() -> None:
        seen = look(data, vertices, image, open_sky, CROP)
        clay(seen, texture, normals_uv[0].numpy())

    def decode() -> None:
        head = model(parameters)
        landmarks(head)
        maps = layout.fill(albedo_model(parameters.albedo)), detail(head.vertices, displacement)
        seen = surfaces(head.vertices, project(head.vertices, camera), CROP, CROP)
        render_detailed(seen, *maps, parameters.lighting)

    rows: dict[str, Callable[[], object]] = {
        "head model": lambda: model(parameters),
        "68 and 468 landmarks": lambda: (landmarks(head), landmarks.dense(head)),
        "albedo map 256": lambda: albedo_model(parameters.albedo),
        f"rasterise {CROP}": lambda: rasterise(image, surfaces.triangles, CROP, CROP),
        f"surface {CROP}": lambda: surfaces(vertices, image, CROP, CROP),
        f"lit image {CROP}, from vertices": lit,
        f"lit image {CROP}, with gradients": lit_with_gradients,
        "world to UV 256": lambda: layout.to_uv(vertices),
        "detail normals 256": lambda: detail(vertices, displacement),
        f"detailed image {CROP}, from normals": lambda: render_detailed(
            surface, albedo, normals_uv, parameters.lighting
        ),
        f"decode: head, landmarks, albedo and detail normals 256, detailed image {CROP}": decode,
        "visible texels 256": lambda: visible_points(
            layout.to_uv(image).flatten(2).mT, texel_normals, surface, 0.02
        ),
        f"dense mesh, {len(dense.copies):,} vertices": lambda: dense(vertices, displacement),
        "openness of the vertices, 48 views": lambda: openness(vertices, surfaces.triangles),
        f"two clay pictures {CROP}, 2 x 2 samples": pictures,
    }
    sizes = f"{len(data.template_vertices):,} vertices, {len(data.triangles):,} triangles"
    measured = {"build the constants of a head": building}
    for name, run in rows.items():
        with torch.set_grad_enabled("gradients" in name):
            measured[name] = median_milliseconds(run, RUNS)
    print_table(f"{data.name}: {sizes}; {describe_machine()}", measured, REFERENCE)


if __name__ == "__main__":
    main()
