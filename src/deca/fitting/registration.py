"""The last millimetre between the fitted head and the photo: landmark residuals, spread over the mesh.

A linear head model cannot follow every lid and lip. Where it is a few pixels off, the photo's teeth would
land on the model's lips, and the white of the eye on its lids. So the places where the photo is read, and
only these, are moved by what is left between the landmarks of the head and those found in the photo.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.landmarks import DENSE_OUTLINE
from deca.fitting.mesh_fields import edge_laplacian, spread
from deca.head.model import HeadModel

# A landmark counts as much as a bend of this many pixels between neighbours; residuals beyond are clipped.
_BENDING = 0.1
_MEMBRANE = 0.02
_LARGEST = 0.06


def register(
    vertices_photo: Float[Tensor, "vertex 3"],
    head_model: HeadModel,
    landmarks_photo: Float[Tensor, "landmark 2"],
) -> Float[Tensor, "vertex 3"]:
    """Vertices in the photo, moved sideways so that the head's landmarks lie on those of the photo.

    `landmarks_photo` are the 468 dense landmarks where the head model has them, else the 68 iBUG landmarks,
    in pixels. Points of the face's outline are left out: they slide. No landmark moves its surroundings by
    more than 6 % of the landmarks' height. Depth stays. Raises ValueError for a wrong number of landmarks.
    """
    data = head_model.data
    if len(data.dense_landmark_triangles):
        landmark_triangles, barycentrics = data.dense_landmark_triangles, data.dense_landmark_barycentrics
        inner = np.setdiff1d(np.arange(468), DENSE_OUTLINE)
    else:
        landmark_triangles, barycentrics = data.full_landmark_triangles, data.full_landmark_barycentrics
        inner = np.arange(17, 68)
    if len(landmarks_photo) != len(landmark_triangles):
        raise ValueError(f"{len(landmarks_photo)} landmarks for a head with {len(landmark_triangles)}")
    corners = data.triangles[landmark_triangles[inner]]
    places = sparse.csr_matrix(
        (barycentrics[inner].ravel(), (np.repeat(np.arange(len(inner)), 3), corners.ravel())),
        shape=(len(inner), len(vertices_photo)),
    )
    target = landmarks_photo.numpy().astype(np.float64)[inner]
    residual = target - places @ vertices_photo[:, :2].numpy().astype(np.float64)
    height = float(np.ptp(target[:, 1]))
    length = np.linalg.norm(residual, axis=1, keepdims=True)
    residual = residual * np.minimum(1, _LARGEST * height / np.maximum(length, 1e-9))
    laplacian = edge_laplacian(data.triangles, np.zeros(len(vertices_photo), int))
    moved = spread(laplacian, places, residual, np.ones(len(inner)), _MEMBRANE, _BENDING)
    return torch.cat(
        [vertices_photo[:, :2] + torch.from_numpy(moved).to(vertices_photo), vertices_photo[:, 2:]], -1
    )
