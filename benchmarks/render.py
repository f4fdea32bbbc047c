"""Times of the head model, rasterising, rendering, detail and the dense mesh: one thread, medians.

Run: python benchmarks/render.py. Beside them stand the reference implementation's figures on such a machine
(two cores without a GPU, its rasteriser ported to the CPU).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from measure import describe_machine, median_milliseconds
from rich.console import Console
from rich.table import Table

from deca.head.albedo import AlbedoModel
from deca.head.dense import DenseModel
from deca.head.detail import DetailModel
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.io.heads import default_head
from deca.raster.rasterise import rasterise
from deca.render.camera import project
from deca.render.clay import clay_colours
from deca.render.renderer import picture, render_detailed, render_lit
from deca.render.surface import SurfaceModel
from deca.render.visibility import openness, visible_points

RUNS = 30
CROP = 224


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
    vertices = model(parameters).vertices
    # Centred, and filling the crop as a face does.
    camera = torch.cat([torch.tensor([[8.0]]), -vertices[..., :2].mean(1)], -1)
    image = project(vertices, camera)
    surface = surfaces(vertices, image, CROP, CROP)
    albedo = layout.fill(albedo_model(parameters.albedo))
    noise = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    displacement = 0.0005 * torch.nn.functional.avg_pool2d(noise, 9, 1, 4)
    normals_uv = detail(vertices, displacement)
    texel_normals = torch.nn.functional.normalize(normals_uv.flatten(2).mT, dim=-1)

    def lit_with_gradients() -> None:
        leaf = vertices.clone().requires_grad_()
        seen = surfaces(leaf, project(leaf, camera), CROP, CROP)
        render_lit(seen, albedo, parameters.lighting).image.sum().backward()

    def clay(size: int, factor: int) -> None:
        seen = surfaces(vertices, image, size * factor, size * factor)
        picture(seen, clay_colours(seen.normals), factor)

    rows: list[tuple[str, Callable[[], object], str]] = [
        ("head model", lambda: model(parameters), "1.4"),
        (
            "68 + 468 landmarks",
            lambda: (landmarks(model(parameters)), landmarks.dense(model(parameters))),
            "",
        ),
        ("albedo map 256", lambda: albedo_model(parameters.albedo), "66"),
        (
            f"rasterise {CROP}",
            lambda: rasterise(image, surfaces.triangles, CROP, CROP),
            "4.3 (kernel 2.0; PyTorch3D 1,940)",
        ),
        (f"surface {CROP}", lambda: surfaces(vertices, image, CROP, CROP), ""),
        (f"lit image {CROP}, from vertices", lambda: _lit(), ""),
        (f"lit image {CROP}, with gradients", lit_with_gradients, ""),
        ("world to UV 256", lambda: layout.to_uv(vertices), "5-8"),
        ("detail normals 256", lambda: detail(vertices, displacement), "20 (of 41 with its decoder, 21)"),
        (
            f"detailed image {CROP}, from normals",
            lambda: render_detailed(surface, albedo, normals_uv, parameters.lighting),
            "",
        ),
        (
            "visible texels 256",
            lambda: visible_points(layout.to_uv(image).flatten(2).mT, texel_normals, surface, 0.02),
            "",
        ),
        (f"dense mesh, {len(dense.copies):,} vertices", lambda: dense(vertices, displacement), ""),
        ("openness of the vertices, 48 views", lambda: openness(vertices, surfaces.triangles), ""),
        (f"clay {CROP}", lambda: clay(CROP, 1), "15"),
        ("clay 1024", lambda: clay(1024, 1), ""),
        ("clay 1024, 2 x 2 smooth", lambda: clay(1024, 2), ""),
    ]

    def _lit() -> None:
        seen = surfaces(vertices, image, CROP, CROP)
        render_lit(seen, albedo, parameters.lighting)

    sizes = f"{len(data.template_vertices):,} vertices, {len(data.triangles):,} triangles"
    title = f"{data.name}: {sizes}; {describe_machine()}"
    table = Table("what", "median ms", "reference ms", title=title)
    table.add_row("build the constants of a head", f"{building:.0f}", "")
    for name, run, reference in rows:
        table.add_row(name, f"{median_milliseconds(run, RUNS):.2f}", reference)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
