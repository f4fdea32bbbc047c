"""The mesh of the 468 landmarks, which ships with the package."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from deca.io.files import data_file
from deca.photo.face_area import FaceMesh


@cache
def face_mesh() -> FaceMesh:
    """MediaPipe's canonical face of 468 points."""
    with np.load(data_file("face_geometry_468.npz"), allow_pickle=False) as geometry:
        return FaceMesh(geometry["vertices"], torch.from_numpy(geometry["triangles"]))
