"""The rasteriser on CUDA, in Triton: a small program for each triangle, an atomic minimum a pixel."""

from __future__ import annotations

from typing import no_type_check

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from jaxtyping import Float, Int
from torch import Tensor

from deca.raster.setup import EMPTY, ID_BITS, ids_from_keys, triangle_setup

_TILE_ROWS = 4
_TILE_COLUMNS = 8


def rasterise(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Int[Tensor, "batch {height} {width}"]:
    """Which triangle covers each pixel: its id, or -1; rules and limits as in `deca.raster.setup`."""
    setup = triangle_setup(vertices_image, triangles, height, width)
    batch, count = setup.box.shape[:2]
    records = torch.cat([setup.box, setup.edges, setup.edge_steps.flatten(2), setup.depth], -1).contiguous()
    keys = torch.full((batch, height, width), EMPTY, dtype=torch.int64, device=vertices_image.device)
    if batch * count:
        _draw[(batch * count,)](  # pyright: ignore[reportIndexIssue]
            records,
            keys,
            count,
            height,
            width,
            RECORD=records.shape[-1],
            ID_BITS=ID_BITS,
            ROWS=_TILE_ROWS,
            COLUMNS=_TILE_COLUMNS,
            num_warps=1,
        )
    return ids_from_keys(keys)


@triton.jit
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _draw(
    records,
    keys,
    count,
    height,
    width,
    RECORD: tl.constexpr,
    ID_BITS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    program = tl.program_id(0).to(tl.int64)
    face, triangle = program // count, program % count
    record = records + program * RECORD
    left, top, right, bottom = tl.load(record), tl.load(record + 1), tl.load(record + 2), tl.load(record + 3)
    edge0, edge1, edge2 = tl.load(record + 4), tl.load(record + 5), tl.load(record + 6)
    right0, down0 = tl.load(record + 7), tl.load(record + 8)
    right1, down1 = tl.load(record + 9), tl.load(record + 10)
    right2, down2 = tl.load(record + 11), tl.load(record + 12)
    depth, depth_right, depth_down = tl.load(record + 13), tl.load(record + 14), tl.load(record + 15)
    nearest, furthest = tl.load(record + 16), tl.load(record + 17)
    tile_dx = tl.arange(0, COLUMNS).to(tl.int64)[None, :]
    tile_dy = tl.arange(0, ROWS).to(tl.int64)[:, None]
    for first_row in range(top, bottom + 1, ROWS):
        dy = first_row - top + tile_dy
        for first_column in range(left, right + 1, COLUMNS):
            dx = first_column - left + tile_dx
            inside = (left + dx <= right) & (top + dy <= bottom)
            inside = inside & (edge0 + right0 * dx + down0 * dy >= 0)
            inside = inside & (edge1 + right1 * dx + down1 * dy >= 0)
            inside = inside & (edge2 + right2 * dx + down2 * dy >= 0)
            value = tl.minimum(tl.maximum(depth + depth_right * dx + depth_down * dy, nearest), furthest)
            pixel = (face * height + top + dy) * width + left + dx
            tl.atomic_min(keys + pixel, (value << ID_BITS) | triangle, mask=inside)
