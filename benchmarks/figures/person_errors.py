"""How far a reconstructed person is from the true one: shape, albedo, texture and neutral relief."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.animation.wrinkles import Wrinkles
from deca.apps.reconstruction import Reconstruction
from deca.fitting.relief_region import relief_region
from deca.fitting.skin import blurred
from deca.head.albedo import AlbedoModel, resize_map
from deca.head.detail import DetailModel
from deca.head.uv import UVLayout
from deca.io.default_networks import default_networks
from deca.io.gltf import at_rest
from deca.parameters import Parameters
from figures.alignment import vertex_distances
from figures.neutral import default_data, face_vertices, head_model, neutral_vertices
from figures.portraits import DISPLACEMENT_SIZE
from figures.sittings import TEXTURE_SIZE, KnownPerson

# Texels of 512 over which a texture's tone is its mean: some five millimetres.
_SLOW = 10.0


@dataclass(frozen=True)
class PersonErrors:
    """Means over the face.

    `shape`: millimetres between the vertices of the neutral heads, laid on each other with scale, which no
    photo tells. `albedo` and `texture`: absolute difference of sRGB, steps of 255, over skin, brows and lips.
    `marks`: the same of the textures without what changes slowly, so of what is drawn on the skin rather than
    of its tone. `detail`: degrees between the normals of the neutral head under the two reliefs, where a
    relief may be.
    """

    shape: float
    albedo: float
    texture: float
    marks: float
    detail: float

    @classmethod
    def mean(cls, errors: list[Self]) -> Self:
        """The mean of each."""
        return cls(*(float(np.mean([getattr(one, part.name) for one in errors])) for part in fields(cls)))


class PersonMeasure:
    """What the errors of every person are computed with."""

    def __init__(self) -> None:
        data = default_data()
        layout = UVLayout(data, DISPLACEMENT_SIZE)
        self._face = layout.region_mask("face").numpy()
        self._detail_model = DetailModel(data, layout)
        self._relief = relief_region(data, layout).weights[0, 0] > 0.5
        self._albedo_model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, TEXTURE_SIZE)
        large = UVLayout(data, TEXTURE_SIZE)
        inside = [large.region_mask(name) for name in ("eyeballs", "mouth_interior", "eye_sockets")]
        self._skin = large.region_mask("face") & ~torch.stack(inside).any(0)

    def face_share(self, seen: Bool[np.ndarray, "256 256"]) -> float:
        """Which share of the face's texels are seen."""
        return float(seen[self._face].mean())

    def of(self, truth: KnownPerson, found: Reconstruction) -> PersonErrors:
        """The errors of one reconstruction; its relief is brought to rest first."""
        texture = torch.from_numpy(found.texture.astype(np.float32) / 255).permute(2, 0, 1)[None]
        return self.errors(truth, found.parameters, texture, neutral_relief(found))

    def mean_head(self, truth: KnownPerson) -> PersonErrors:
        """The errors of the mean head in the mean albedo, without relief."""
        nobody = head_model().neutral()
        flat = torch.zeros_like(truth.displacement)
        return self.errors(truth, nobody, self._albedo_model(nobody.albedo), flat)

    @torch.no_grad()
    def errors(
        self,
        truth: KnownPerson,
        parameters: Parameters,
        texture: Float[Tensor, "1 3 size size"],
        displacement: Float[Tensor, "1 1 relief relief"],
    ) -> PersonErrors:
        """The errors of a shape and albedo, a texture (sRGB in [0, 1]) and a neutral relief (metres)."""
        true = head_model().neutral().replace(shape=truth.shape)
        face = face_vertices()
        shape = vertex_distances(neutral_vertices(parameters)[face], neutral_vertices(true)[face], True)
        texture = resize_map(texture, TEXTURE_SIZE)
        return PersonErrors(
            shape=float(shape.mean()),
            albedo=self._steps(self._albedo_model(parameters.albedo) - truth.texture),
            texture=self._steps(texture - truth.texture),
            marks=self._steps(self._quick_part(texture) - self._quick_part(truth.texture)),
            detail=self._angle(truth, resize_map(displacement, DISPLACEMENT_SIZE)),
        )

    def _steps(self, difference: Float[Tensor, "1 3 size size"]) -> float:
        """Mean absolute value over the skin of sRGB in [0, 1], in steps of 255."""
        return 255 * float(difference[0][:, self._skin].abs().mean())

    def _quick_part(self, texture: Float[Tensor, "1 3 size size"]) -> Float[Tensor, "1 3 size size"]:
        return texture - blurred(texture, _SLOW, self._skin[None, None].float())

    def _angle(self, truth: KnownPerson, displacement: Float[Tensor, "1 1 256 256"]) -> float:
        vertices = head_model()(head_model().neutral().replace(shape=truth.shape)).vertices
        first, second = (
            self._detail_model(vertices, relief)[0].double() for relief in (displacement, truth.displacement)
        )
        # Their cosine says nothing of small angles.
        sine = torch.linalg.cross(first, second, dim=0).norm(dim=0)
        return float(torch.rad2deg(torch.atan2(sine, (first * second).sum(0)))[self._relief].mean())


@torch.no_grad()
def neutral_relief(found: Reconstruction) -> Float[Tensor, "1 1 size size"]:
    """The displacement of a person reconstructed from some photos, brought to rest, metres."""
    wrinkles = Wrinkles(found.displacement, found.parameters, default_networks().displacement)
    return wrinkles.under(at_rest(found.parameters))
