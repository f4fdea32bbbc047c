"""Shape: distances to 100 ICT-FaceKit heads, seen in strangers' skin, by the protocol of the NoW
challenge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from deca.evaluation import now
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo
from figures.facekit_sitter import FaceKitSitter, scan_of
from figures.methods import Method
from figures.neutral import neutral_mesh
from figures.people import KEPT, Person, find_face, found_again, kept_arrays
from figures.portraits import picture_of, portrait, random_scene
from figures.pose import turned
from figures.sitters import backdrop, framed, random_sitter, texture_of, textured_people, with_expression

_LARGEST_YAW = 30.0
_MOST_TRIES = 5


@dataclass(frozen=True)
class Seen:
    """A picture of a head whose shape is known, by its weights."""

    key: str
    photo: Photo
    found: FoundFace
    shape: Float[np.ndarray, " shape"]


def prepare() -> list[Seen]:
    """The pictures, rendered where they are not kept: every second head smiles, frowns or speaks."""
    renderer = _Renderer()
    return [renderer.picture(number, person) for number, person in enumerate(textured_people())]


def measure(method: Method, pictures: list[Seen]) -> list[Float[np.ndarray, " vertex"]]:
    """Distances in millimetres from each scan's vertices to the predicted shape at rest, picture by
    picture."""
    distances = []
    for picture in pictures:
        predicted = neutral_mesh(method.encode(picture.key, picture.photo, picture.found)[1])
        scan, landmarks = scan_of(picture.shape)
        face = scan[now.face_vertices(scan, landmarks)]
        distances.append(now.distances(face, landmarks, predicted).distances)
    return distances


class _Renderer:
    """Renders what is not kept; the head is made on first use."""

    @cached_property
    def sitter(self) -> FaceKitSitter:
        return FaceKitSitter()

    def picture(self, number: int, person: Person) -> Seen:
        key = f"facekit_{number:03}"
        arrays = kept_arrays(KEPT / "shape" / f"{key}.npz", lambda: self._rendered(number, person))
        photo = picture_of(arrays["jpeg"])
        return Seen(key, photo, found_again(photo, arrays["points"]), arrays["shape"])

    def _rendered(self, number: int, person: Person) -> dict[str, np.ndarray]:
        texture = self.sitter.worn(texture_of(person))
        for attempt in range(_MOST_TRIES):
            random = np.random.default_rng([number, attempt])
            parameters = random_sitter(self.sitter, random, 1.0)
            if number % 2:
                parameters = with_expression(self.sitter, parameters, random)
            yaw = random.uniform(-_LARGEST_YAW, _LARGEST_YAW)
            parameters = framed(self.sitter, turned(parameters, yaw, random), random)
            scene = random_scene(random, backdrop(random))
            taken = portrait(self.sitter, parameters, texture, scene, random)
            found = find_face(picture_of(taken.jpeg))
            if found is not None:
                shape = parameters.shape[0].double().numpy()
                return {"jpeg": taken.jpeg, "points": found.landmarks.points, "shape": shape}
        raise SystemExit(f"picture {number} of ICT-FaceKit's heads: no face found in {_MOST_TRIES} tries")
