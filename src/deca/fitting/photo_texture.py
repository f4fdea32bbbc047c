"""The texture of one photo's head: appearance fitted at a small size, colours gathered at its own."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.fitting.appearance import AppearanceFit, fit_appearance
from deca.fitting.observation import observe
from deca.fitting.texture import complete_texture
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.photo.sampling import Photo

_APPEARANCE_SIZE = 256


class PhotoTexture:
    """What the textures of one head model are made with, at `size` texels a side; made once.

    `vertices_photo` is the head as `register` lays it over the photo's landmarks.
    """

    def __init__(self, data: HeadData, head_model: HeadModel, size: int) -> None:
        self.data = data
        self.head_model = head_model
        self.small_layout = UVLayout(data, _APPEARANCE_SIZE)
        self.small_albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, _APPEARANCE_SIZE)
        self.layout = UVLayout(data, size)
        self.albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, size)

    def appearance(
        self,
        photo: Photo,
        vertices: Float[Tensor, "1 vertex 3"],
        vertices_photo: Float[Tensor, "vertex 3"],
        parameters: Parameters,
    ) -> AppearanceFit:
        """Albedo and light of the skin that the photo shows."""
        seen = observe(photo, vertices, vertices_photo, self.head_model, self.small_layout)
        return fit_appearance(seen, parameters, self.data, self.small_layout, self.small_albedo_model)

    def texture(
        self,
        photo: Photo,
        vertices: Float[Tensor, "1 vertex 3"],
        vertices_photo: Float[Tensor, "vertex 3"],
        appearance: AppearanceFit,
        iris_colour: Float[Tensor, "3"] | None,
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The base colour as an sRGB map, row 0 at v = 1."""
        seen = observe(photo, vertices, vertices_photo, self.head_model, self.layout)
        return complete_texture(seen, appearance, iris_colour, self.data, self.layout, self.albedo_model)
