"""The camera: from the head frame to crop, pixels and photo; the only place where an axis flips."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def project(
    points: Float[Tensor, "batch point 3"], camera: Float[Tensor, "batch 3"]
) -> Float[Tensor, "batch point 3"]:
    """Weak perspective of head-frame points in metres to the image frame of the crop (DECA, section 3).

    `camera` is (scale, x, y). The result has x to the right and y down in [-1, 1] over the crop; z is depth,
    in the same unit, and smaller is nearer.
    """
    scale, shift = camera[:, None, :1], camera[:, None, 1:]
    x, y = (scale * (points[..., :2] + shift)).unbind(-1)
    return torch.stack([x, -y, -scale[..., 0] * points[..., 2]], -1)


def unproject(
    points_image: Float[Tensor, "batch point 3"], camera: Float[Tensor, "batch 3"]
) -> Float[Tensor, "batch point 3"]:
    """The inverse of `project`."""
    scale = camera[:, :1]
    x, y, z = points_image.unbind(-1)
    return torch.stack([x / scale - camera[:, 1:2], -y / scale - camera[:, 2:3], -z / scale], -1)


def camera_in_part(
    camera: Float[Tensor, "batch 3"], scale: Float[Tensor, " batch"], shift: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch 3"]:
    """The camera of a square part of the crop, where an image-frame point p of the crop is scale * p +
    shift."""
    larger = scale * camera[:, 0]
    x, y = (shift / larger[:, None]).unbind(-1)
    return torch.stack([larger, camera[:, 1] + x, camera[:, 2] - y], -1)


def image_to_pixels(
    points_image: Float[Tensor, "*batch 2"], height: int, width: int
) -> Float[Tensor, "*batch 2"]:
    """Pixel coordinates (x, y), centres at half-integers, of image-frame points."""
    return (points_image + 1) / 2 * points_image.new_tensor([width, height])


def pixels_to_image(points: Float[Tensor, "*batch 2"], height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """Image-frame points of pixel coordinates (x, y); the inverse of `image_to_pixels`."""
    return points / points.new_tensor([width, height]) * 2 - 1


def transform_points(
    T_target_source: Float[Tensor, "*#batch 3 3"], points: Float[Tensor, "*#batch point 2"]
) -> Float[Tensor, "*batch point 2"]:
    """Apply homogeneous plane transforms to points."""
    moved = points @ T_target_source[..., :2].mT + T_target_source[..., None, :, 2]
    return moved[..., :2] / moved[..., 2:]


def crop_to_photo(
    points_image: Float[Tensor, "batch point dimension"],
    T_photo_crop: Float[Tensor, "#batch 3 3"],
    crop_size: int,
) -> Float[Tensor, "batch point 2"]:
    """Pixels of the photo at points in the image frame of a square crop; a third coordinate is left out."""
    return transform_points(T_photo_crop, image_to_pixels(points_image[..., :2], crop_size, crop_size))


def to_photo_frame(
    vertices_image: Float[Tensor, "batch vertex 3"],
    T_photo_crop: Float[Tensor, "#batch 3 3"],
    crop_size: int,
    photo_height: int,
    photo_width: int,
) -> Float[Tensor, "batch vertex 3"]:
    """Points of the crop's image frame in that of the photo, [-1, 1] over all of it; depth is kept."""
    pixels = crop_to_photo(vertices_image, T_photo_crop, crop_size)
    return torch.cat([pixels_to_image(pixels, photo_height, photo_width), vertices_image[..., 2:]], -1)
