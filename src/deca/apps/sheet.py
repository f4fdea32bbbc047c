"""sheet.png: the photo and what was made of it, side by side."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.apps.reconstruction import Reconstruction
from deca.geometry import axis_angle_to_matrix
from deca.head.model import Head
from deca.photo.crop import Crop, crop_image
from deca.render.camera import project
from deca.render.openness import shown_openness
from deca.render.pictures import View, clay, look, over, textured

_PANEL = 480
_CAPTION = 34
_GAP = 6
_ENLARGEMENT = 1.35
"""The panels show more than the face's crop: the whole head."""
_PAPER = (240, 240, 237)
_INK = (40, 40, 40)
_TURN = math.radians(38)

Panel = UInt8[np.ndarray, "panel panel 3"]


def draw_sheet(result: Reconstruction) -> UInt8[np.ndarray, "height width 3"]:
    """Two rows: photo, landmarks, coarse, detailed; rendered, overlay, turned both ways."""
    crop = wide_crop(result.crop)
    photo = _pixels(crop_image(result.photo, crop))
    paper = np.full_like(photo, _PAPER)
    open_sky = shown_openness(result.deca.data, result.head.vertices)

    def seen(head: Head) -> View:
        # The wide crop has the same centre: its image frame is the crop's, shrunk.
        vertices_image = project(head.vertices, result.parameters.camera) / _ENLARGEMENT
        return look(result.deca.data, head.vertices, vertices_image, open_sky, _PANEL)

    front = seen(result.head)
    rendered = textured(front, result.texture)
    coarse, detailed = clay(front, result.texture, result.detail.normals()[0].numpy())
    left, right = (textured(seen(_turned(result.head, angle)), result.texture) for angle in (_TURN, -_TURN))
    panels = {
        "photo": photo,
        "landmarks": _with_landmarks(result, photo, crop),
        "coarse shape": over(coarse, paper),
        "detailed shape": over(detailed, paper),
        "rendered": over(rendered, paper),
        "overlay": over(rendered, photo),
        "turned left": over(left, paper),
        "turned right": over(right, paper),
    }
    return _arranged(panels, columns=4)


def wide_crop(crop: Crop) -> Crop:
    """The square around a face's crop that shows the whole head, of a panel's size."""
    margin = (_ENLARGEMENT - 1) / 2 * crop.size
    T_crop_wide = np.array([[1.0, 0.0, -margin], [0.0, 1.0, -margin], [0.0, 0.0, 1.0]])
    enlarged = Crop(crop.size, crop.T_photo_crop @ T_crop_wide @ np.diag([_ENLARGEMENT, _ENLARGEMENT, 1.0]))
    return enlarged.resized(_PANEL)


def _turned(head: Head, angle: float) -> Head:
    """The posed head turned about its vertical axis, in place."""
    turn = axis_angle_to_matrix(torch.tensor([0.0, angle, 0.0]))
    centre = head.vertices.mean(1, keepdim=True)
    return Head((head.vertices - centre) @ turn.T + centre, head.joint_transforms)


def _with_landmarks(result: Reconstruction, photo: Panel, crop: Crop) -> Panel:
    """Points found in the photo (white) and the reconstructed head's (blue)."""
    scale = 2  # drawn large and shrunk: smooth dots
    canvas = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for points, radius, colour in (
        (result.found.dense468[:, :2], 2, (255, 255, 255)),
        (result.landmarks_photo, 5, (40, 120, 255)),
    ):
        moved = points @ crop.T_crop_photo[:2, :2].T + crop.T_crop_photo[:2, 2]
        for x, y in np.rint(moved * scale * 16).astype(int).tolist():
            cv2.circle(canvas, (x, y), radius * 16, colour, -1, cv2.LINE_AA, 4)
    return cv2.resize(canvas, (crop.size, crop.size), interpolation=cv2.INTER_AREA)


def _pixels(image: Float[Tensor, "1 3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    return np.rint(image[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)


def _arranged(panels: dict[str, Panel], columns: int) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    rows = math.ceil(len(panels) / columns)
    cell_height, cell_width = _PANEL + _CAPTION + _GAP, _PANEL + _GAP
    # A row of paper is copied down: several times as fast as a pixel across.
    line = np.tile(np.array(_PAPER, np.uint8), (1, columns * cell_width + _GAP, 1))
    sheet = np.repeat(line, rows * cell_height + _GAP, 0)
    for number, (name, panel) in enumerate(panels.items()):
        top = number // columns * cell_height + _GAP
        left = number % columns * cell_width + _GAP
        sheet[top : top + _PANEL, left : left + _PANEL] = panel
        place = (left + 4, top + _PANEL + _CAPTION - 11)
        cv2.putText(sheet, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    return sheet
