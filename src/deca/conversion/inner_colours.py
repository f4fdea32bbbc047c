"""Plausible colours of what no skin covers, on heads that come without: teeth, gums, mouth, eye sockets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from deca.conversion.albedo_transfer import texels_of
from deca.conversion.target import TargetSurface

# sRGB-encoded, those of the default head.
_COLOURS = {
    "teeth": np.array([0.90, 0.86, 0.78]),
    "gums": np.array([0.72, 0.42, 0.40]),
    "tongue": np.array([0.72, 0.42, 0.41]),
    "mouth": np.array([0.50, 0.24, 0.23]),
    "eye_sockets": np.array([0.62, 0.38, 0.35]),
}
_THROAT = np.array([0.16, 0.06, 0.06])
# Where the throat's darkness begins and is complete, metres behind the lips.
_DEPTH = (0.008, 0.045)
# Teeth stand in front and catch more light.
_DEEPEST = {"teeth": 0.75, "eye_sockets": 0.0}


def with_inner_colours(
    albedo_mean: Float[np.ndarray, "size size 3"],
    albedo_basis: Float[np.ndarray, "albedo basis_size basis_size 3"],
    target: TargetSurface,
    parts: Mapping[str, Bool[np.ndarray, " triangle"]],
    lips_z: float,
) -> tuple[Float[np.ndarray, "size size 3"], Float[np.ndarray, "albedo basis_size basis_size 3"]]:
    """Maps with the inner parts painted: parts are teeth, gums, tongue, mouth and eye_sockets, none needed.

    They grow darker behind `lips_z`, and do not vary from person to person.
    """
    mean, basis = albedo_mean.copy(), albedo_basis.copy()
    for single in (mean, None):
        size = len(mean) if single is not None else basis.shape[1]
        texel, triangle, barycentrics = texels_of(target, size)
        depth = (target.vertices[target.triangles[triangle], 2] * barycentrics).sum(1)
        far = ((lips_z - depth - _DEPTH[0]) / (_DEPTH[1] - _DEPTH[0])).clip(0, 1)[:, None]
        for name, marked in parts.items():
            inside = marked[triangle]
            if single is None:
                basis.reshape(len(basis), -1, 3)[:, texel[inside]] = 0
            else:
                darker = far[inside] * _DEEPEST.get(name, 1.0)
                mean.reshape(-1, 3)[texel[inside]] = _COLOURS[name] * (1 - darker) + _THROAT * darker
    return mean, basis
