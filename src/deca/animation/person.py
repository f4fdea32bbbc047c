"""A reconstructed person who can be moved and looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deca.animation.joints import jaw_as_joint
from deca.animation.wrinkles import DecodeDetail, Wrinkles
from deca.head.detail import DetailedSurface
from deca.head.model import Head
from deca.model.deca import Deca
from deca.parameters import Parameters
from deca.render.camera import project
from deca.render.hollows import Hollows
from deca.render.openness import shown_openness
from deca.render.pictures import Picture, View, clay, lit, look, unlit

BUMPS = 0.6
"""How much of the reconstructed relief is shaded on top of a texture that was taken from the same photo and
shows part of its shading already."""


@dataclass(frozen=True)
class Person:
    """One person as reconstructed: `parameters` are a batch of one, as in the photo, a detail code among them
    where `decode` reads one; `displacement` is metres along the normal in UV, `texture` sRGB, row 0 at v = 1.
    """

    deca: Deca
    parameters: Parameters
    displacement: Float[Tensor, "1 1 size size"]
    texture: UInt8[np.ndarray, "texture_size texture_size 3"]
    decode: DecodeDetail | None

    @cached_property
    def wrinkles(self) -> Wrinkles:
        """The displacement under any expression."""
        decode, data = self.decode, self.deca.data
        if decode is None:
            return Wrinkles(self.displacement, self.parameters, None)
        # Decoders have learnt what the jaw's joint says; jawOpen is another word for it.
        return Wrinkles(
            self.displacement, self.parameters, lambda parameters: decode(jaw_as_joint(parameters, data))
        )

    @cached_property
    def hollows(self) -> Hollows:
        """Where an expression makes hollows."""
        return Hollows(self.deca.data)

    @cached_property
    @torch.no_grad()
    def depths(self) -> Float[np.ndarray, "size size"]:
        """How deep the skin lay when the texture was taken."""
        return self.hollows.depths(self.deca.head_model(self.parameters).vertices, self.displacement)

    @torch.no_grad()
    def seen(self, parameters: Parameters, size: int) -> Shot:
        """The person with pose, expression, camera and light of `parameters` (a batch of one) in a square
        picture of `size` pixels."""
        head = self.deca.head_model(parameters)
        view = look(
            self.deca.data,
            head.vertices,
            project(head.vertices, parameters.camera),
            shown_openness(self.deca.data, head.vertices),
            size,
        )
        return Shot(self, parameters, head, view)


@dataclass(frozen=True)
class Shot:
    """A person seen by a camera; each picture is drawn when asked for."""

    person: Person
    parameters: Parameters
    head: Head
    view: View

    @torch.no_grad()
    def lit(self) -> Picture:
        """Textured, under the light of the parameters, with the wrinkles and hollows of the expression."""
        person, reconstructed = self.person, self.person.wrinkles.reconstructed
        normals = self._surface(BUMPS * reconstructed + self._change).normals()[0].numpy()
        depths = person.hollows.depths(self.head.vertices, reconstructed + self._change)
        left = person.hollows.left(depths, person.depths)
        return lit(self.view, person.texture, normals, self.parameters.lighting[0].numpy(), left)

    @torch.no_grad()
    def clay(self) -> tuple[Picture, Picture]:
        """Without texture: the coarse head, and the head with the wrinkles of the expression."""
        shown = self.person.wrinkles.reconstructed + self._change
        return clay(self.view, self.person.texture, self._surface(shown).normals()[0].numpy())

    @torch.no_grad()
    def normals(self) -> Picture:
        """Normals of the wrinkled surface as colours: x, y, z of the head frame from -1 to 1."""
        normals = self._surface(self.person.wrinkles.reconstructed + self._change).normals()[0].numpy()
        colours = np.rint((normals / 2 + 0.5) * 255).clip(0, 255).astype(np.uint8)
        return unlit(self.view, np.ascontiguousarray(colours.transpose(1, 2, 0)))

    @cached_property
    def _change(self) -> Float[Tensor, "1 1 size size"]:
        return self.person.wrinkles.change(self.parameters)

    def _surface(self, displacement: Float[Tensor, "1 1 size size"]) -> DetailedSurface:
        return self.person.deca.detail_model.surface(self.head.vertices, displacement)
