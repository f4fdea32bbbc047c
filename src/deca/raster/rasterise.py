"""Which triangle covers a pixel, by the fastest rasteriser of the device the vertices are on."""

from __future__ import annotations

from importlib.util import find_spec

from jaxtyping import Float, Int
from torch import Tensor

from deca.raster import cpu, reference
from deca.raster.setup import ID_BITS


def rasterise(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Int[Tensor, "batch {height} {width}"]:
    """Ids of the nearest triangles at the pixel centres, -1 where there is none.

    Image frame: x right, y down, [-1, 1] over the image, smaller z nearer; back faces are drawn. The result
    is the same on every device, to the last pixel. No gradient runs through it: see `deca.raster.fragments`.
    """
    if len(triangles) >= 1 << ID_BITS:
        raise ValueError(f"{len(triangles)} triangles are too many to draw: at most {(1 << ID_BITS) - 1}")
    if vertices_image.device.type == "cpu":
        return cpu.rasterise(vertices_image, triangles, height, width)
    if vertices_image.device.type == "cuda" and find_spec("triton") is not None:
        from deca.raster import cuda

        return cuda.rasterise(vertices_image, triangles, height, width)
    return reference.rasterise(vertices_image, triangles, height, width)
