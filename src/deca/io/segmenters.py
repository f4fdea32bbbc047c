"""A user's network that says what each pixel of a face shows, as a way to find bare skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnxruntime
from jaxtyping import Float, UInt8

from deca.photo.face_area import FaceArea, disc

SegmenterInput = Literal["imagenet", "unit", "signed"]

_COLOURS = {
    "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "unit": ([0.0] * 3, [1.0] * 3),
    "signed": ([0.5] * 3, [0.5] * 3),
}
_USUAL_SIZE = 512
# In sizes of the face. The landmarks end below the hair's line; skin far from them is another's, or a neck.
_SURROUNDINGS = 0.25


@dataclass(frozen=True)
class Segmenter:
    """Finds bare skin by a network; to be called by any number of threads."""

    session: onnxruntime.InferenceSession
    skin_classes: tuple[int, ...]
    colours: SegmenterInput

    def __call__(
        self, image: UInt8[np.ndarray, "size size 3"], area: FaceArea
    ) -> UInt8[np.ndarray, "size size"]:
        """How surely each pixel of a crop shows bare skin, 255 for surely; nothing far from the face."""
        given = self.session.get_inputs()[0]
        height, width = (size if isinstance(size, int) else _USUAL_SIZE for size in given.shape[2:])
        mean, deviation = _COLOURS[self.colours]
        picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        picture = ((picture - mean) / deviation).astype(np.float32)
        outputs = self.session.run(None, {given.name: picture.transpose(2, 0, 1)[None]})
        skin = _skin(np.asarray(outputs[0]), self.skin_classes)
        near = area.in_crop(area.face.astype(np.float32), len(image)) > 0.5
        size = area.size * (area.right - area.left) / area.face.shape[1]
        near = cv2.dilate(near.astype(np.uint8), disc(_SURROUNDINGS * size))
        return np.rint(255 * cv2.resize(skin, image.shape[:2]) * near).astype(np.uint8)


def open_segmenter(path: Path, skin_classes: Sequence[int], colours: SegmenterInput) -> Segmenter:
    """A network as an ONNX file: (1, 3, height, width) in; scores (1, class, h, w) or classes (1, h, w) out.

    `skin_classes` are those that are bare skin. FileNotFoundError for a missing file, ValueError for
    another kind of network.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such network")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # The runtime raises a dozen types of its own.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: not a readable ONNX network ({said})") from None
    inputs, output = session.get_inputs(), session.get_outputs()[0]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] not in (3, None, "channels"):
        raise ValueError(
            f"{path}: takes {[one.shape for one in inputs]}, expected one picture (1, 3, height, width)"
        )
    if len(output.shape) not in (3, 4):
        raise ValueError(
            f"{path}: gives {output.shape}, expected (1, class, height, width) or (1, height, width)"
        )
    classes = output.shape[1] if len(output.shape) == 4 else None
    if isinstance(classes, int) and max(skin_classes) >= classes:
        raise ValueError(f"{path}: has classes 0 to {classes - 1}, not {max(skin_classes)}")
    return Segmenter(session, tuple(skin_classes), colours)


def _skin(output: np.ndarray, classes: Sequence[int]) -> Float[np.ndarray, "height width"]:
    """The probability of the classes: by their scores, or one and zero."""
    if output.ndim == 3:
        return np.isin(output[0], classes).astype(np.float32)
    scores = np.exp(output[0] - output[0].max(0))
    return (scores[list(classes)].sum(0) / scores.sum(0)).astype(np.float32)
