"""The integers that every rasteriser walks, so that all of them agree bit for bit.

Corners are rounded to 2^-14 of a pixel, depths to 2^-32; from there on coverage and depth are integer
arithmetic, which no compiler may reorder or fuse. A pixel belongs to a triangle when its centre lies inside
or on an edge (edge functions: Pineda 1988); the smallest depth wins, and the lowest triangle id among equals.
Depth and id share one 64-bit key, so the winner is a minimum and does not depend on the order in which
triangles are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

SUBPIXEL_BITS = 14
DEPTH_SCALE = 2.0**32
DEPTH_LIMIT = 2**39 - 1
ID_BITS = 24
EMPTY = 2**63 - 1
# A corner further out than this many subpixels (32,768 pixels) would overflow the edge functions.
COORDINATE_LIMIT = 2.0**29
SLOPE_LIMIT = 2.0**46
BASE_LIMIT = 2.0**60


@dataclass(frozen=True)
class Setup:
    """What a triangle needs to be walked: its box of pixels, three edge functions, and its plane of depth.

    `box` holds the first and last column and row (left, top, right, bottom), empty where right < left.
    `edges` are the edge functions at the box's first pixel centre, `edge_steps` what they gain a column to
    the right and a row down; all three are >= 0 inside. `depth` likewise is (value, per column, per row,
    nearest, furthest): the plane's value is kept between the last two.
    """

    box: Int[Tensor, "batch triangle 4"]
    edges: Int[Tensor, "batch triangle 3"]
    edge_steps: Int[Tensor, "batch triangle 3 2"]
    depth: Int[Tensor, "batch triangle 5"]


def triangle_setup(
    vertices_image: Float[Tensor, "batch vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    height: int,
    width: int,
) -> Setup:
    """Setup of every triangle of every face; image frame, [-1, 1] over height x width.

    A triangle that is seen exactly edge on, has a corner that is not finite, or one further out than 32,768
    pixels is not drawn. Depths beyond +-128 are drawn at 128.
    """
    one = 1 << SUBPIXEL_BITS
    wide = vertices_image.detach().double()
    size = torch.tensor([width, height], dtype=torch.float64, device=wide.device)
    position = torch.round((wide[..., :2] + 1) * (size * (one / 2)))
    usable = (position.abs() <= COORDINATE_LIMIT).all(-1) & (wide[..., 2] == wide[..., 2])
    position = torch.where(usable[..., None], position, 0).long()
    depth = torch.round((wide[..., 2] * DEPTH_SCALE).nan_to_num().clamp(-DEPTH_LIMIT, DEPTH_LIMIT)).long()

    corners, corner_depth = position[:, triangles], depth[:, triangles]
    first, last = corners.amin(2), corners.amax(2)
    limit = torch.tensor([width, height], device=wide.device) - 1
    low = ((first + (one // 2 - 1)) >> SUBPIXEL_BITS).clamp_min(0)
    high = torch.minimum((last - one // 2) >> SUBPIXEL_BITS, limit)

    x, y = corners.unbind(-1)
    ahead = [1, 2, 0]
    across, down = x[..., ahead] - x, y[..., ahead] - y
    area = across[..., 0] * -down[..., 2] + down[..., 0] * across[..., 2]
    sign = torch.where(area < 0, -1, 1)
    drawn = usable[:, triangles].all(-1) & (area != 0)
    high = torch.where(drawn[..., None], high, low - 1)

    centre = (low << SUBPIXEL_BITS) + one // 2
    offset_x, offset_y = centre[..., :1] - x, centre[..., 1:] - y
    # Edge i runs from corner i to the next one; it weighs the corner that is left over.
    edges = sign[..., None] * (across * offset_y - down * offset_x)
    steps = (sign[..., None, None] * torch.stack([-down, across], -1)) << SUBPIXEL_BITS

    area_real = area.double()
    first_rise = (corner_depth[..., 1] - corner_depth[..., 0]).double()
    second_rise = (corner_depth[..., 2] - corner_depth[..., 0]).double()
    x10, y10 = across[..., 0].double(), down[..., 0].double()
    x20, y20 = -across[..., 2].double(), -down[..., 2].double()
    slope_x = (first_rise * y20 - second_rise * y10) / area_real
    slope_y = (second_rise * x10 - first_rise * x20) / area_real
    base = corner_depth[..., 0] + (slope_x * offset_x[..., 0] + slope_y * offset_y[..., 0])
    plane = [
        (base, BASE_LIMIT),
        (slope_x * one, SLOPE_LIMIT),
        (slope_y * one, SLOPE_LIMIT),
    ]
    depths = [torch.round(value.nan_to_num().clamp(-bound, bound)).long() for value, bound in plane]
    depths += [corner_depth.amin(-1), corner_depth.amax(-1)]
    return Setup(torch.cat([low, high], -1), edges, steps, torch.stack(depths, -1))


def ids_from_keys(keys: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Triangle ids of winning keys, -1 where nothing was drawn."""
    return torch.where(keys == EMPTY, -1, keys & ((1 << ID_BITS) - 1))
