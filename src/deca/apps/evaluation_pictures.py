"""Heat maps: where on a scan a prediction is wrong, beside the scan and the prediction in clay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from deca.geometry import vertex_normals
from deca.raster.fragments import fragments

SIZE = 360
FARTHEST = 5.0
"""Millimetres at which the colour is that of the largest error."""
_PAPER, _CLAY = 0.955, 0.78
# A scan's borders are ragged: a little of the square stays free.
_FILLED = 0.94
_LAMP = np.array([-0.45, 0.5, 0.74], np.float32)


@dataclass(frozen=True)
class Shown:
    """A surface to be drawn, in millimetres; with errors at its vertices, where it has such."""

    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    errors: Float[np.ndarray, " vertex"] | None = None


@dataclass(frozen=True)
class Viewpoint:
    """A camera far away that looks at a face: to the right, up and towards the viewer, and what fits in."""

    axes: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, "3"]
    radius: float

    @classmethod
    def before(
        cls, landmarks: Float[np.ndarray, "7 3"], centre: Float[np.ndarray, "3"], radius: float
    ) -> Viewpoint:
        """In front of the face that seven landmarks are of."""
        across = landmarks[3] - landmarks[0]
        upwards = landmarks[:4].mean(0) - landmarks[5:].mean(0)
        towards = np.cross(across, upwards)
        towards /= np.linalg.norm(towards)
        across = across / np.linalg.norm(across)
        return cls(np.stack([across, np.cross(towards, across), towards]), centre, radius)


def draw(surface: Shown, viewpoint: Viewpoint) -> UInt8[np.ndarray, "size size 3"]:
    """A picture of the surface: grey clay or, with errors, their colours."""
    seen = (surface.vertices - viewpoint.centre) @ viewpoint.axes.T * (_FILLED / viewpoint.radius)
    places = torch.from_numpy((seen * [1, -1, -1]).astype(np.float32))[None]
    triangles = torch.from_numpy(np.ascontiguousarray(surface.triangles, np.int64))
    normals = vertex_normals(torch.from_numpy(seen.astype(np.float32))[None], triangles)[0].numpy()
    # Scans are wound either way.
    normals *= np.sign(np.median(normals[:, 2]) or 1.0)
    colour = np.full((len(seen), 3), _CLAY) if surface.errors is None else error_colours(surface.errors)
    lit = np.concatenate([normals, colour], 1).astype(np.float32)
    found = fragments(places, triangles, SIZE, SIZE)
    values = found.interpolate(torch.from_numpy(lit)[None]).numpy()
    light = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-6)
    shade = 0.55 + 0.45 * np.clip(light @ _LAMP, 0, 1)[:, None]
    picture = np.full((SIZE * SIZE, 3), _PAPER)
    picture[found.pixel.numpy()] = values[:, 3:] * shade
    return (picture.reshape(SIZE, SIZE, 3) * 255).round().astype(np.uint8)


def error_colours(errors: Float[np.ndarray, " vertex"]) -> Float[np.ndarray, "vertex 3"]:
    """Colours of errors in millimetres, from dark to bright at FARTHEST."""
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.clip(errors / FARTHEST, 0, 1)))[:, :3]


def part_of(surface: Shown, indices: Int[np.ndarray, " part"]) -> Shown:
    """The triangles whose corners are all among some vertices; errors stay those of the part's vertices."""
    place = np.full(len(surface.vertices), -1)
    place[indices] = np.arange(len(indices))
    corners = place[surface.triangles]
    return Shown(surface.vertices[indices], corners[(corners >= 0).all(1)], surface.errors)
