"""What the 468 points say about the pixels around a face: which may show skin, and which way they face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from deca.geometry import vertex_normals
from deca.photo.dense_points import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from deca.raster.fragments import fragments

# By how much they are enlarged, in sizes of the face: lashes, and brows that are wider than their points.
_EYE_MARGIN, _BROW_MARGIN, _LIP_MARGIN = 0.02, 0.012, 0.01
_SUBPIXEL_BITS = 4
_SURROUNDINGS = 3  # pixels around the points


@dataclass(frozen=True)
class FaceMesh:
    """The triangles of the 468 points, and where these lie on a face that looks ahead, upright (y up)."""

    vertices: Float[np.ndarray, "468 3"]
    triangles: Int[Tensor, "triangle 3"]


@dataclass(frozen=True)
class FaceArea:
    """The rectangle of a crop that holds a face, shrunk so that the face is of a moderate size.

    `left`, `top`, `right` and `bottom` are pixels of the crop. `face` says where the mesh of the points is,
    and `skin` where that is without eyes, brows and the inside of the mouth; `lips` are part of it.
    `normals` are unit vectors (x right, y down, z away from the viewer), zero outside. `size` is that of
    the face: the root of its points' box, in pixels of the shrunken rectangle.
    """

    left: int
    top: int
    right: int
    bottom: int
    face: Bool[np.ndarray, "height width"]
    skin: Bool[np.ndarray, "height width"]
    lips: Bool[np.ndarray, "height width"]
    normals: Float[np.ndarray, "height width 3"]
    points: Float[np.ndarray, "468 2"]
    size: float

    def of(
        self, image: UInt8[np.ndarray, "crop crop *channel"]
    ) -> UInt8[np.ndarray, "_height _width *channel"]:
        """The rectangle of a picture of the crop, shrunk."""
        height, width = self.face.shape
        part = image[self.top : self.bottom, self.left : self.right]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)

    def in_crop(
        self, values: Float[np.ndarray, "height width"], crop_size: int
    ) -> Float[np.ndarray, "{crop_size} {crop_size}"]:
        """Values of the rectangle, enlarged, in the crop; zero around it."""
        placed = np.zeros((crop_size, crop_size), np.float32)
        size = (self.right - self.left, self.bottom - self.top)
        placed[self.top : self.bottom, self.left : self.right] = cv2.resize(values, size)
        return placed


def face_size(points: Float[np.ndarray, "point axes"]) -> float:
    """The size of a face: the root of its points' box."""
    return float(np.sqrt(np.ptp(points[:, :2], axis=0).prod()))


def face_area(
    points: Float[np.ndarray, "468 3"], mesh: FaceMesh, crop_size: int, face_pixels: float
) -> FaceArea:
    """The area of a face by its points (x, y, z) in pixels of the crop; no larger than `face_pixels`."""
    low = np.clip(np.floor(points[:, :2].min(0)) - _SURROUNDINGS, 0, crop_size - 2).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(0)) + _SURROUNDINGS, low + 2, crop_size).astype(int)
    shrinking = min(1.0, face_pixels / max(face_size(points), 1e-6))
    width, height = np.maximum(np.rint((high - low) * shrinking), 1).astype(int).tolist()
    scale = np.array([width, height]) / (high - low)
    moved = np.concatenate([(points[:, :2] - low) * scale, points[:, 2:] * shrinking], 1)
    size = face_size(moved)

    vertices = torch.from_numpy(moved.astype(np.float32))[None]
    vertices_image = vertices / torch.tensor([width / 2, height / 2, max(size, 1.0)])
    drawn = fragments(vertices_image - torch.tensor([1.0, 1.0, 0.0]), mesh.triangles, height, width)
    normals = drawn.image(drawn.interpolate(vertex_normals(vertices, mesh.triangles)))[0].permute(1, 2, 0)
    face = (drawn.triangle_ids[0] >= 0).numpy()

    def around(indices: Sequence[int], margin: float = 0.0) -> Bool[np.ndarray, "height width"]:
        outline = np.rint((moved[list(indices), :2] - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
        filled = cv2.fillPoly(np.zeros((height, width), np.uint8), [outline], 1, cv2.LINE_8, _SUBPIXEL_BITS)
        return (cv2.dilate(filled, disc(margin * size)) if margin else filled) > 0

    eyes = around(RIGHT_EYE, _EYE_MARGIN) | around(LEFT_EYE, _EYE_MARGIN)
    brows = around(RIGHT_BROW, _BROW_MARGIN) | around(LEFT_BROW, _BROW_MARGIN)
    mouth = around(INNER_LIPS)
    return FaceArea(
        left=int(low[0]),
        top=int(low[1]),
        right=int(high[0]),
        bottom=int(high[1]),
        face=face,
        skin=face & ~(eyes | brows | mouth),
        lips=face & around(OUTER_LIPS, _LIP_MARGIN) & ~mouth,
        normals=torch.nn.functional.normalize(normals, dim=-1).numpy(),
        points=moved[:, :2],
        size=size,
    )


def disc(radius: float) -> UInt8[np.ndarray, "side side"]:
    """A disc for OpenCV's morphology, of at least one pixel's radius."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(radius)) + 1,) * 2)
