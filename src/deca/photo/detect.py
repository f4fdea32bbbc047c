"""Where the faces of a photo are: a detector over square views of the photo, then one box for each face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deca.photo.sampling import (
    Affine,
    Photo,
    sample_smoothly,
    scaling,
    transform_points,
    translation,
)

Network = Callable[[Float[np.ndarray, "batch 3 height width"]], Sequence[np.ndarray]]

INPUT_SIZE = 192
GRID_SIZE = 48
SCORE_THRESHOLD = 0.5
OVERLAP_THRESHOLD = 0.3


@dataclass(frozen=True)
class Detection:
    """One face found in a photo, in its pixels (centres at half-integers).

    `box` is left, top, right, bottom. `key_points` are the subject's right eye, left eye, nose tip, mouth,
    right ear and left ear. `score` is the detector's confidence in [0, 1].
    """

    box: Float[np.ndarray, " 4"]
    key_points: Float[np.ndarray, "6 2"]
    score: float


def detect(photo: Photo, views: Sequence[Affine], network: Network) -> list[Detection]:
    """Every face that shows upright in any of the square views of the photo, best score first.

    A view is the map T_photo_view from [0, INPUT_SIZE] squared to photo pixels, turned by quarter turns at
    most; what lies outside the photo is black. `network` is MediaPipe's full-range detector (Bazarevsky et
    al., BlazeFace, 2019).
    """
    boxes, key_points, scores = [np.empty((0, 4))], [np.empty((0, 6, 2))], [np.empty(0)]
    for T_photo_view in views:
        picture = sample_smoothly(photo, T_photo_view, INPUT_SIZE, INPUT_SIZE)
        regressions, logits = network(np.ascontiguousarray(2 * picture.transpose(2, 0, 1)[None] - 1))
        view_boxes, view_points, view_scores = decode(regressions[0], logits[0, :, 0])
        corners = transform_points(T_photo_view, view_boxes.reshape(-1, 2, 2))
        boxes.append(np.concatenate([corners.min(1), corners.max(1)], 1))
        key_points.append(transform_points(T_photo_view, view_points))
        scores.append(view_scores)
    merged = weighted_suppression(np.concatenate(boxes), np.concatenate(key_points), np.concatenate(scores))
    return [Detection(box, points, float(score)) for box, points, score in zip(*merged, strict=True)]


def whole_view(height: int, width: int, quarter_turns: int = 0) -> Affine:
    """The view that shows a whole photo of the given size, turned clockwise by `quarter_turns`."""
    turned = _turn(quarter_turns) @ translation(-INPUT_SIZE / 2, -INPUT_SIZE / 2)
    return translation(width / 2, height / 2) @ scaling(max(height, width) / INPUT_SIZE) @ turned


def distant_view(height: int, width: int) -> Affine:
    """The upright view of twice the photo's longer side, for a face that fills the photo or more."""
    return whole_view(height, width) @ translation(-INPUT_SIZE / 2, -INPUT_SIZE / 2) @ scaling(2.0)


def near_views(height: int, width: int) -> list[Affine]:
    """Overlapping upright views of half the photo's longer side, for faces too small to see in the whole one.

    Neighbours share at least a quarter of their side, so a face up to that size is whole in one of them.
    """
    side = max(height, width) / 2

    def starts(length: int) -> np.ndarray:
        if length <= side:
            return np.array([(length - side) / 2])
        return np.linspace(0, length - side, 1 + int(np.ceil((length - side) / (0.75 * side))))

    return [translation(x, y) @ scaling(side / INPUT_SIZE) for y in starts(height) for x in starts(width)]


def decode(
    regressions: Float[np.ndarray, "anchor 16"], logits: Float[np.ndarray, " anchor"]
) -> tuple[Float[np.ndarray, "face 4"], Float[np.ndarray, "face 6 2"], Float[np.ndarray, " face"]]:
    """Boxes, key points (input pixels) and scores of the anchors that pass the threshold.

    One anchor lies at the centre of each cell of the grid, row by row; regressions are offsets from it.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    chosen = np.flatnonzero(scores > SCORE_THRESHOLD)
    rows, columns = np.divmod(chosen, GRID_SIZE)
    anchors = (np.stack([columns, rows], 1) + 0.5) * (INPUT_SIZE / GRID_SIZE)
    values = regressions[chosen].astype(np.float64)
    centres, half_sizes = anchors + values[:, :2], values[:, 2:4] / 2
    boxes = np.concatenate([centres - half_sizes, centres + half_sizes], 1)
    key_points = anchors[:, None] + values[:, 4:].reshape(-1, 6, 2)
    return boxes, key_points, scores[chosen]


def weighted_suppression(
    boxes: Float[np.ndarray, "anchor 4"],
    key_points: Float[np.ndarray, "anchor 6 2"],
    scores: Float[np.ndarray, " anchor"],
) -> tuple[Float[np.ndarray, "face 4"], Float[np.ndarray, "face 6 2"], Float[np.ndarray, " face"]]:
    """One face for each cluster of overlapping boxes: their mean weighted by score, with the best score.

    Weighted non-maximum suppression (BlazeFace, section 4): steadier than the best box alone.
    """
    remaining = np.argsort(-scores, kind="stable")
    merged_boxes, merged_points, best = [], [], []
    while len(remaining):
        near = overlap(boxes[remaining[0]], boxes[remaining]) > OVERLAP_THRESHOLD
        near[0] = True
        cluster = remaining[near]
        weights = scores[cluster] / scores[cluster].sum()
        merged_boxes.append(weights @ boxes[cluster])
        merged_points.append(np.tensordot(weights, key_points[cluster], 1))
        best.append(scores[cluster[0]])
        remaining = remaining[~near]
    return np.reshape(merged_boxes, (-1, 4)), np.reshape(merged_points, (-1, 6, 2)), np.array(best)


def overlap(box: Float[np.ndarray, " 4"], boxes: Float[np.ndarray, "box 4"]) -> Float[np.ndarray, " box"]:
    """Area of intersection over area of union of one box with others."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    intersection = sides.clip(0).prod(1)
    area = (box[2:] - box[:2]).clip(0).prod()
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)
    return intersection / np.maximum(area + areas - intersection, 1e-12)


def _turn(quarter_turns: int) -> Affine:
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
