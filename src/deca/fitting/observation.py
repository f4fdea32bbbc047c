"""What one photo shows of a posed head, gathered into the head's UV map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.photo.crop import Crop
from deca.photo.sampling import Photo
from deca.raster.fragments import fragments
from deca.render.camera import crop_to_photo, pixels_to_image, project

# The depth test of the whole head is made on a picture with this many pixels along its longer side.
_DEPTH_SIZE = 640
# A texel this far behind the nearest surface still counts as that surface, metres: less than a lip is thick.
_DEPTH_TOLERANCE = 0.0015
_MOST_LEVELS = 6


@dataclass(frozen=True)
class Observation:
    """One photo of one head as maps in UV; everything is zero beside the islands.

    `colour` is sRGB in [0, 1], free of aliasing, and says nothing where `visible` is false: where the head
    hides itself, turns away, or lies outside the photo. `facing` is the cosine between the normal and the
    direction to the camera. `normals` and `positions` (metres) are those of the posed head in the head
    frame. `points_photo` is the place of each texel in pixels of the photo (centres at half-integers),
    `pixels_per_texel` how long a texel is there.
    """

    colour: Float[Tensor, "1 3 size size"]
    visible: Bool[Tensor, "1 1 size size"]
    facing: Float[Tensor, "1 1 size size"]
    normals: Float[Tensor, "1 3 size size"]
    positions: Float[Tensor, "1 3 size size"]
    points_photo: Float[Tensor, "1 2 size size"]
    pixels_per_texel: Float[Tensor, "1 1 size size"]


def vertices_in_photo(
    vertices: Float[Tensor, "1 vertex 3"], camera: Float[Tensor, "1 3"], crop: Crop
) -> Float[Tensor, "vertex 3"]:
    """Posed vertices as (x, y) in pixels of the photo and depth in metres, smaller nearer."""
    vertices_image = project(vertices, camera)
    T_photo_crop = torch.from_numpy(crop.T_photo_crop).to(vertices)[None]
    points = crop_to_photo(vertices_image, T_photo_crop, crop.size)
    return torch.cat([points, vertices_image[..., 2:] / camera[:, None, :1]], -1)[0]


def observe(
    photo: Photo,
    vertices: Float[Tensor, "1 vertex 3"],
    vertices_photo: Float[Tensor, "vertex 3"],
    head_model: HeadModel,
    layout: UVLayout,
) -> Observation:
    """Gather the photo into UV.

    `vertices` are the posed vertices in the head frame, `vertices_photo` the same as `vertices_in_photo`
    gives them, or as `register` has moved them onto the photo's landmarks. Runs on the CPU.
    """
    triangles = head_model.triangles
    normals = vertex_normals(vertices, triangles)
    maps = layout.to_uv(torch.cat([vertices, normals, vertices_photo[None]], -1))
    positions, normals_uv, points, depth = maps.split([3, 3, 2, 1], 1)
    normals_uv = torch.nn.functional.normalize(normals_uv, dim=1)
    facing = normals_uv[:, 2:]
    footprint = _pixels_per_texel(vertices_photo, head_model, layout)
    height, width = photo.shape[:2]
    x, y = points[:, :1], points[:, 1:]
    inside = (x >= 0.5) & (y >= 0.5) & (x <= width - 0.5) & (y <= height - 0.5)
    nearest = _nearest_depth(vertices_photo, triangles, points, facing)
    visible = layout.mask & inside & (facing > 0.05) & (depth <= nearest + _DEPTH_TOLERANCE)
    colour = _sample(photo, points[0].numpy(), footprint.numpy())
    colour = torch.from_numpy(colour).permute(2, 0, 1)[None] * layout.mask
    return Observation(colour, visible, facing, normals_uv, positions, points, footprint[None, None])


def _pixels_per_texel(
    vertices_photo: Float[Tensor, "vertex 3"], head_model: HeadModel, layout: UVLayout
) -> Float[Tensor, "size size"]:
    """The root of the area that a texel covers in the photo, the same all over a triangle; zero beside the
    islands."""
    in_photo = _double_areas(vertices_photo[head_model.triangles][..., :2])
    in_map = _double_areas(head_model.texture_vertices[head_model.texture_triangles] * layout.size)
    lengths = (in_photo / in_map.clamp_min(1e-9)).sqrt()
    return lengths[layout.triangle_ids.clamp_min(0)] * layout.mask


def _double_areas(corners: Float[Tensor, "triangle 3 2"]) -> Float[Tensor, " triangle"]:
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).abs()


def _nearest_depth(
    vertices_photo: Float[Tensor, "vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    points: Float[Tensor, "1 2 size size"],
    facing: Float[Tensor, "1 1 size size"],
) -> Float[Tensor, "1 1 size size"]:
    """Depth of the head's nearest surface at each texel's place, metres, plus what the slope hides in one
    pixel."""
    low, high = vertices_photo[:, :2].amin(0), vertices_photo[:, :2].amax(0)
    side = float((high - low).max()) / (_DEPTH_SIZE - 4)
    low = low - 2 * side
    width, height = torch.ceil((high - low) / side + 2).int().tolist()
    vertices_image = torch.cat(
        [pixels_to_image((vertices_photo[:, :2] - low) / side, height, width), vertices_photo[:, 2:]], -1
    )[None]
    drawn = fragments(vertices_image, triangles, height, width)
    depth = drawn.image(drawn.interpolate(vertices_photo[None, :, 2:]), background=float("inf"))
    column, row = ((points - low[None, :, None, None]) / side).long().unbind(1)
    index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    nearest = depth.flatten()[index][:, None]
    # Metres of the head that one pixel of the depth picture is wide.
    metres = (vertices_photo[:, 2].amax() - vertices_photo[:, 2].amin()) / _DEPTH_SIZE
    return nearest + metres * (1 / facing.clamp_min(0.05).square() - 1).clamp_min(0).sqrt()


def _sample(
    photo: Photo, points: Float[np.ndarray, "2 size size"], footprint: Float[np.ndarray, "size size"]
) -> Float[np.ndarray, "size size 3"]:
    """The photo at points, each texel close to the mean of the pixels it covers: trilinear in a pyramid of
    means."""
    here = footprint > 0
    if not here.any():
        return np.zeros((*footprint.shape, 3), np.float32)
    level = np.log2(np.maximum(footprint, 1)).clip(0, _MOST_LEVELS)
    deepest = int(np.ceil(np.quantile(level[here], 0.99)))
    level = level.clip(0, deepest)
    block = 1 << deepest
    limit = np.array(photo.shape[1::-1])
    first = np.clip(np.floor(points[:, here].min(1)).astype(int) - 2 * block, 0, limit - 1)
    last = np.clip(np.ceil(points[:, here].max(1)).astype(int) + 2 * block, first + 1, limit)
    part = photo[first[1] : last[1], first[0] : last[0]]
    fill_y, fill_x = -part.shape[0] % block, -part.shape[1] % block
    part = cv2.copyMakeBorder(part, 0, fill_y, 0, fill_x, cv2.BORDER_REPLICATE)
    x, y = ((points[axis] - first[axis]).astype(np.float32) for axis in (0, 1))
    colour = np.zeros((*footprint.shape, 3), np.float32)
    for number in range(deepest + 1):
        if number:
            part = cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        share = (1 - np.abs(level - number)).clip(0).astype(np.float32)
        if share.any():
            # OpenCV counts pixel centres as integers.
            scale = np.float32(0.5**number)
            sampled = cv2.remap(
                part, x * scale - 0.5, y * scale - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            colour += share[..., None] * sampled
    return colour / np.float32(255)
