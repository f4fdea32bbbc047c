"""The square crop of a face that networks and fitting see, with exact maps to and from the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.photo.sampling import Affine, Photo, sample_luma_smoothly, sample_smoothly, scaling, translation

LANDMARK_MARGIN = 1.1
CROP_MARGIN = 1.25


@dataclass(frozen=True)
class Crop:
    """A square part of a photo drawn with `size` pixels a side.

    `T_photo_crop` takes crop pixels, [0, size] across the square, to photo pixels (centres at half-integers).
    """

    size: int
    T_photo_crop: Affine

    @property
    def T_crop_photo(self) -> Affine:
        """The map from photo pixels to crop pixels."""
        return np.linalg.inv(self.T_photo_crop)

    @property
    def T_image_photo(self) -> Affine:
        """The map from photo pixels to the crop's image frame, [-1, 1] across the square."""
        return translation(-1.0, -1.0) @ scaling(2 / self.size) @ self.T_crop_photo

    def resized(self, size: int) -> Crop:
        """The same square drawn with another number of pixels."""
        return Crop(size, self.T_photo_crop @ scaling(self.size / size))


def square_crop(centre: Float[np.ndarray, " 2"], side: float, size: int) -> Crop:
    """The upright square around `centre` with the given side, both in photo pixels."""
    x, y = np.asarray(centre, float) - side / 2
    return Crop(size, translation(x, y) @ scaling(side / size))


def landmark_crop(
    landmarks_photo: Float[np.ndarray, "68 axes"], size: int = 224, margin: float = CROP_MARGIN
) -> Crop:
    """The square around the 68 points' box, 1.1 times its mean side, times the margin: that of DECA's tests,
    1.25."""
    low, high = landmarks_photo[:, :2].min(0), landmarks_photo[:, :2].max(0)
    side = float((high - low).mean()) * LANDMARK_MARGIN * margin
    return square_crop((low + high) / 2, side, size)


def crop_image(photo: Photo, crop: Crop) -> Float[Tensor, "1 3 height width"]:
    """The crop's pixels, RGB in [0, 1], without aliasing; zero outside the photo."""
    picture = sample_smoothly(photo, crop.T_photo_crop, crop.size, crop.size)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))


def crop_luma(photo: Photo, crop: Crop) -> Float[Tensor, "1 1 height width"]:
    """The luma of the crop's pixels, in [0, 1]."""
    return torch.from_numpy(sample_luma_smoothly(photo, crop.T_photo_crop, crop.size, crop.size)[None, None])
