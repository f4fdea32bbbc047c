"""The networks that ship with the package, opened on first use and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Int

from deca.io.files import data_file
from deca.photo.depth import FaceDepths
from deca.photo.detect import Network
from deca.photo.landmarks import Landmarker, mirror_indices


@cache
def face_detector() -> Network:
    """MediaPipe's full-range face detector."""
    return open_network(data_file("face_detector_full.onnx"))


@cache
def face_landmarker() -> Landmarker:
    """MediaPipe's face mesh of 468 points."""
    with np.load(data_file("face_depths_468.npz"), allow_pickle=False) as arrays:
        depths = FaceDepths(arrays["points"].astype(np.float64), arrays["depths"].astype(np.float64))
    return Landmarker(open_network(data_file("face_landmarks_468.onnx")), dense_landmark_mirror(), depths)


@cache
def dense_landmark_mirror() -> Int[np.ndarray, "468"]:
    """The mirror image of each of the 468 points."""
    with np.load(data_file("face_geometry_468.npz"), allow_pickle=False) as geometry:
        return mirror_indices(geometry["vertices"])


def open_network(path: str | Path) -> Network:
    """An ONNX file with one input as a function of arrays, on one CPU thread.

    One thread, because several that wait actively for each other make a busy machine slower, not faster.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def network(pictures: np.ndarray) -> Sequence[np.ndarray]:
        return session.run(None, {name: pictures})  # pyright: ignore[reportReturnType]

    return network
