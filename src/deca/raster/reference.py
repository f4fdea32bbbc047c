"""The rasteriser in plain PyTorch: slow, on any device, and the definition of correct."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.raster.setup import EMPTY, ID_BITS, ids_from_keys, triangle_setup

# Pairs of a triangle and a pixel tested at once: bounds the memory at about 100 MB whatever is drawn.
CHUNK = 1 << 19


def rasterise(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Int[Tensor, "batch {height} {width}"]:
    """Which triangle covers each pixel: its id, or -1; rules and limits as in `deca.raster.setup`."""
    setup = triangle_setup(vertices_image, triangles, height, width)
    batch, count = setup.box.shape[:2]
    left, top, right, bottom = setup.box.flatten(0, 1).unbind(-1)
    columns, rows = (right - left + 1).clamp_min(0), (bottom - top + 1).clamp_min(0)
    ends = (columns * rows).cumsum(0)
    edges, steps, depths = (
        setup.edges.flatten(0, 1),
        setup.edge_steps.flatten(0, 1),
        setup.depth.flatten(0, 1),
    )
    keys = torch.full((batch * height * width,), EMPTY, dtype=torch.int64, device=vertices_image.device)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, CHUNK):
        pair = torch.arange(start, min(start + CHUNK, total), device=keys.device)
        row_id = torch.searchsorted(ends, pair, right=True)
        within = pair - (ends[row_id] - (columns * rows)[row_id])
        dx, dy = within % columns[row_id], within // columns[row_id]
        value = edges[row_id] + steps[row_id, :, 0] * dx[:, None] + steps[row_id, :, 1] * dy[:, None]
        inside = (value >= 0).all(-1)
        row_id, dx, dy = row_id[inside], dx[inside], dy[inside]
        plane = depths[row_id]
        depth = plane[:, 0] + plane[:, 1] * dx + plane[:, 2] * dy
        depth = torch.minimum(torch.maximum(depth, plane[:, 3]), plane[:, 4])
        face, triangle = row_id // count, row_id % count
        pixel = (face * height + top[row_id] + dy) * width + left[row_id] + dx
        keys.scatter_reduce_(0, pixel, (depth << ID_BITS) | triangle, "amin")
    return ids_from_keys(keys).view(batch, height, width)
