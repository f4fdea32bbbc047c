"""Published maps in UV, albedo, masks and displacement, as RGB and in our units."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from deca.conversion.named_arrays import NamedArrays

ALBEDO_COMPONENTS = 50
ALBEDO_SIZE = 512
ALBEDO_COUNT = ALBEDO_SIZE * ALBEDO_SIZE * 3
_LARGEST_DISPLACEMENT = 0.1  # metres; published ones stay below 0.002
_SLACK = 0.5  # how far a mean colour may leave [0, 1] before its scale must be another


def albedo_arrays(file: NamedArrays, mean_name: str, basis_name: str, white: int) -> dict[str, np.ndarray]:
    """mean (512, 512, 3) and basis (50, 512, 512, 3), sRGB in [0, 1] where `white` is 1, the basis unclipped.

    The basis comes with its component first, (50, ...), the colours as blue, green, red; rows stay in the
    file's order. The published files have `MU`, `PC` with white 1 (Basel), or `mean`, `tex_dir` with white
    255 (FLAME), flat or as 512 x 512 x 3.
    """
    image = (ALBEDO_SIZE, ALBEDO_SIZE, 3)
    flat = NamedArrays(
        file.where,
        {
            mean_name: file.arrays[mean_name].reshape(-1),
            basis_name: file.arrays[basis_name].reshape(len(file.arrays[basis_name]), -1),
        },
    )
    mean = flat.numbers(mean_name, ALBEDO_COUNT).reshape(image)[..., ::-1] / np.float32(white)
    if mean.min() < -_SLACK or mean.max() > 1 + _SLACK:
        found = f"{mean.min() * white:.3g}..{mean.max() * white:.3g}"
        raise file.error(f"{mean_name} holds {found}, expected colours in 0..{white}")
    basis = flat.numbers(basis_name, ALBEDO_COMPONENTS, ALBEDO_COUNT).reshape(-1, *image)[..., ::-1]
    return {"mean": mean.copy(), "basis": np.divide(basis, np.float32(white), order="C")}


def texture_arrays(picture: UInt8[np.ndarray, "height width 3"]) -> dict[str, np.ndarray]:
    """A texture as sRGB in [0, 1]."""
    return {"texture": picture.astype(np.float32) / 255}


def mask_map_arrays(picture: UInt8[np.ndarray, "height width"]) -> dict[str, np.ndarray]:
    """A mask in UV, 0 outside and 1 inside."""
    return {"mask": picture.astype(np.float32) / 255}


def displacement_arrays(file: NamedArrays) -> dict[str, np.ndarray]:
    """The fixed displacement (256, 256), metres along the normal."""
    displacement = file.numbers("displacement", 256, 256)
    largest = np.abs(displacement).max()
    if largest > _LARGEST_DISPLACEMENT:
        raise file.error(f"displacements of up to {largest:.3g}; metres are expected, and heads are smaller")
    return {"displacement": displacement}
