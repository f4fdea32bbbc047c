"""The crops of DECA's released code, pixel for pixel, beside the default of `deca.photo.crop`.

There pixel centres are integers, a square's side is cut to whole pixels, and its corners go to the centres of
the crop's outer pixels, 0 and size - 1. Boxes and points given here are in the project's photo pixels, with
centres at half-integers, and so is each Crop that comes back: its map holds the half pixels exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.photo.crop import CROP_MARGIN, LANDMARK_MARGIN, Crop
from deca.photo.sampling import Affine, Photo, sample, transform_points, translation

NOW_MARGIN = 1.6
"""The margin on the boxes that come with the NoW benchmark."""
_DETECTION_SHIFT = 0.12
_HALF_PIXEL = translation(0.5, 0.5)
_HALF_PIXEL_BACK = translation(-0.5, -0.5)

Box = Float[np.ndarray, "4"]
"""(left, top, right, bottom) in photo pixels."""


def points_box(points_photo: Float[np.ndarray, "point axes"]) -> Box:
    """The box around points, such as the 68 landmarks."""
    return np.concatenate([points_photo[:, :2].min(0), points_photo[:, :2].max(0)]).astype(np.float64)


def released_landmark_crop(box: Box, size: int = 224, margin: float = CROP_MARGIN) -> Crop:
    """The square for the box around 68 landmarks: 1.1 times its mean side, times `margin`."""
    centre, side = _centre_and_side(box)
    return _square(centre, int(side * LANDMARK_MARGIN * margin), size)


def released_detection_crop(box: Box, size: int = 224, margin: float = CROP_MARGIN) -> Crop:
    """The square for a face detector's box: its centre an eighth or so (0.12) of the mean side lower."""
    centre, side = _centre_and_side(box)
    return _square(centre + np.array([0.0, _DETECTION_SHIFT * side]), int(side * margin), size)


def released_now_crop(box: Box, size: int = 224) -> Crop:
    """The square for a box of the NoW benchmark: 1.6 times its mean side about its centre."""
    centre, side = _centre_and_side(box)
    return _square(centre, int(side * NOW_MARGIN), size)


def released_training_crop(box: Box, scale: float, shift: Float[np.ndarray, "2"], size: int = 224) -> Crop:
    """A training square: `scale` (drawn from [1.4, 1.8]) times the landmark box's mean side, its centre moved
    by `shift` times that side."""
    centre, side = _centre_and_side(box)
    return _square(centre + np.asarray(shift, float) * side, int(side * scale), size)


def released_whole_crop(height: int, width: int, size: int = 224) -> Crop:
    """The crop of a photo without a box: the similarity nearest to taking three of its corners to three of
    the crop's.

    Least squares (Umeyama 1991; written with complex numbers). A photo that is not square comes out turned:
    no similarity squeezes it.
    """
    last = size - 1
    source = np.array([0, 1j * (height - 1), width - 1])
    target = np.array([0, 1j * last, last])
    centred, moved = source - source.mean(), target - target.mean()
    turn = np.vdot(centred, moved) / np.vdot(centred, centred).real
    shift = target.mean() - turn * source.mean()
    T_crop_photo = np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag], [0.0, 0.0, 1.0]]
    )
    return _crop(T_crop_photo, size)


def plain_crop_image(photo: Photo, crop: Crop) -> Float[Tensor, "1 3 height width"]:
    """The crop's pixels, RGB in [0, 1], each one bilinear sample of the photo; zero outside the photo.

    Where the crop shrinks the photo much, this aliases; `deca.photo.crop.crop_image` does not.
    """
    picture = sample(photo, crop.T_photo_crop, crop.size, crop.size)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))


def integer_centred(crop: Crop) -> Affine:
    """The crop's map from photo to crop as the released code holds it: pixel centres at integers on both
    sides."""
    return _HALF_PIXEL_BACK @ crop.T_crop_photo @ _HALF_PIXEL


def released_landmarks(
    landmarks_photo: Float[np.ndarray, "point 2"], crop: Crop
) -> Float[np.ndarray, "point 2"]:
    """Landmarks of a photo as the released training sees them: 2 x / size - 1, x counted from the first
    pixel's centre.

    That is half a crop pixel up and left of the image frame of CONVENTIONS.md.
    """
    pixels = transform_points(crop.T_crop_photo, landmarks_photo) - 0.5
    return pixels / crop.size * 2 - 1


def _centre_and_side(box: Box) -> tuple[Float[np.ndarray, "2"], float]:
    """Centre and mean side of a box, the centre counted from pixel centres."""
    low, high = np.asarray(box, float).reshape(2, 2)
    return (low + high) / 2 - 0.5, float((high - low).mean())


def _square(centre: Float[np.ndarray, "2"], side: int, size: int) -> Crop:
    """The upright square whose corners go to 0 and size - 1, counted from pixel centres."""
    scale = (size - 1) / side
    left, top = centre - side / 2
    return _crop(np.array([[scale, 0.0, -scale * left], [0.0, scale, -scale * top], [0.0, 0.0, 1.0]]), size)


def _crop(T_crop_photo: Affine, size: int) -> Crop:
    """A Crop from a map with pixel centres at integers."""
    return Crop(size, _HALF_PIXEL @ np.linalg.inv(T_crop_photo) @ _HALF_PIXEL_BACK)
