"""The last millimetre between a head and its photo: landmark residuals, spread over the mesh.

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

from deca.fitting.mesh_fields import SmoothField, edge_laplacian
from deca.head.data import HeadData
from deca.photo.dense_points import DENSE_OUTLINE

# A landmark counts as much as a bend of this many pixels between neighbours; residuals beyond are clipped.
_BENDING = 0.1
_MEMBRANE = 0.02
_LARGEST = 0.06


class Registration:
    """Moves the vertices of one topology's heads onto the landmarks found in their photos.

    Points of the face's outline are left out: they slide.
    """

    def __init__(self, data: HeadData) -> None:
        if len(data.dense_landmark_triangles):
            triangles, barycentrics = data.dense_landmark_triangles, data.dense_landmark_barycentrics
            inner = np.setdiff1d(np.arange(468), DENSE_OUTLINE)
        else:
            triangles, barycentrics = data.full_landmark_triangles, data.full_landmark_barycentrics
            inner = np.arange(17, 68)
        self.landmarks = len(triangles)
        """How many landmarks it takes: MediaPipe's 468 where the head has them, else iBUG's 68."""
        corners, barycentrics = data.triangles[triangles[inner]], barycentrics[inner]
        vertices = len(data.template_vertices)
        places = sparse.csr_matrix(
            (barycentrics.ravel(), (np.repeat(np.arange(len(inner)), 3), corners.ravel())),
            shape=(len(inner), vertices),
        )
        laplacian = edge_laplacian(data.triangles, np.zeros(vertices, int))
        self._inner, self._places = inner, places
        self._field = SmoothField(laplacian, places, np.ones(len(inner)), _MEMBRANE, _BENDING)

    @torch.no_grad()
    def __call__(
        self, vertices: Float[Tensor, "*batch vertex 3"], landmarks: Float[Tensor, "*batch landmark channel"]
    ) -> Float[Tensor, "*batch vertex 3"]:
        """Vertices in a photo, moved sideways so that the head's landmarks lie on those of the photo.

        Both are in the same frame of the photo, whatever its unit. A third channel of the landmarks says how
        sure they are, from 0, where they move nothing, to 1. No landmark moves its surroundings by more than
        6 % of the landmarks' height. Depth stays; no gradient comes here. Raises ValueError for a wrong
        number of landmarks.
        """
        if landmarks.shape[-2] != self.landmarks:
            raise ValueError(f"{landmarks.shape[-2]} landmarks for a head with {self.landmarks}")
        flat = vertices[..., :2].double().cpu().numpy()
        target = landmarks[..., self._inner, :].double().cpu().numpy()
        residuals = [self._residual(flat[row], target[row]) for row in np.ndindex(flat.shape[:-2])]
        moved = np.stack(np.split(self._field(np.concatenate(residuals, 1)), len(residuals), 1))
        moved = torch.from_numpy(moved).to(vertices).view_as(vertices[..., :2])
        return torch.cat([vertices[..., :2] + moved, vertices[..., 2:]], -1)

    def _residual(
        self, vertices: Float[np.ndarray, "vertex 2"], target: Float[np.ndarray, "inner channel"]
    ) -> Float[np.ndarray, "inner 2"]:
        """How far each landmark is to move, as sure as it is."""
        residual = target[:, :2] - self._places @ vertices
        length = np.linalg.norm(residual, axis=1, keepdims=True)
        largest = _LARGEST * float(np.ptp(target[:, 1]))
        sure = target[:, 2:].min(1, initial=1)[:, None]
        return residual * np.minimum(1, largest / np.maximum(length, 1e-9)) * sure
