"""People of whom everything is known, each photographed several times: expression, pose, light and camera
differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deca.apps.reconstruct import FaceTask
from deca.head.albedo import AlbedoModel
from deca.head.uv import UVLayout
from deca.training.synthetic.backdrops import backdrop
from deca.training.synthetic.wrinkles import WrinkleModel, WrinklePerson
from figures.neutral import default_data
from figures.people import PROJECT, code_version, face_of, find_face, found_again, kept_arrays
from figures.portraits import (
    DISPLACEMENT_SIZE,
    SIZE,
    Sitter,
    picture_of,
    portrait,
    random_scene,
    texels_seen,
)
from figures.pose import turned
from figures.sitters import framed, random_sitter, with_expression

TEXTURE_SIZE = 512
LARGEST_YAW = 45.0
LARGEST_BLUR = 2.5
_NEARER = (1.0, 1.6)
_UNSHARP = 0.4
_MOST_MARKS = 40
_MOST_TRIES = 5
_POINT_NOISE = 1.0


@dataclass(frozen=True)
class KnownPerson:
    """The truth: `texture` is the albedo of skin and eyes (sRGB in [0, 1]), `displacement` is that at rest,
    metres."""

    shape: Float[Tensor, "1 shape"]
    texture: Float[Tensor, "1 3 512 512"]
    displacement: Float[Tensor, "1 1 256 256"]


@dataclass(frozen=True)
class Taken:
    """A photo of a person: its face with the points that the network finds, and with the true ones a pixel
    off; `seen` are the head's texels that it shows."""

    found: FaceTask
    told: FaceTask
    seen: Bool[np.ndarray, "256 256"]


class Studio:
    """Makes people out of numbers, and photos of them, which are kept under build/."""

    def __init__(self) -> None:
        data = default_data()
        self.sitter = Sitter(data)
        self.layout = UVLayout(data, DISPLACEMENT_SIZE)
        self.texture_layout = UVLayout(data, TEXTURE_SIZE)
        self.albedo = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, TEXTURE_SIZE)

    @cached_property
    def wrinkles(self) -> WrinkleModel:
        """What furrows the skin."""
        return WrinkleModel(self.sitter.data, self.layout)

    def person(self, seed: int) -> KnownPerson:
        """The person of a number."""
        shape, texture, wrinkles = self._drawn(seed)
        rest = self.sitter.head_model.neutral()
        displacement = self.wrinkles.displacement(wrinkles, rest.expression, rest.jaw)
        return KnownPerson(shape, texture, displacement)

    def photo(self, seed: int, number: int) -> Taken:
        """One photo of the person of a number, taken where it is not kept."""
        path = _kept_folder() / f"{seed}_{number}.npz"
        arrays = kept_arrays(path, lambda: self._taken(seed, number))
        photo = picture_of(arrays["jpeg"])
        found = FaceTask(photo, found_again(photo, arrays["found"]), {})
        return Taken(found, FaceTask(photo, face_of(arrays["told"]), {}), arrays["seen"])

    def _drawn(
        self, seed: int
    ) -> tuple[Float[Tensor, "1 shape"], Float[Tensor, "1 3 512 512"], WrinklePerson]:
        random = np.random.default_rng(seed)
        shape = random_sitter(self.sitter, random, 1.0).shape
        coefficients = torch.from_numpy(random.standard_normal((1, len(self.albedo.basis)))).float()
        marked = self.albedo(coefficients) * _marks(random, self.texture_layout)
        return shape, self.texture_layout.fill(marked).clamp(0, 1), self.wrinkles.person(random)

    def _taken(self, seed: int, number: int) -> dict[str, np.ndarray]:
        shape, texture, wrinkles = self._drawn(seed)
        for attempt in range(_MOST_TRIES):
            random = np.random.default_rng([seed, number, attempt])
            looking = random_sitter(self.sitter, random, 0.0).replace(shape=shape)
            parameters = with_expression(self.sitter, looking, random)
            parameters = turned(parameters, random.uniform(-LARGEST_YAW, LARGEST_YAW), random)
            parameters = framed(self.sitter, parameters, random, random.uniform(*_NEARER))
            displacement = self.wrinkles.displacement(wrinkles, parameters.expression, parameters.jaw)
            scene = random_scene(random, backdrop(random, SIZE, SIZE))
            if random.random() < _UNSHARP:
                scene = replace(scene, blur=random.uniform(scene.blur, LARGEST_BLUR))
            taken = portrait(self.sitter, parameters, texture, scene, random, displacement)
            found = find_face(picture_of(taken.jpeg))
            if found is not None:
                told = np.pad(taken.dense_landmarks, ((0, 0), (0, 1)))
                told[:, :2] += _POINT_NOISE * random.standard_normal(taken.dense_landmarks.shape)
                seen = texels_seen(self.sitter, parameters, self.layout)
                return {"jpeg": taken.jpeg, "found": found.landmarks.points, "told": told, "seen": seen}
        raise SystemExit(f"person {seed}, photo {number}: no face found in {_MOST_TRIES} tries")


def _marks(random: np.random.Generator, layout: UVLayout) -> Float[Tensor, "1 3 size size"]:
    """What the albedo model does not know of a skin, as factors: blotches, freckles and moles."""
    size = layout.size
    blotches = cv2.GaussianBlur(random.standard_normal((size, size)), (0, 0), size / 60)
    marks = 1 + 0.03 * blotches[..., None] / blotches.std() * np.array([0.4, 1.0, 1.0])
    rows, columns = np.nonzero(layout.region_mask("face").numpy())
    y, x = np.mgrid[:size, :size]
    for place in random.integers(len(rows), size=random.integers(5, _MOST_MARKS)):
        width = size * random.uniform(0.8, 2.2) / 512
        spot = np.exp(-((x - columns[place]) ** 2 + (y - rows[place]) ** 2) / (2 * width**2))
        marks *= 1 - random.uniform(0.08, 0.35) * spot[..., None] * np.array([0.8, 1.0, 1.1])
    return torch.from_numpy(marks).float().permute(2, 0, 1)[None]


def _kept_folder() -> Path:
    """The photos go with the code that draws wrinkles and backdrops, and with what finds faces."""
    drawn = (f"training/synthetic/{name}.py" for name in ("wrinkle*", "furrows", "face_chart", "backdrops"))
    return PROJECT / "build" / f"same_person-{code_version(*drawn, 'photo/*.py')}"
