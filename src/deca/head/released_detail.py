"""Detail as DECA's released code has it: D limited by a mask, a fixed map added, normals of the texel grid.

The default is `deca.head.detail`: the paper's M + D N, with normals in which no facet of the grid shows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deca.geometry import area_normals

DETAIL_SIZE = 256
"""Texels a side of every map here: the grid's bounds belong to it."""
# The part of the map that the grid covers; beyond it a detail normal is zero.
_ROWS, _COLUMNS = slice(5, 251), slice(2, 254)
# A normal is divided by the length of the cross products' sum, but by no less than this many square metres.
_LEAST_AREA = 1e-6


def released_vertex_normals(
    vertices: Float[Tensor, "batch vertex 3"], triangles: Int[Tensor, "triangle 3"]
) -> Float[Tensor, "batch vertex 3"]:
    """Vertex normals, shorter than one where the triangles around measure less than half a square millimetre
    together."""
    return torch.nn.functional.normalize(area_normals(vertices, triangles), dim=-1, eps=_LEAST_AREA)


def released_displacement(
    displacement: Float[Tensor, "batch 1 256 256"], fixed: Float[Tensor, "256 256"]
) -> Float[Tensor, "batch 1 256 256"]:
    """The displacement that is written to files and moves the dense mesh: D plus the fixed map, metres."""
    return displacement + fixed


def released_detail_normals(
    vertices_uv: Float[Tensor, "batch 3 256 256"],
    normals_uv: Float[Tensor, "batch 3 256 256"],
    displacement: Float[Tensor, "batch 1 256 256"],
    mask: Float[Tensor, "256 256"],
    fixed: Float[Tensor, "256 256"],
) -> Float[Tensor, "batch 3 256 256"]:
    """Normals of the surface M + (D mask + fixed) N, blended by the mask with the coarse normals N.

    M and N are the coarse head's positions (metres) and vertex normals as UV maps, the displacements metres;
    `mask` is 1 on face and eyes. The result is in the head frame and not normalised again.
    """
    surface = vertices_uv + (displacement * mask + fixed) * normals_uv
    return grid_normals(surface) * mask + normals_uv * (1 - mask)


def grid_normals(surface: Float[Tensor, "batch 3 256 256"]) -> Float[Tensor, "batch 3 256 256"]:
    """Vertex normals of the grid of texels, each square cut from its lower left to its upper right; zero
    beside the grid."""
    part = surface[:, :, _ROWS, _COLUMNS]
    here, right = part[..., :-1, :-1], part[..., :-1, 1:]
    down, across = part[..., 1:, :-1], part[..., 1:, 1:]
    first, second = _cross(down - here, right - here), _cross(down - right, across - right)
    both = first + second
    total = torch.zeros_like(part)
    total[..., :-1, :-1] += first
    total[..., :-1, 1:] += both
    total[..., 1:, :-1] += both
    total[..., 1:, 1:] += second
    # Plane by plane: fifty times faster than a norm over the second axis.
    x, y, z = total.unbind(1)
    length = (x * x + y * y + z * z).clamp_min(_LEAST_AREA**2).sqrt()
    normals = torch.zeros_like(surface)
    normals[:, :, _ROWS, _COLUMNS] = total / length[:, None]
    return normals


def _cross(
    a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    # Plane by plane, as above: torch.linalg.cross walks across them.
    (ax, ay, az), (bx, by, bz) = a.unbind(1), b.unbind(1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)
