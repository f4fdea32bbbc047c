"""Pictures of one head, made to be looked at: smooth at the edges, each drawn in one compiled pass.

`deca.render.renderer` makes the images that are compared with photos, with gradients and for batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.raster.rasterise import rasterise
from deca.render.clay import clay_colour
from deca.render.lighting import FACTORS

SAMPLES = 2
"""Samples along each side of a pixel; a pixel's colour is their mean."""
AMBIENT = 0.72
"""The share of a texture's light that comes from everywhere; the rest, from the viewer, gives it form."""
WHITE_OF_EYES = 0.55
"""The lightness above which an eyeball's texture is white, and its clay left as it is."""
OPEN = 0.3
"""The share of open sky from which on skin is lit in full; textures show the soft shade around it already."""
# A triangle that covers fewer samples than this is seen edge on: what lies across it would be noise.
_LEAST_AREA = 1e-6

Picture = Float[np.ndarray, "height width 4"]
"""RGB in [0, 1] premultiplied by the fourth channel, the share of the pixel that a head covers."""


@dataclass(frozen=True)
class View:
    """One head seen by one camera: the triangle at every sample, and what varies over each triangle.

    `planes` are (value, per sample to the right, per sample down) from the image's corner, of u, v, the three
    coordinates of the normal, openness and whether it is an eyeball.
    """

    triangle_ids: Int[np.ndarray, "sample_height sample_width"]
    planes: Float[np.ndarray, "triangle 7 3"]


def look(
    data: HeadData,
    vertices: Float[Tensor, "1 vertex 3"],
    vertices_image: Float[Tensor, "1 vertex 3"],
    openness: Float[Tensor, "1 vertex 1"],
    size: int,
) -> View:
    """Posed vertices (head frame) as seen at `vertices_image` in a square picture of `size` pixels."""
    samples = size * SAMPLES
    triangles = torch.from_numpy(data.triangles)
    triangle_ids = rasterise(vertices_image, triangles, samples, samples)[0].numpy()
    eyes = [joint for joint, name in enumerate(data.joint_names) if name in ("left_eye", "right_eye")]
    eyeball = data.skinning_weights[:, eyes].sum(1, keepdims=True)
    layers = [vertex_normals(vertices, triangles)[0].numpy(), openness[0].numpy(), eyeball]
    planes = _planes(
        ((vertices_image[0, :, :2] + 1) * (samples / 2)).numpy(),
        data.triangles,
        np.concatenate(layers, 1).astype(np.float32),
        data.texture_triangles,
        data.texture_vertices,
    )
    return View(triangle_ids, planes)


def textured(view: View, texture: UInt8[np.ndarray, "texture_height texture_width 3"]) -> Picture:
    """The texture in gentle light from the front."""
    return _textured(view.triangle_ids, view.planes, texture, np.float32(AMBIENT))


def unlit(view: View, texture: UInt8[np.ndarray, "texture_height texture_width 3"]) -> Picture:
    """The texture's own colours."""
    return _textured(view.triangle_ids, view.planes, texture, np.float32(1))


def lit(
    view: View,
    texture: UInt8[np.ndarray, "texture_height texture_width 3"],
    normals_uv: Float[np.ndarray, "3 size size"],
    lighting: Float[np.ndarray, "9 3"],
    left: Float[np.ndarray, "shade_size shade_size"],
) -> Picture:
    """The texture under spherical-harmonics light (`deca.render.lighting`) on the normals of a filled UV map
    in the head frame, of which `left` says in UV what is left (`deca.render.hollows`); where little of the
    sky is open, as in the mouth, it is darker."""
    bands = (np.array(FACTORS, np.float32)[:, None] * lighting).astype(np.float32)
    return _lit(view.triangle_ids, view.planes, texture, normals_uv, bands, left)


def clay(
    view: View,
    texture: UInt8[np.ndarray, "texture_height texture_width 3"],
    normals_uv: Float[np.ndarray, "3 size size"],
) -> tuple[Picture, Picture]:
    """Clay with the surface's own normals, and with those of a filled UV map in the head frame.

    On the eyeballs the texture darkens it: without irises open eyes look closed.
    """
    return _clay(view.triangle_ids, view.planes, texture, normals_uv)


def over(
    picture: Picture, background: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture laid over a background."""
    return _over(picture, background)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check  # The shape checks of the tests would wrap it, and the compiler cannot see through.
def _planes(points, triangles, layers, texture_triangles, texture_vertices):
    """Linear interpolation over each triangle as a plane through its three corners."""
    count = layers.shape[1]
    planes = np.empty((len(triangles), 2 + count, 3), np.float32)
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle]
        x0, y0 = points[a]
        x1, y1, x2, y2 = points[b, 0] - x0, points[b, 1] - y0, points[c, 0] - x0, points[c, 1] - y0
        area = x1 * y2 - y1 * x2
        inverse = np.float32(0) if abs(area) < 2 * _LEAST_AREA else np.float32(1) / area
        ta, tb, tc = texture_triangles[triangle]
        for layer in range(2 + count):
            if layer < 2:
                values, i, j, k, channel = texture_vertices, ta, tb, tc, layer
            else:
                values, i, j, k, channel = layers, a, b, c, layer - 2
            value = values[i, channel]
            first, second = values[j, channel] - value, values[k, channel] - value
            right, down = (first * y2 - second * y1) * inverse, (second * x1 - first * x2) * inverse
            planes[triangle, layer] = value - right * x0 - down * y0, right, down
    return planes


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _at(planes, triangle, layer, x, y):
    return planes[triangle, layer, 0] + planes[triangle, layer, 1] * x + planes[triangle, layer, 2] * y


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _texels(coordinate, size):
    """The texels on both sides of a coordinate in [0, 1], and the share of the second; the edge goes on."""
    place = min(max(coordinate * np.float32(size) - np.float32(0.5), np.float32(0)), np.float32(size - 1))
    first = np.uint32(place)  # an index without a sign cannot count from the end: one test less
    return first, min(first + np.uint32(1), np.uint32(size - 1)), place - np.float32(first)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _textured(triangle_ids, planes, texture, ambient):
    height, width = triangle_ids.shape[0] // SAMPLES, triangle_ids.shape[1] // SAMPLES
    picture = np.empty((height, width, 4), np.float32)
    share = np.float32(1 / SAMPLES**2)
    for row in range(height):
        for column in range(width):
            red = green = blue = covered = np.float32(0)
            for sample in range(SAMPLES**2):
                i, j = row * SAMPLES + sample // SAMPLES, column * SAMPLES + sample % SAMPLES
                triangle = triangle_ids[i, j]
                if triangle < 0:
                    continue
                x, y = np.float32(j) + np.float32(0.5), np.float32(i) + np.float32(0.5)
                r, g, b = _colour(texture, _at(planes, triangle, 0, x, y), _at(planes, triangle, 1, x, y))
                nx, ny, nz = (
                    _at(planes, triangle, 2, x, y),
                    _at(planes, triangle, 3, x, y),
                    _at(planes, triangle, 4, x, y),
                )
                length = math.sqrt(max(nx * nx + ny * ny + nz * nz, np.float32(1e-24)))
                facing = max(nz, np.float32(0)) / length
                light = (ambient + (np.float32(1) - ambient) * facing) * share
                red, green, blue, covered = (
                    red + r * light,
                    green + g * light,
                    blue + b * light,
                    covered + share,
                )
            picture[row, column] = red, green, blue, covered
    return picture


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _lit(triangle_ids, planes, texture, normals_uv, bands, left):
    height, width = triangle_ids.shape[0] // SAMPLES, triangle_ids.shape[1] // SAMPLES
    picture = np.empty((height, width, 4), np.float32)
    share = np.float32(1 / SAMPLES**2)
    one, three, zero = np.float32(1), np.float32(3), np.float32(0)
    for row in range(height):
        for column in range(width):
            red = green = blue = covered = zero
            for sample in range(SAMPLES**2):
                i, j = row * SAMPLES + sample // SAMPLES, column * SAMPLES + sample % SAMPLES
                triangle = triangle_ids[i, j]
                if triangle < 0:
                    continue
                x, y = np.float32(j) + np.float32(0.5), np.float32(i) + np.float32(0.5)
                u, v = _at(planes, triangle, 0, x, y), _at(planes, triangle, 1, x, y)
                r, g, b = _colour(texture, u, v)
                nx, ny, nz = _normal(normals_uv, u, v)
                length = one / math.sqrt(max(nx * nx + ny * ny + nz * nz, np.float32(1e-24)))
                nx, ny, nz = nx * length, ny * length, nz * length
                xy, xz, yz = nx * ny, nx * nz, ny * nz
                difference, polar = nx * nx - ny * ny, three * nz * nz - one
                open_sky = (
                    min(_at(planes, triangle, 5, x, y) / np.float32(OPEN), one) * _value(left, u, v) * share
                )
                red += r * open_sky * max(_band(bands, 0, nx, ny, nz, xy, xz, yz, difference, polar), zero)
                green += g * open_sky * max(_band(bands, 1, nx, ny, nz, xy, xz, yz, difference, polar), zero)
                blue += b * open_sky * max(_band(bands, 2, nx, ny, nz, xy, xz, yz, difference, polar), zero)
                covered += share
            picture[row, column] = red, green, blue, covered
    return picture


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _band(bands, channel, x, y, z, xy, xz, yz, difference, polar):
    """Shading of one channel by its nine terms."""
    return (
        bands[0, channel]
        + bands[1, channel] * x
        + bands[2, channel] * y
        + bands[3, channel] * z
        + bands[4, channel] * xy
        + bands[5, channel] * xz
        + bands[6, channel] * yz
        + bands[7, channel] * difference
        + bands[8, channel] * polar
    )


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _one_triangle(triangle_ids, row, column):
    """Whether all samples of a pixel show the same triangle, or all none."""
    first = triangle_ids[row * SAMPLES, column * SAMPLES]
    for sample in range(1, SAMPLES**2):
        if triangle_ids[row * SAMPLES + sample // SAMPLES, column * SAMPLES + sample % SAMPLES] != first:
            return False
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _clay(triangle_ids, planes, texture, normals_uv):
    height, width = triangle_ids.shape[0] // SAMPLES, triangle_ids.shape[1] // SAMPLES
    coarse, detailed = np.empty((height, width, 4), np.float32), np.empty((height, width, 4), np.float32)
    for row in range(height):
        for column in range(width):
            red = green = blue = fine_red = fine_green = fine_blue = covered = np.float32(0)
            # Within one triangle clay varies so little that the pixel's centre stands for its samples.
            whole = _one_triangle(triangle_ids, row, column)
            share = np.float32(1) if whole else np.float32(1 / SAMPLES**2)
            for sample in range(1 if whole else SAMPLES**2):
                i, j = row * SAMPLES + sample // SAMPLES, column * SAMPLES + sample % SAMPLES
                triangle = triangle_ids[i, j]
                if triangle < 0:
                    continue
                middle = np.float32(SAMPLES / 2) if whole else np.float32(0.5)
                x, y = np.float32(j) + middle, np.float32(i) + middle
                u, v = _at(planes, triangle, 0, x, y), _at(planes, triangle, 1, x, y)
                openness, eyeball = _at(planes, triangle, 5, x, y), _at(planes, triangle, 6, x, y)
                left = share
                if eyeball > 0:
                    r, g, b = _colour(texture, u, v)
                    whiteness = (r + g + b) / np.float32(3 * WHITE_OF_EYES)
                    left *= np.float32(1) - eyeball * max(np.float32(1) - whiteness, np.float32(0))
                nx, ny = _at(planes, triangle, 2, x, y), _at(planes, triangle, 3, x, y)
                r, g, b = clay_colour(nx, ny, _at(planes, triangle, 4, x, y), openness)
                red, green, blue = red + r * left, green + g * left, blue + b * left
                nx, ny, nz = _normal(normals_uv, u, v)
                r, g, b = clay_colour(nx, ny, nz, openness)
                fine_red, fine_green, fine_blue = (
                    fine_red + r * left,
                    fine_green + g * left,
                    fine_blue + b * left,
                )
                covered += share
            coarse[row, column] = red, green, blue, covered
            detailed[row, column] = fine_red, fine_green, fine_blue, covered
    return coarse, detailed


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _colour(texture, u, v):
    """Bilinear sample of a texture of bytes, in [0, 1]."""
    left, right, x = _texels(u, texture.shape[1])
    top, bottom, y = _texels(np.float32(1) - v, texture.shape[0])
    full = np.float32(1 / 255)
    x, y = x * full, y
    w11, w10 = x * y, (full - x) * y
    w01, w00 = x - w11, full - x - w10
    return (
        w00 * texture[top, left, 0]
        + w01 * texture[top, right, 0]
        + w10 * texture[bottom, left, 0]
        + w11 * texture[bottom, right, 0],
        w00 * texture[top, left, 1]
        + w01 * texture[top, right, 1]
        + w10 * texture[bottom, left, 1]
        + w11 * texture[bottom, right, 1],
        w00 * texture[top, left, 2]
        + w01 * texture[top, right, 2]
        + w10 * texture[bottom, left, 2]
        + w11 * texture[bottom, right, 2],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _value(values_uv, u, v):
    """Bilinear sample of a map of one channel."""
    left, right, x = _texels(u, values_uv.shape[1])
    top, bottom, y = _texels(np.float32(1) - v, values_uv.shape[0])
    above = values_uv[top, left] + x * (values_uv[top, right] - values_uv[top, left])
    below = values_uv[bottom, left] + x * (values_uv[bottom, right] - values_uv[bottom, left])
    return above + y * (below - above)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _normal(normals_uv, u, v):
    """Bilinear sample of a map of normals, not normalised."""
    left, right, x = _texels(u, normals_uv.shape[2])
    top, bottom, y = _texels(np.float32(1) - v, normals_uv.shape[1])
    w11, w10 = x * y, (np.float32(1) - x) * y
    w01, w00 = x - w11, np.float32(1) - x - w10
    return (
        w00 * normals_uv[0, top, left]
        + w01 * normals_uv[0, top, right]
        + w10 * normals_uv[0, bottom, left]
        + w11 * normals_uv[0, bottom, right],
        w00 * normals_uv[1, top, left]
        + w01 * normals_uv[1, top, right]
        + w10 * normals_uv[1, bottom, left]
        + w11 * normals_uv[1, bottom, right],
        w00 * normals_uv[2, top, left]
        + w01 * normals_uv[2, top, right]
        + w10 * normals_uv[2, bottom, left]
        + w11 * normals_uv[2, bottom, right],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
@no_type_check
def _over(picture, background):
    height, width = background.shape[:2]
    result = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            rest = np.float32(1) - picture[row, column, 3]
            for channel in range(3):
                value = (
                    picture[row, column, channel] * np.float32(255) + rest * background[row, column, channel]
                )
                result[row, column, channel] = np.uint8(
                    min(max(value, np.float32(0)), np.float32(255)) + np.float32(0.5)
                )
    return result
