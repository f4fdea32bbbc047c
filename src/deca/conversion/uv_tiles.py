"""UV tiles side by side, as film models have them, brought onto the one map of a head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

# What is left free around each tile, in units of the map.
_MARGIN = 0.002


def one_map(
    triangle_uv: Float[np.ndarray, "triangle 3 2"],
) -> tuple[Float[np.ndarray, "texture_vertex 2"], Int[np.ndarray, "triangle 3"]]:
    """Texture vertices in [0, 1] and their triangles, of (u, v) corner by corner.

    A layout in one tile stays as it is; several are made smaller and put in a square grid.
    """
    _, tile = np.unique(np.floor(triangle_uv.mean(1)), axis=0, return_inverse=True)
    tile = tile.ravel()
    within = (triangle_uv - np.floor(triangle_uv.mean(1))[:, None]).clip(0, 1)
    side = int(np.ceil(np.sqrt(tile.max() + 1)))
    if side > 1:
        corner = np.stack([tile % side, side - 1 - tile // side], 1)[:, None] / side
        within = corner + _MARGIN + within * (1 / side - 2 * _MARGIN)
    flat = np.concatenate([within.reshape(-1, 2), np.repeat(tile, 3)[:, None]], 1)
    used, numbers = np.unique(flat.astype(np.float32), axis=0, return_inverse=True)
    return used[:, :2].copy(), numbers.reshape(-1, 3).astype(np.int64)
