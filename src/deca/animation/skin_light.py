"""The light of a video's frames, from the skin's colour at a face's landmarks."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.fitting.eyes import LEFT_RIM, RIGHT_RIM
from deca.geometry import vertex_normals
from deca.head.model import HeadModel
from deca.head.uv import sample_map
from deca.photo.crop import Crop, crop_image
from deca.photo.dense_points import DENSE_OUTLINE
from deca.photo.sampling import Photo, transform_points
from deca.render.lighting import harmonics

# A face drawn so small that a pixel is the mean of the skin around a landmark.
_SIZE = 72
# Deviations of the light from that of the person's photos, as shares of its mean, and of a landmark's colour.
_DEVIATION, _NOISE = 0.3, 0.08
_LEAST_FACING = 0.2
_NEIGHBOURS = 12.0
"""So many neighbouring landmarks err together."""


class SkinLight:
    """Spherical-harmonics light of frames of one person with known albedo; on a head with 468 landmarks."""

    def __init__(
        self, head_model: HeadModel, albedo_uv: Float[Tensor, "1 3 size size"], lighting: Float[Tensor, "9 3"]
    ) -> None:
        data = head_model.data
        self._expected = lighting.double()
        self._triangles = torch.from_numpy(data.triangles)
        self._corners = torch.from_numpy(data.triangles[data.dense_landmark_triangles])
        barycentrics = torch.from_numpy(data.dense_landmark_barycentrics)
        self._barycentrics = barycentrics[..., None]
        texture = torch.from_numpy(
            data.texture_vertices[data.texture_triangles[data.dense_landmark_triangles]]
        )
        uv = (texture * self._barycentrics).sum(1)
        self._albedo = sample_map(albedo_uv, uv[None])[0].double()
        # Lids, lips and what slides along the outline are no skin to be relied on.
        skin = torch.ones(len(uv))
        skin[[*LEFT_RIM, *RIGHT_RIM, *DENSE_OUTLINE]] = 0
        lips = torch.from_numpy(data.region("lips")[data.dense_landmark_triangles])
        self._skin = skin * ~lips

    @torch.no_grad()
    def __call__(
        self,
        photo: Photo,
        crop: Crop,
        landmarks_photo: Float[np.ndarray, "468 axes"],
        vertices: Float[Tensor, "1 vertex 3"],
    ) -> Float[Tensor, "9 3"]:
        """The most likely light of a frame whose face is posed as `vertices` (head frame)."""
        picture = crop_image(photo, crop.resized(_SIZE))
        places = torch.from_numpy(transform_points(crop.T_image_photo, landmarks_photo[:, :2])).float()
        colour = torch.nn.functional.grid_sample(picture, places[None, None], align_corners=False)[0, :, 0].mT
        normals = vertex_normals(vertices, self._triangles)[0]
        normals = torch.nn.functional.normalize((normals[self._corners] * self._barycentrics).sum(1), dim=-1)
        inside = (places.abs() < 1).all(1)
        weights = self._skin * inside * (normals[:, 2] > _LEAST_FACING) / (_NOISE**2 * _NEIGHBOURS)
        terms = harmonics(normals).mT.double()
        # The three colours side by side.
        lit = terms * self._albedo.mT[..., None]
        weighted = (lit * weights[:, None]).mT
        expected = self._expected.mT[..., None]
        prior = torch.eye(9, dtype=torch.float64) / (_DEVIATION * self._expected.abs().amax()) ** 2
        left = colour.mT[..., None].double() - lit @ expected
        light = expected + torch.linalg.solve(weighted @ lit + prior, weighted @ left)
        return light[..., 0].mT.float()
