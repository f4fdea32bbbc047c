"""The true parameters that lie beside a synthetic photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from deca.conversion.asset import AssetError
from deca.io.archives import open_archive
from deca.io.heads import find_head
from deca.io.images import PhotoError
from deca.io.maps import MapError, read_displacement
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.sampling import Photo
from deca.render.camera import camera_in_part


@dataclass(frozen=True)
class Truth:
    """The fields of Parameters of one synthetic photo, its camera that of the whole square picture."""

    head: str
    parameters: Mapping[str, np.ndarray]
    displacement: Float[np.ndarray, "map map"] | None

    def in_square(self, photo: Photo, crop: Crop) -> dict[str, np.ndarray]:
        """The same with the camera of a square of the photo."""
        height, width = photo.shape[:2]
        if height != width:
            raise ValueError(f"{width} x {height} pixels, but synthetic photos with a truth are square")
        T_image_photo = crop.T_image_photo
        scale = T_image_photo[0, 0] * width / 2
        shift = T_image_photo[:2, 2] + scale
        camera = camera_in_part(
            torch.from_numpy(self.parameters["camera"])[None].double(),
            torch.tensor([scale], dtype=torch.float64),
            torch.from_numpy(shift)[None],
        )
        return {**self.parameters, "camera": camera[0].float().numpy()}


def read_truth(photo: Path, head: str) -> Truth:
    """The truth in PHOTO.truth.npz and PHOTO.displacement.png, if there is one, beside a photo.

    PhotoError, which names the file, where it is missing, damaged or not of this head.
    """
    path = photo.with_suffix(".truth.npz")
    try:
        with open_archive(path) as archive:
            arrays = {name: archive.array(name).astype(np.float32) for name in archive.headers}
        map_path = photo.with_suffix(".displacement.png")
        displacement = read_displacement(map_path) if map_path.exists() else None
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such file; --truth wants one beside each photo") from None
    except (AssetError, MapError) as error:
        raise PhotoError(str(error)) from None
    expected = _sizes(head)
    found = {name: array.shape for name, array in arrays.items()}
    wrong = [
        name for name in {*expected, *found} if name not in found or _differs(found[name], expected.get(name))
    ]
    if wrong:
        raise PhotoError(
            f"{path}: {', '.join(sorted(wrong))} missing, unknown or not as the head {head} has it"
        )
    return Truth(head, arrays, displacement)


def check_truth_head(head: str) -> None:
    """Raise HeadError or FileNotFoundError for a head that is not known."""
    _sizes(head)


@cache
def _sizes(head: str) -> dict[str, tuple[int | None, ...]]:
    data = find_head(head)
    sizes: dict[str, tuple[int | None, ...]] = {field.name: (3,) for field in fields(Parameters)}
    sizes |= {
        "shape": (len(data.shape_basis),),
        "expression": (len(data.expression_basis),),
        "detail": (None,),
    }
    return sizes | {"albedo": (len(data.albedo_basis),), "eyes": (2, 3), "lighting": (9, 3)}


def _differs(found: tuple[int, ...], expected: tuple[int | None, ...] | None) -> bool:
    if expected is None or len(found) != len(expected):
        return True
    return any(size is not None and size != length for length, size in zip(found, expected, strict=True))
