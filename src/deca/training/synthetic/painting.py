"""One lit, textured head painted into a picture by one compiled loop over the pixels.

It computes what `deca.render.renderer.render_detailed` does (a test compares them), plus gloss and occlusion,
without gradients and a batch: several times as fast, which is what an endless stream needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from deca.head.data import HeadData
from deca.render.lighting import FACTORS
from deca.training.synthetic.light import Light


@dataclass(frozen=True)
class Paint:
    """What covers a head: an sRGB texture in [0, 1] in UV, row 0 at v = 1, and detail normals likewise or
    none.

    Normals are unit vectors in the posed head frame. `openness` in [0, 1] says at each vertex how open the
    sky is over it, `reach` which share of each lamp arrives there.
    """

    texture: Float[np.ndarray, "texture texture 3"]
    normals: Float[np.ndarray, "map map 3"] | None
    openness: Float[np.ndarray, " vertex"]
    reach: Float[np.ndarray, "vertex lamp"]


def paint_head(
    triangle_ids: Int[np.ndarray, "height width"],
    vertices_image: Float[np.ndarray, "vertex 3"],
    normals: Float[np.ndarray, "vertex 3"],
    data: HeadData,
    paint: Paint,
    light: Light,
) -> Float[np.ndarray, "height width 3"]:
    """The head's colours where `triangle_ids` is not -1, zero elsewhere; not clipped.

    `normals` are unit normals at the vertices in the posed head frame. Light is that of
    `deca.training.synthetic.light.lit_skin`.
    """
    picture = np.zeros((*triangle_ids.shape, 3), np.float32)
    lamps = light.lamps.numpy() * np.array(FACTORS, np.float32)[:, None]
    ambient = (light.lighting[0] - light.lamps.sum(0)).numpy() * np.array(FACTORS, np.float32)[:, None]
    halfway = light.directions.numpy() + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True) + 1e-9
    _paint(
        picture,
        triangle_ids,
        vertices_image.astype(np.float64),
        normals,
        data.triangles,
        data.texture_vertices,
        data.texture_triangles,
        paint.texture,
        paint.normals if paint.normals is not None else np.zeros((1, 1, 3), np.float32),
        paint.normals is not None,
        1 - np.float32(light.hollow) * (1 - paint.openness),
        paint.reach,
        ambient,
        lamps,
        light.directions.numpy(),
        halfway,
        light.colours.numpy() * np.float32(light.gloss),
        np.float32(light.shininess),
    )
    return picture


@numba.njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _sample(map_, u, v, out):
    """Bilinear sample of a map at (u, v), its edge going on beyond the border."""
    height, width = map_.shape[0], map_.shape[1]
    x = min(max(u * width - 0.5, 0.0), width - 1.0)
    y = min(max((1.0 - v) * height - 0.5, 0.0), height - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    fx, fy = x - left, y - top
    for channel in range(3):
        upper = map_[top, left, channel] * (1 - fx) + map_[top, right, channel] * fx
        lower = map_[bottom, left, channel] * (1 - fx) + map_[bottom, right, channel] * fx
        out[channel] = upper * (1 - fy) + lower * fy


@numba.njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _harmonics(x, y, z, out):
    out[0], out[1], out[2], out[3] = 1, x, y, z
    out[4], out[5], out[6], out[7], out[8] = x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1


@numba.njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _paint(
    picture,
    triangle_ids,
    points,
    normals,
    triangles,
    texture_vertices,
    texture_triangles,
    texture,
    normal_map,
    detailed,
    left,
    reach,
    ambient,
    lamps,
    directions,
    halfway,
    gloss,
    shininess,
):
    height, width = triangle_ids.shape
    colour = np.empty(3, np.float32)
    normal = np.empty(3, np.float32)
    terms = np.empty(9, np.float32)
    shading = np.empty(3, np.float32)
    shine = np.empty(3, np.float32)
    for row in range(height):
        y = (row + 0.5) * 2 / height - 1
        for column in range(width):
            triangle = triangle_ids[row, column]
            if triangle < 0:
                continue
            x = (column + 0.5) * 2 / width - 1
            a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
            ax, ay = points[a, 0] - x, points[a, 1] - y
            bx, by = points[b, 0] - x, points[b, 1] - y
            cx, cy = points[c, 0] - x, points[c, 1] - y
            wa, wb, wc = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            total = wa + wb + wc
            if abs(total) < 1e-12:
                wa = wb = wc = 1.0 / 3
            else:
                wa, wb, wc = wa / total, wb / total, wc / total
            ta, tb, tc = (
                texture_triangles[triangle, 0],
                texture_triangles[triangle, 1],
                texture_triangles[triangle, 2],
            )
            u = texture_vertices[ta, 0] * wa + texture_vertices[tb, 0] * wb + texture_vertices[tc, 0] * wc
            v = texture_vertices[ta, 1] * wa + texture_vertices[tb, 1] * wb + texture_vertices[tc, 1] * wc
            if detailed:
                _sample(normal_map, u, v, normal)
            else:
                for axis in range(3):
                    normal[axis] = normals[a, axis] * wa + normals[b, axis] * wb + normals[c, axis] * wc
            length = (normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) ** 0.5 + 1e-9
            nx, ny, nz = normal[0] / length, normal[1] / length, normal[2] / length
            open_ = left[a] * wa + left[b] * wb + left[c] * wc
            _sample(texture, u, v, colour)
            _harmonics(nx, ny, nz, terms)
            for channel in range(3):
                total_light = 0.0
                for term in range(9):
                    total_light += terms[term] * ambient[term, channel]
                shading[channel] = total_light * open_
                shine[channel] = 0
            for lamp in range(len(lamps)):
                arrived = reach[a, lamp] * wa + reach[b, lamp] * wb + reach[c, lamp] * wc
                towards = nx * halfway[lamp, 0] + ny * halfway[lamp, 1] + nz * halfway[lamp, 2]
                facing = nx * directions[lamp, 0] + ny * directions[lamp, 1] + nz * directions[lamp, 2]
                highlight = 0.0
                if towards > 0 and facing > 0:
                    away = 1 - min(max(nz, 0.0), 1.0)
                    fresnel = 0.35 + 0.65 * away * away * away
                    highlight = towards**shininess * fresnel * facing**0.5 * arrived * open_
                for channel in range(3):
                    total_light = 0.0
                    for term in range(9):
                        total_light += terms[term] * lamps[lamp, term, channel]
                    shading[channel] += total_light * arrived * (0.5 + 0.5 * open_)
                    shine[channel] += highlight * gloss[lamp, channel]
            for channel in range(3):
                picture[row, column, channel] = colour[channel] * max(shading[channel], 0.0) + shine[channel]
