"""Where the faces of a photo are: one convolutional detector over the whole picture, then one box a face."""

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


def detect(photo: Photo, network: Network, *, quarter_turns: int = 0) -> list[Detection]:
    """Every face in the photo, best score first.

    The network sees the photo turned counter-clockwise by `quarter_turns`. It is MediaPipe's full-range
    detector (Bazarevsky et al., BlazeFace, 2019).
    """
    T_photo_input = letterbox(photo.shape[0], photo.shape[1], INPUT_SIZE, quarter_turns)
    picture = sample_smoothly(photo, T_photo_input, INPUT_SIZE, INPUT_SIZE)
    regressions, logits = network(np.ascontiguousarray(2 * picture.transpose(2, 0, 1)[None] - 1))
    boxes, key_points, scores = decode(regressions[0], logits[0, :, 0])
    boxes, key_points, scores = weighted_suppression(boxes, key_points, scores)
    return [
        Detection(_moved_box(T_photo_input, box), transform_points(T_photo_input, points), float(score))
        for box, points, score in zip(boxes, key_points, scores, strict=True)
    ]


def letterbox(height: int, width: int, size: int, quarter_turns: int) -> Affine:
    """T_photo_input of the square of `size` pixels that holds the whole photo, centred and turned."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    centred = scaling(max(height, width) / size) @ turn @ translation(-size / 2, -size / 2)
    return translation(width / 2, height / 2) @ centred


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


def _moved_box(T: Affine, box: Float[np.ndarray, " 4"]) -> Float[np.ndarray, " 4"]:
    corners = transform_points(T, box.reshape(2, 2))
    return np.concatenate([corners.min(0), corners.max(0)])
