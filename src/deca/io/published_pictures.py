"""Published maps that are pictures: two masks in UV and the mean texture; their names tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from deca.conversion.asset import Asset, AssetError
from deca.conversion.map_arrays import mask_map_arrays, texture_arrays
from deca.io.damage import naming_file, unknown_file
from deca.io.images import PhotoError, read_photo

_MASKS = {"uv_face_mask": "uv-face-mask", "uv_face_eye_mask": "uv-face-eye-mask"}
_TEXTURE = "mean_texture"
_MASK_SIZE = (256, 256)


def read_published_picture(path: Path) -> Asset:
    """The asset in a picture: uv_face_mask, uv_face_eye_mask or mean_texture; AssetError otherwise."""
    if path.stem in _MASKS:
        kind = _MASKS[path.stem]
        return Asset(kind, kind, mask_map_arrays(_first_channel(path)))
    if path.stem == _TEXTURE:
        try:
            picture = read_photo(path)
        except PhotoError as error:
            raise AssetError(str(error)) from None
        height, width = picture.shape[:2]
        return Asset("mean-texture", "mean-texture", texture_arrays(picture), {"size": f"{width} x {height}"})
    raise unknown_file(path, [f"a picture that is not named {', '.join((*_MASKS, _TEXTURE))}"])


def _first_channel(path: Path) -> np.ndarray:
    """The first channel as it is stored; a photo's reader would blend the fourth, alpha, into it."""
    with naming_file(path), Image.open(path) as picture:
        if picture.size != _MASK_SIZE:
            raise AssetError(f"{path}: {picture.size[0]} x {picture.size[1]} pixels, a mask has 256 x 256")
        channels = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
        if channels.dtype != np.uint8:
            raise AssetError(f"{path}: holds {channels.dtype}, a mask has 8 bits")
        return channels if channels.ndim == 2 else channels[..., 0]
