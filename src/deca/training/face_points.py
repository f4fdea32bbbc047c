"""The head at the points that losses look at: landmarks and a net over the face, far fewer than all its
vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.head.data import HeadData
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.parameters import Parameters
from deca.render.camera import project

_NET = 400
"""About so many vertices of the face stand for all of them."""
_BY_VERTEX = (
    ("template_vertices", 0),
    ("shape_basis", 1),
    ("expression_basis", 1),
    ("pose_basis", 1),
    ("skinning_weights", 0),
)


@dataclass(frozen=True)
class FacePoints:
    """Points of posed faces in the crop's image frame, x right, y down, z away: the 68 landmarks, the 468 (or
    none), and a net."""

    landmarks: Float[Tensor, "face 68 3"]
    dense_landmarks: Float[Tensor, "face dense 3"]
    net: Float[Tensor, "face net 3"]


class FacePointsModel(nn.Module):
    """Evaluates a head at its landmarks and at every n-th vertex of its face."""

    net: Tensor

    def __init__(self, data: HeadData) -> None:
        super().__init__()
        landmarks = HeadLandmarks(data)
        corners = [name for name, _ in landmarks.named_buffers() if name.endswith("corners")]
        face = face_vertices(data)
        net = face[:: max(1, len(face) // _NET)]
        used = torch.cat([*(getattr(landmarks, name).flatten() for name in corners), net]).unique()
        place = torch.zeros(len(data.template_vertices), dtype=torch.long)
        place[used] = torch.arange(len(used))
        for name in corners:
            setattr(landmarks, name, place[getattr(landmarks, name)])
        head_model = HeadModel(data)
        for name, axis in _BY_VERTEX:
            setattr(head_model, name, getattr(head_model, name).index_select(axis, used))
        self.head_model, self.landmarks = head_model, landmarks
        self.register_buffer("net", place[net], persistent=False)

    def forward(self, parameters: Parameters) -> FacePoints:
        """The points of the faces of a batch."""
        head = self.head_model(parameters)
        points = [self.landmarks(head), self.landmarks.dense(head), head.vertices.index_select(1, self.net)]
        found = project(torch.cat(points, 1), parameters.camera)
        return FacePoints(*found.split([part.shape[1] for part in points], 1))


def face_vertices(data: HeadData) -> Tensor:
    """The vertices of the region "face"."""
    return torch.from_numpy(np.unique(data.triangles[data.region("face")]))
