"""Hollows that an expression makes in the skin: less light reaches them than reached the same skin before."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.sparse as sparse
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import UVLayout

REACH = 0.006
"""Deviation of the surroundings that a place is compared with, metres."""
DARKENING = 110.0
"""How fast light fades with the depth of a hollow, per metre; `tools/calibrate_hollows.py` measured it."""
LEFT = (0.55, 1.1)
"""The least and the most that is left of the light."""
_SIZE = 256
_INNER = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets")
_MOVING = ("lips", "eyes")
# Beside lips and lids the shade fades out over this distance, metres.
_FADE = 0.003
# Of a vertex's surroundings what lies so many deviations away, or faces another way, is left out.
_FAR, _FACING = 3.0, 0.2


class Hollows:
    """How deep the skin of one head model lies below its surroundings, in UV.

    `reach` is the surroundings' deviation in texels.

    On a cloudy day what is deep is dark (Langer and Zucker 1994): a fold of the skin shows less by how its
    sides are turned to a lamp than by how little of the sky is open over it. Three bands of spherical
    harmonics know nothing of that.
    """

    def __init__(self, data: HeadData, reach: float = REACH) -> None:
        self._triangles = torch.from_numpy(data.triangles)
        self._layout = layout = UVLayout(data, _SIZE)
        covered, under = layout.mask.numpy(), layout.triangle_ids.clamp_min(0).numpy()
        known = covered & ~_triangles(data, _INNER)[under]
        skin = covered & data.region("face")[under] & ~_triangles(data, (*_INNER, *_MOVING))[under]
        places = layout.to_uv(torch.from_numpy(data.template_vertices)[None])[0].numpy()
        steps = np.linalg.norm(np.diff(places, axis=2), axis=0)[skin[:, 1:] & skin[:, :-1]]
        texel = float(np.median(steps))
        self.reach = reach / texel
        distance = cv2.distanceTransform(np.pad(skin.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        self._weights = (distance * texel / _FADE).clip(0, 1).astype(np.float32)
        self._known = known.astype(np.float32)
        self._share = np.maximum(self._mean(self._known), 1e-6)

    def depths(
        self, vertices: Float[Tensor, "1 vertex 3"], displacement: Float[Tensor, "1 1 map map"]
    ) -> Float[np.ndarray, "size size"]:
        """How far each texel of the displaced surface lies below the mean of its surroundings, metres."""
        normals = vertex_normals(vertices, self._triangles)
        both = self._layout.to_uv(torch.cat([vertices, normals], 2))
        outward = normalize(both[:, 3:], dim=1)
        relief = interpolate(displacement, size=(_SIZE, _SIZE), mode="area")
        places = (both[:, :3] + relief * outward)[0].permute(1, 2, 0).numpy()
        around = self._mean(places * self._known[..., None]) / self._share[..., None]
        return ((around - places) * outward[0].permute(1, 2, 0).numpy()).sum(2) * self._weights

    @staticmethod
    def left(
        depths: Float[np.ndarray, "size size"], before: Float[np.ndarray, "size size"]
    ) -> Float[np.ndarray, "size size"]:
        """What is left of the light on skin whose texture was seen at the depths `before`."""
        return np.exp(DARKENING * (before - depths)).clip(*LEFT).astype(np.float32)

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), self.reach)


def vertex_surroundings(data: HeadData) -> sparse.csr_matrix:
    """The same for the coarse head alone, at its vertices: a matrix (vertex, vertex) that takes places to how
    far the mean of a vertex's surroundings lies from it. Of that, the part along the normal is the depth.

    Rows of what is no skin of the face are zero.
    """
    places = torch.from_numpy(data.template_vertices)[None]
    triangles = torch.from_numpy(data.triangles)
    normals = vertex_normals(places, triangles)[0].numpy()
    places = data.template_vertices.astype(np.float64)
    corners = places[data.triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    areas = np.bincount(data.triangles.ravel(), np.repeat(areas, 3), len(places))
    known = _vertices(data, ~_triangles(data, _INNER))
    skin = _vertices(data, data.region("face"))
    others = _vertices(data, _triangles(data, (*_INNER, *_MOVING)))
    rows = np.flatnonzero(skin & ~others)
    fade = (KDTree(places[others]).query(places[rows])[0] / _FADE).clip(0, 1)
    columns = np.flatnonzero(known)
    near = KDTree(places[rows]).sparse_distance_matrix(
        KDTree(places[columns]), _FAR * REACH, output_type="coo_matrix"
    )
    around = columns[near.col]
    facing = (normals[rows[near.row]] * normals[around]).sum(1) > _FACING
    weights = facing * areas[around] * np.exp(-0.5 * (near.data / REACH) ** 2)
    weights *= (fade / np.bincount(near.row, weights))[near.row]
    entries = (np.concatenate([weights, -fade]), (np.append(rows[near.row], rows), np.append(around, rows)))
    matrix = sparse.csr_matrix(entries, (len(places), len(places)))
    matrix.eliminate_zeros()
    return matrix


def _triangles(data: HeadData, names: tuple[str, ...]) -> Bool[np.ndarray, " triangle"]:
    masks = [data.region(name) for name in names if name in data.region_names]
    return np.any([*masks, np.zeros(len(data.triangles), bool)], 0)


def _vertices(data: HeadData, triangles: Bool[np.ndarray, " triangle"]) -> Bool[np.ndarray, " vertex"]:
    chosen = np.zeros(len(data.template_vertices), bool)
    chosen[data.triangles[triangles]] = True
    return chosen
