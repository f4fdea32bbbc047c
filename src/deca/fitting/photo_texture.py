"""The texture of one photo's head: appearance fitted at a small size, colours gathered at its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.fitting.appearance import AppearanceFit, fit_appearance
from deca.fitting.merging import merged_colour
from deca.fitting.observation import Observation, observe
from deca.fitting.texture import (
    SeenColour,
    base_colour,
    complete_texture,
    completed_texture,
    seen_colour,
)
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.photo.sampling import Photo

_APPEARANCE_SIZE = 256


@dataclass(frozen=True)
class PhotoView:
    """One of several photos of a person, as the texture is taken from it; `weight` says how good it is."""

    photo: Photo
    vertices: Float[Tensor, "1 vertex 3"]
    vertices_photo: Float[Tensor, "vertex 3"]
    appearance: AppearanceFit
    weight: float


@dataclass(frozen=True)
class SeenView:
    """A photo of several, laid over the texture's map."""

    view: PhotoView
    observation: Observation
    colour: SeenColour


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
        return self._fitted(photo, vertices, vertices_photo, parameters, self.small_albedo_model)

    def light(
        self,
        photo: Photo,
        vertices: Float[Tensor, "1 vertex 3"],
        vertices_photo: Float[Tensor, "vertex 3"],
        parameters: Parameters,
    ) -> AppearanceFit:
        """The light of the skin that the photo shows, its albedo being that of the parameters."""
        known = AlbedoModel(self.small_albedo_model(parameters.albedo), self.small_albedo_model.basis[:0])
        nothing = parameters.replace(albedo=parameters.albedo[:, :0])
        found = self._fitted(photo, vertices, vertices_photo, nothing, known)
        return replace(found, parameters=parameters.replace(lighting=found.parameters.lighting))

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

    def seen(self, view: PhotoView, like: AppearanceFit) -> SeenView:
        """What one of several photos shows of the base colour, on top of the albedo of `like`."""
        observation = observe(view.photo, view.vertices, view.vertices_photo, self.head_model, self.layout)
        base = base_colour(like, self.albedo_model)
        colour = seen_colour(observation, view.appearance, base, self.data, self.layout)
        return SeenView(view, observation, colour)

    def merged(
        self, photos: Sequence[SeenView], best: int, iris_colour: Float[Tensor, "3"] | None
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The base colour that several photos of one person show together, completed as `texture` is.

        Whites of eyes are those of the photo number `best`.
        """
        data, layout = self.data, self.layout
        together = merged_colour(
            [photo.colour for photo in photos],
            [photo.observation for photo in photos],
            [photo.view.weight for photo in photos],
            best,
            data,
            layout,
        )
        appearance = photos[best].view.appearance
        base = base_colour(appearance, self.albedo_model)
        return completed_texture(
            together, base, photos[best].observation, appearance, iris_colour, data, layout
        )

    def _fitted(
        self,
        photo: Photo,
        vertices: Float[Tensor, "1 vertex 3"],
        vertices_photo: Float[Tensor, "vertex 3"],
        parameters: Parameters,
        albedo_model: AlbedoModel,
    ) -> AppearanceFit:
        """Light and the coefficients of an albedo model of the small size."""
        seen = observe(photo, vertices, vertices_photo, self.head_model, self.small_layout)
        return fit_appearance(seen, parameters, self.data, self.small_layout, albedo_model)
