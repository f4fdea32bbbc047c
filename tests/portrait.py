"""A photo of the default head made by its own renderer, so that every test knows the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.fitting.observation import Observation, observe, vertices_in_photo
from deca.geometry import vertex_normals
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.uv import UVLayout, sample_map
from deca.io.heads import default_head
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.raster.fragments import fragments
from deca.render.camera import project
from deca.render.lighting import FACTORS, shade

PIXELS = 640
BACKGROUND = (0.1, 0.25, 0.9)


@dataclass(frozen=True)
class Portrait:
    """A rendered photo, the parameters it was made from, and its landmarks."""

    photo: UInt8[np.ndarray, "height width 3"]
    parameters: Parameters
    vertices: Float[Tensor, "1 vertex 3"]
    vertices_photo: Float[Tensor, "vertex 3"]
    landmarks_photo: Float[Tensor, "468 2"]
    crop: Crop
    uv: Float[Tensor, "1 2 height width"]

    def observe(self, size: int) -> Observation:
        """What the photo shows in UV."""
        return observe(self.photo, self.vertices, self.vertices_photo, model(), layout(size))


@cache
def data() -> HeadData:
    """The default head."""
    return default_head()


@cache
def model() -> HeadModel:
    """The default head's model."""
    return HeadModel(data())


@cache
def layout(size: int) -> UVLayout:
    """Its layout."""
    return UVLayout(data(), size)


@cache
def albedo_model(size: int) -> AlbedoModel:
    """Its albedo."""
    return AlbedoModel.averaged(data().albedo_mean, data().albedo_basis, size)


def side_light(strength: float = 0.35) -> Float[Tensor, "1 9 3"]:
    """White light of brightness 0.9 in front, more of it from the subject's left."""
    lighting = torch.zeros(1, 9, 3)
    lighting[:, 0] = 0.6 / FACTORS[0]
    lighting[:, 1] = strength / FACTORS[1]
    lighting[:, 3] = 0.3 / FACTORS[3]
    return lighting


def take_portrait(**changes: Tensor) -> Portrait:
    """Photograph the mean head with some parameters changed."""
    parameters = model().neutral()
    changes.setdefault("camera", torch.tensor([[7.0, 0.0, 0.0]]))
    parameters = parameters.replace(**changes)
    vertices = model()(parameters).vertices
    crop = Crop(PIXELS, np.eye(3))
    image = project(vertices, parameters.camera)
    drawn = fragments(image, model().triangles, PIXELS, PIXELS)
    uv = drawn.interpolate_texture(model().texture_vertices, model().texture_triangles)
    albedo = layout(512).fill(albedo_model(512)(parameters.albedo))
    normals = torch.nn.functional.normalize(
        drawn.interpolate(vertex_normals(vertices, model().triangles)), dim=-1
    )
    colour = sample_map(albedo, uv[None])[0] * shade(normals, parameters.lighting[0])
    background = torch.tensor(BACKGROUND)[None, :, None, None]
    picture = torch.where(drawn.triangle_ids[:, None] >= 0, drawn.image(colour), background).clamp(0, 1)
    photo = (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    corners = torch.from_numpy(data().triangles[data().dense_landmark_triangles])
    weights = torch.from_numpy(data().dense_landmark_barycentrics)
    landmarks = (vertices[:, corners] * weights[..., None]).sum(2)
    landmarks_photo = vertices_in_photo(landmarks, parameters.camera, crop)[:, :2]
    vertices_photo = vertices_in_photo(vertices, parameters.camera, crop)
    return Portrait(photo, parameters, vertices, vertices_photo, landmarks_photo, crop, drawn.image(uv))
