"""FaceChart: the face unrolled in millimetres, on which lines are laid out, and where they lie in UV."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.interpolate import LinearNDInterpolator

from deca.fitting.relief_region import smooth_step
from deca.geometry import vertex_normals
from deca.head.data import HeadData
from deca.head.uv import UVLayout

_STEP = 1.5
"""Millimetres between the chart's samples."""
_BEHIND_EARS = 0.3
"""How far the chart's axis lies behind the ears, in depths of the face."""
# Regions that are no skin, or fold over what lies below them.
_NOT_SKIN = ("eyeballs", "teeth", "tongue", "mouth_interior", "eye_sockets", "ears")
_SKIN = ("face", "forehead", "nose", "neck", "scalp")
# A surface that looks away from the head's axis less than this is the underside of something.
_LEAST_OUTWARD = 0.12
# (none, all) of the relief, by the distance in millimetres from eyes, lips and so on.
_BESIDE_EYES = (0.5, 3.0)
_BESIDE_LIPS = (0.0, 2.0)
_BESIDE_NOSTRILS = (1.0, 4.0)
_BESIDE_BORDER = (1.0, 8.0)

Chart = Float[np.ndarray, "*batch 2"]


class FaceChart:
    """The neutral head unrolled around its upright axis: (x, y) in millimetres, x to the subject's left.

    `landmarks` are the 68 iBUG points in it. `positions` (millimetres, head frame), `places` (chart) and
    `texel` (length of a texel) say what lies at each texel of the layout; `skin` in [0, 1] fades towards
    eyes, lips, nostrils and the border of face and neck; `valid` marks the texels that the chart shows.
    """

    def __init__(self, data: HeadData, layout: UVLayout) -> None:
        vertices = torch.from_numpy(data.template_vertices)[None]
        normals = vertex_normals(vertices, torch.from_numpy(data.triangles))
        maps = layout.to_uv(torch.cat([vertices * 1000, normals], -1))[0].numpy()
        self.size = layout.size
        self.positions = np.ascontiguousarray(np.moveaxis(maps[:3], 0, -1), dtype=np.float32)
        corners = data.template_vertices[data.triangles[data.full_landmark_triangles]]
        landmarks = 1000 * (corners * data.full_landmark_barycentrics[..., None]).sum(1)
        # The axis stands inside the neck; at the root of the nose the chart is true to scale.
        ears = float(landmarks[[0, 16], 2].mean())
        self._axis = ears - _BEHIND_EARS * (float(landmarks[27, 2]) - ears)
        self._radius = float(landmarks[27, 2]) - self._axis
        self.landmarks = self._unrolled(landmarks)
        self.places = self._unrolled(self.positions).astype(np.float32)
        relative = self.positions - np.array([0, 0, self._axis])
        radial = relative[..., [0, 2]]
        radial = radial / np.maximum(np.linalg.norm(radial, axis=-1, keepdims=True), 1)
        outward = maps[3] * radial[..., 0] + maps[5] * radial[..., 1]
        skin = _regions(layout, _SKIN) & ~_regions(layout, _NOT_SKIN)
        self.valid = skin & (outward > _LEAST_OUTWARD) & (self.positions[..., 2] > self._axis - 30)
        self.texel = _texel_lengths(self.positions, skin)
        self._samples = self._inverse()
        self.skin = self._skin_weights(skin, self._outlines(data))

    def at(self, places: Chart) -> Float[np.ndarray, "*batch 5"]:
        """Position (millimetres) and texel (column, row; centres at half-integers) at places of the chart."""
        flat = np.ascontiguousarray(places, np.float32).reshape(1, -1, 2)
        grid = (flat - self._corner) / np.float32(_STEP)
        columns, rows = np.ascontiguousarray(grid[..., 0]), np.ascontiguousarray(grid[..., 1])
        found = [
            cv2.remap(part, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for part in self._samples
        ]
        return np.concatenate(found, -1).reshape(*places.shape[:-1], 5)

    def _unrolled(self, points: Float[np.ndarray, "*batch 3"]) -> Chart:
        angle = np.arctan2(points[..., 0], points[..., 2] - self._axis)
        return np.stack([self._radius * angle, points[..., 1]], -1)

    def _inverse(self) -> tuple[np.ndarray, np.ndarray]:
        """Position and texel on a regular grid of the chart; what the face lacks is bridged."""
        places = self.places[self.valid]
        low = self.landmarks.min(0) - np.array([25, 75])
        high = self.landmarks.max(0) + np.array([25, 65])
        self._corner = low.astype(np.float32)
        columns, rows = (np.arange(low[axis], high[axis], _STEP) for axis in range(2))
        rows_of, columns_of = np.nonzero(self.valid)
        values = np.concatenate([self.positions[self.valid], np.stack([columns_of, rows_of], 1) + 0.5], 1)
        x, y = np.meshgrid(columns, rows)
        # Half of the texels are enough for a grid that is coarser than they are.
        chosen = (columns_of + rows_of) % 2 == 0
        found = LinearNDInterpolator(places[chosen], values[chosen])(x, y)
        missing = np.isnan(found[..., 0])
        if missing.any():
            _, labels = cv2.distanceTransformWithLabels(
                missing.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            source = np.zeros(labels.max() + 1, np.int64)
            source[labels[~missing]] = np.flatnonzero(~missing)
            found = found.reshape(-1, 5)[source[labels]]
        found = found.astype(np.float32)
        return np.ascontiguousarray(found[..., :3]), np.ascontiguousarray(found[..., 3:])

    def _outlines(self, data: HeadData) -> Float[np.ndarray, "68 2"]:
        """The 68 landmarks in texels."""
        corners = data.texture_vertices[data.texture_triangles[data.full_landmark_triangles]]
        uv = (corners * data.full_landmark_barycentrics[..., None]).sum(1)
        return np.stack([uv[:, 0], 1 - uv[:, 1]], 1) * self.size

    def _skin_weights(
        self, skin: Bool[np.ndarray, "size size"], outlines: Float[np.ndarray, "68 2"]
    ) -> Float[np.ndarray, "size size"]:
        def beside(points: Sequence[int], closed: bool, limits: tuple[float, float]) -> np.ndarray:
            drawn = np.ones((self.size, self.size), np.uint8)
            corners = [np.round(outlines[list(points)] * 16 - 8).astype(np.int32)]
            if closed:
                cv2.fillPoly(drawn, corners, 0, shift=4)
            cv2.polylines(drawn, corners, closed, 0, shift=4)
            return smooth_step(cv2.distanceTransform(drawn, cv2.DIST_L2, 5) * self.texel, *limits)

        weights = beside(range(36, 42), True, _BESIDE_EYES) * beside(range(42, 48), True, _BESIDE_EYES)
        weights = weights * beside(range(48, 60), True, _BESIDE_LIPS)
        weights = weights * beside(range(32, 35), False, _BESIDE_NOSTRILS)
        # Holes for eyes and mouth have limits of their own; only the outer border counts here.
        closing = 2 * round(10 / float(np.median(self.texel[skin]))) + 1
        outer = cv2.morphologyEx(
            np.pad(skin.astype(np.uint8), 1), cv2.MORPH_CLOSE, np.ones((closing, closing))
        )
        inward = cv2.distanceTransform(outer, cv2.DIST_L2, 5)[1:-1, 1:-1] * self.texel
        front = smooth_step(self.positions[..., 2], self._axis - 15, self._axis + 15)
        return (weights * smooth_step(inward, *_BESIDE_BORDER) * front * skin).astype(np.float32)


def _regions(layout: UVLayout, names: Sequence[str]) -> Bool[np.ndarray, "size size"]:
    found = np.zeros((layout.size, layout.size), bool)
    for name in names:
        if name in layout.region_names:
            found |= layout.region_mask(name).numpy()
    return found


def _texel_lengths(
    positions: Float[np.ndarray, "size size 3"], inside: Bool[np.ndarray, "size size"]
) -> Float[np.ndarray, "size size"]:
    """The length of each texel in millimetres, smoothed: a half to four times the middle length."""
    columns, rows = np.gradient(positions, axis=1), np.gradient(positions, axis=0)
    lengths = np.sqrt(np.linalg.norm(columns, axis=-1) * np.linalg.norm(rows, axis=-1))
    middle = float(np.median(lengths[inside]))
    lengths = np.where(inside, np.clip(lengths, middle / 2, 4 * middle), middle)
    return cv2.GaussianBlur(lengths.astype(np.float32), (0, 0), 2.0)
