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
from deca.render.clay import clay_colours, shaded_cavities
from deca.render.renderer import over, picture
from deca.render.surface import Surface
from deca.render.visibility import openness

_PANEL = 480
_SUPERSAMPLING = 2
_CAPTION = 34
_GAP = 6
_ENLARGEMENT = 1.35
"""The panels show more than the face's crop: the whole head."""
_PAPER = (0.94, 0.94, 0.93)
_INK = (40, 40, 40)
_TURN = math.radians(38)
_WHITE_OF_EYES = 0.55

Picture = Float[Tensor, "1 3 height width"]


def draw_sheet(result: Reconstruction) -> UInt8[np.ndarray, "height width 3"]:
    """Two rows: photo, landmarks, coarse, detailed; rendered, overlay, turned both ways."""
    crop = wide_crop(result.crop)
    photo = crop_image(result.photo, crop)
    posed = result.head
    front = _surface(result, posed, crop)
    paper = torch.tensor(_PAPER)[None, :, None, None]
    cavities = front.fragments.interpolate(openness(posed.vertices, result.deca.head_model.triangles))
    detail_normals = front.sample(result.deca.detail_model(posed.vertices, result.displacement))
    irises = _irises(result, front)
    coarse, detailed = (
        over(picture(front, shaded_cavities(clay_colours(normals), cavities) * irises, _SUPERSAMPLING), paper)
        for normals in (front.normals, detail_normals)
    )
    rendered = _textured(result, front)
    panels = {
        "photo": photo,
        "landmarks": _with_landmarks(result, photo, crop),
        "coarse shape": coarse,
        "detailed shape": detailed,
        "rendered": over(rendered, paper),
        "overlay": over(rendered, photo),
    }
    for name, angle in (("turned left", _TURN), ("turned right", -_TURN)):
        turned = _turned(posed, angle)
        panels[name] = over(_textured(result, _surface(result, turned, crop)), paper)
    return _arranged(panels, columns=4)


def wide_crop(crop: Crop) -> Crop:
    """The square around a face's crop that shows the whole head, of a panel's size."""
    margin = (_ENLARGEMENT - 1) / 2 * crop.size
    T_crop_wide = np.array([[1.0, 0.0, -margin], [0.0, 1.0, -margin], [0.0, 0.0, 1.0]])
    enlarged = Crop(crop.size, crop.T_photo_crop @ T_crop_wide @ np.diag([_ENLARGEMENT, _ENLARGEMENT, 1.0]))
    return enlarged.resized(_PANEL)


def _surface(result: Reconstruction, head: Head, crop: Crop) -> Surface:
    # The wide crop has the same centre: its image frame is the crop's, shrunk.
    vertices_image = project(head.vertices, result.parameters.camera) / _ENLARGEMENT
    size = crop.size * _SUPERSAMPLING
    return result.deca.surface_model(head.vertices, vertices_image, size, size)


def _irises(result: Reconstruction, surface: Surface) -> Float[Tensor, "pixel 1"]:
    """How dark clay is drawn on the eyeballs: without irises open eyes look closed."""
    names, weights = result.deca.data.joint_names, result.deca.head_model.skinning_weights
    eyes = [names.index(name) for name in ("left_eye", "right_eye") if name in names]
    eyeball = surface.fragments.interpolate(weights[None, :, eyes].sum(-1, keepdim=True))
    lightness = surface.sample(_texture(result)).mean(1, keepdim=True)
    return 1 - eyeball * (1 - lightness / _WHITE_OF_EYES).clamp(0, 1)


def _texture(result: Reconstruction) -> Picture:
    return torch.from_numpy(result.texture).permute(2, 0, 1)[None].float() / 255


def _textured(result: Reconstruction, surface: Surface) -> Float[Tensor, "1 4 height width"]:
    """The texture in gentle light from the front, so that a turned head has form."""
    facing = torch.nn.functional.normalize(surface.normals, dim=-1)[:, 2:].clamp(0, 1)
    return picture(surface, surface.sample(_texture(result)) * (0.72 + 0.28 * facing), _SUPERSAMPLING)


def _turned(head: Head, angle: float) -> Head:
    """The posed head turned about its vertical axis, in place."""
    turn = axis_angle_to_matrix(torch.tensor([0.0, angle, 0.0]))
    centre = head.vertices.mean(1, keepdim=True)
    return Head((head.vertices - centre) @ turn.T + centre, head.joint_transforms)


def _with_landmarks(result: Reconstruction, photo: Picture, crop: Crop) -> Picture:
    """Points found in the photo (white) and the reconstructed head's (blue)."""
    scale = 2  # drawn large and shrunk: smooth dots
    canvas = cv2.resize(_pixels(photo), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for points, radius, colour in (
        (result.found.dense468[:, :2], 2, (255, 255, 255)),
        (result.landmarks_photo, 5, (40, 120, 255)),
    ):
        moved = points @ crop.T_crop_photo[:2, :2].T + crop.T_crop_photo[:2, 2]
        for x, y in np.rint(moved * scale * 16).astype(int).tolist():
            cv2.circle(canvas, (x, y), radius * 16, colour, -1, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, (crop.size, crop.size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255


def _pixels(image: Picture) -> UInt8[np.ndarray, "height width 3"]:
    return np.rint(image[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)


def _arranged(panels: dict[str, Picture], columns: int) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    rows = math.ceil(len(panels) / columns)
    cell_height, cell_width = _PANEL + _CAPTION + _GAP, _PANEL + _GAP
    paper = np.rint(np.array(_PAPER) * 255).astype(np.uint8)
    sheet = np.tile(paper, (rows * cell_height + _GAP, columns * cell_width + _GAP, 1))
    for number, (name, panel) in enumerate(panels.items()):
        top = number // columns * cell_height + _GAP
        left = number % columns * cell_width + _GAP
        sheet[top : top + _PANEL, left : left + _PANEL] = _pixels(panel)
        place = (left + 4, top + _PANEL + _CAPTION - 11)
        cv2.putText(sheet, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    return sheet
