"""Where on a head wrinkles may be told from shading: the face without eyes, brows, lips and nostrils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.head.data import HeadData
from deca.head.uv import UVLayout

# The 51 inner iBUG landmarks, in the order of HeadData.
_BROWS = (range(0, 5), range(5, 10))
_EYES = (range(19, 25), range(25, 31))
_NOSE_BASE = range(15, 18)
_LIPS = range(31, 43)
_BROW_HEADS = (4, 5)
_NOSE_RIDGE = range(10, 14)
_NOSE = (10, 22, 14, 15, 16, 17, 18, 25)
_UPPER_LIDS = ((0, 1, 2, 3, 4, 22, 21, 20, 19), (5, 6, 7, 8, 9, 28, 27, 26, 25))
# (none, all) of the relief, by the distance in millimetres from the part's outline.
_BESIDE_EYES = (2.0, 5.0)
_BESIDE_BROWS = (3.5, 7.5)
_BESIDE_LIPS = (1.5, 4.5)
_BESIDE_NOSTRILS = (5.0, 10.0)
_BESIDE_NOSE = (1.0, 5.0)
_ROUND_EYES = (10.0, 14.0)
_BESIDE_LIDS = (0.0, 3.0)
# What is left of the relief where the coarse head's own shape is rich, and hardly ever exact to a millimetre.
_ON_NOSE = 0.15
_ON_UPPER_LIDS = 0.2
_INSIDE_FACE = (1.0, 9.0)


@dataclass(frozen=True)
class ReliefRegion:
    """Where one head model, in one UV layout, may have relief; the same for every face.

    `weights` in [0, 1] fade to zero towards eyes, brows, lips, nostrils and the face's border. `bridge` is
    the root of the nose, where spectacles cross it; `spectacles` in [0, 1] where their frames may lie;
    `eyes` in [0, 1] is 1 beside and below the eyes, up to a centimetre, where lashes are; `forehead` is all
    above the brows and their frown lines. `symmetric` says whether the mirror image of a texel is the
    mirrored column.
    """

    weights: Float[Tensor, "1 1 size size"]
    bridge: Bool[Tensor, "1 1 size size"]
    spectacles: Float[Tensor, "1 1 size size"]
    eyes: Float[Tensor, "1 1 size size"]
    forehead: Bool[Tensor, "1 1 size size"]
    symmetric: bool


def relief_region(data: HeadData, layout: UVLayout) -> ReliefRegion:
    """The region of a head model, from its region "face" and the places of its landmarks in the UV map."""
    positions = layout.to_uv(torch.from_numpy(data.template_vertices)[None])[0].numpy() * 1000
    face = _largest_part(layout.region_mask("face").numpy())
    millimetres = texel_millimetres(positions, face)
    points_uv = _landmarks_uv(data)
    outline = np.stack([points_uv[:, 0], 1 - points_uv[:, 1]], 1) * layout.size

    def beside(points: Sequence[int], closed: bool, limits: tuple[float, float]) -> np.ndarray:
        drawn = np.ones((layout.size, layout.size), np.uint8)
        corners = [np.round(outline[list(points)] * 16).astype(np.int32)]
        if closed:
            cv2.fillPoly(drawn, corners, 0, shift=4)
        cv2.polylines(drawn, corners, closed, 0, shift=4)
        return smooth_step(cv2.distanceTransform(drawn, cv2.DIST_L2, 5) * millimetres, *limits)

    # Holes of the face (eyes, mouth) have limits of their own; only its outer border counts here.
    outer = cv2.morphologyEx(
        np.pad(face.astype(np.uint8), 1), cv2.MORPH_CLOSE, np.ones((2 * round(8 / millimetres) + 1,) * 2)
    )[1:-1, 1:-1]
    inward = cv2.distanceTransform(np.pad(outer, 1), cv2.DIST_L2, 5)[1:-1, 1:-1] * millimetres
    weights = smooth_step(inward, *_INSIDE_FACE) * face
    for points in _EYES:
        weights = weights * beside(points, True, _BESIDE_EYES)
    for points in _BROWS:
        weights = weights * beside(points, False, _BESIDE_BROWS)
    weights = weights * beside(_LIPS, True, _BESIDE_LIPS) * beside(_NOSE_BASE, False, _BESIDE_NOSTRILS)
    weights = weights * (_ON_NOSE + (1 - _ON_NOSE) * beside(_NOSE, True, _BESIDE_NOSE))
    for points in _UPPER_LIDS:
        weights = weights * (_ON_UPPER_LIDS + (1 - _ON_UPPER_LIDS) * beside(points, True, _BESIDE_LIDS))

    landmarks = _landmark_positions(data) * 1000
    side, up = np.abs(positions[0]), positions[1]
    brows, ridge = float(landmarks[list(_BROW_HEADS), 1].mean()), landmarks[list(_NOSE_RIDGE), 1].tolist()
    bridge = face & (side < 5) & (up < brows) & (up > ridge[2])
    top = float(landmarks[: _BROWS[1].stop, 1].max())
    spectacles = (
        (1 - smooth_step(up, top + 4, top + 12)) * smooth_step(up, ridge[3] - 12, ridge[3] - 4) * face
    )
    # Frown lines stand upright between the brows and above, where else only hair does.
    frown = 12 * (1 - smooth_step(side, 10.0, 16.0))
    eyes = 1 - beside(_EYES[0], True, _ROUND_EYES) * beside(_EYES[1], True, _ROUND_EYES)
    upper = float(landmarks[[index for points in _EYES for index in points], 1].max())
    eyes = eyes * (1 - smooth_step(up, upper, upper + 5.0))
    maps = [
        torch.from_numpy(np.asarray(part, np.float32))[None, None] for part in (weights, spectacles, eyes)
    ]
    return ReliefRegion(
        weights=maps[0],
        bridge=torch.from_numpy(bridge)[None, None],
        spectacles=maps[1],
        eyes=maps[2],
        forehead=torch.from_numpy(face & (up > top + frown))[None, None],
        symmetric=_symmetric(positions, face),
    )


def texel_millimetres(
    positions: Float[np.ndarray, "3 size size"], inside: Bool[np.ndarray, "size size"]
) -> float:
    """The middle length of a texel, from positions in millimetres and the texels that count."""
    columns, rows = np.gradient(positions, axis=2), np.gradient(positions, axis=1)
    lengths = np.sqrt(np.linalg.norm(columns, axis=0) * np.linalg.norm(rows, axis=0))
    return float(np.median(lengths[inside]))


def smooth_step(values: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """A smooth step from 0 at `low` to 1 at `high`."""
    step = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(step * step * (3 - 2 * step))


def _largest_part(mask: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "size size"]:
    """The largest connected part: what some heads count to the face beside it, such as eyeballs, is left
    out."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return labels == 1 + areas.argmax() if len(areas) else mask


def _landmarks_uv(data: HeadData) -> Float[np.ndarray, "51 2"]:
    corners = data.texture_vertices[data.texture_triangles[data.landmark_triangles]]
    return (corners * data.landmark_barycentrics[..., None]).sum(1)


def _landmark_positions(data: HeadData) -> Float[np.ndarray, "51 3"]:
    corners = data.template_vertices[data.triangles[data.landmark_triangles]]
    return (corners * data.landmark_barycentrics[..., None]).sum(1)


def _symmetric(positions: Float[np.ndarray, "3 size size"], face: Bool[np.ndarray, "size size"]) -> bool:
    """Whether mirrored columns lie within two millimetres of the mirror image, over most of the face."""
    mirrored = positions[:, :, ::-1] * np.array([-1, 1, 1], np.float32)[:, None, None]
    both = face & face[:, ::-1]
    distance = np.linalg.norm(positions - mirrored, axis=0)[both]
    return bool(both.sum() > 0.8 * face.sum() and np.median(distance) < 2)
