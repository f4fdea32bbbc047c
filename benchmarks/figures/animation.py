"""Animation: whether a neutral photo's detail, moved by a smile, comes nearer to the smile than at rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deca.apps.network_reconstructor import enlarged
from deca.fitting.appearance import LEAST_SHADING, AppearanceFit, shading_map
from deca.fitting.observation import Observation, observe, vertices_in_photo
from deca.fitting.photo_texture import PhotoTexture
from deca.fitting.registration import Registration
from deca.fitting.relief_region import relief_region
from deca.head.albedo import resize_map
from deca.io.heads import default_head
from deca.model.deca import Deca
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo
from figures.methods import DetailMethod, Method, ReliefMethod
from figures.people import Person, london

MAP_SIZE = 512
# Wrinkle regions are where the two displacements differ by this much, metres.
_DIFFERENT = 0.0001
_FEWEST_TEXELS = 200


@dataclass(frozen=True)
class SmileErrors:
    """Mean absolute differences from the smile photo over one person's wrinkle regions, sRGB from 0 to 1.

    With wrinkles that move with the expression and with those of the neutral face; skin as the albedo model
    has it and as the neutral photo shows it. `share` is how much of the seen skin the regions are.
    """

    moving: float
    static: float
    moving_on_photo: float
    static_on_photo: float
    share: float


class Stage:
    """What is made once for all people."""

    def __init__(self) -> None:
        data = default_head()
        self.deca = Deca(data, MAP_SIZE)
        self.photo_texture = PhotoTexture(data, self.deca.head_model, MAP_SIZE)
        self.registration = Registration(data)
        self.region = relief_region(data, self.deca.layout).weights

    def shown(self, photo: Photo, found: FoundFace, crop: Crop, parameters: Parameters) -> Shown:
        """What one photo shows of a head, with the albedo and light that explain it best."""
        vertices = self.deca.head_model(parameters).vertices
        vertices_photo = self.registration(
            vertices_in_photo(vertices, parameters.camera, crop),
            torch.from_numpy(found.dense468[:, :2]),
        )
        appearance = self.photo_texture.appearance(photo, vertices, vertices_photo, parameters)
        seen = observe(photo, vertices, vertices_photo, self.deca.head_model, self.deca.layout)
        return Shown(vertices, seen, appearance)

    def light(self, shown: Shown, displacement: Float[Tensor, "1 1 256 256"]) -> Float[Tensor, "1 3 512 512"]:
        """The shading of the detailed surface."""
        normals = self.deca.detail_model(shown.vertices, enlarged(displacement, MAP_SIZE))
        return shading_map(normals, shown.appearance.parameters.lighting).clamp_min(LEAST_SHADING)


@dataclass(frozen=True)
class Shown:
    """A posed head, its photo in UV, and the fitted albedo and light."""

    vertices: Float[Tensor, "1 vertex 3"]
    seen: Observation
    appearance: AppearanceFit

    @property
    def skin(self) -> Float[Tensor, "1 1 512 512"]:
        """How surely a texel shows bare skin, in [0, 1]."""
        return resize_map(self.appearance.skin, MAP_SIZE) * self.seen.visible


@torch.no_grad()
def measure(method: DetailMethod | ReliefMethod) -> dict[str, SmileErrors]:
    """The errors of every held-back person of the London set by name; who has no wrinkle region is left out.

    Of a method that reads relief from photos, the moving wrinkles are those of the smiling photo itself,
    which is about what can be reached.
    """
    stage = Stage()
    smiling = {person.identity: person for person in london("smiling")}
    errors = {}
    for neutral in london("neutral"):
        person = _compared(stage, method, neutral, smiling[neutral.identity])
        if person is not None:
            errors[neutral.identity] = person
    return errors


def gain(moving: float, static: float) -> float:
    """By how many percent the moving wrinkles' error is smaller."""
    return 100 * (1 - moving / static)


def _compared(
    stage: Stage, method: DetailMethod | ReliefMethod, neutral: Person, smiling: Person
) -> SmileErrors | None:
    at_rest, at_smile = (_reconstructed(stage, method, person) for person in (neutral, smiling))
    rest, smile = at_rest.shown, at_smile.shown
    if isinstance(method, DetailMethod):
        moving = method.displacement(at_smile.parameters.replace(detail=at_rest.parameters.detail))
        static = method.displacement(at_rest.parameters)
    else:
        static, moving = (method.relief(one.person.key, one.photo, one.found) for one in (at_rest, at_smile))
    moving, static = _large(moving), _large(static)
    skin = smile.skin * rest.skin * stage.region
    weights = skin * ((moving - static).abs() > _DIFFERENT)
    if weights.sum() < _FEWEST_TEXELS:
        return None
    albedo = stage.deca.albedo_model(smile.appearance.parameters.albedo)
    own_skin = rest.seen.colour / stage.light(rest, static)

    def error(colours: Float[Tensor, "1 3 512 512"], displacement: Float[Tensor, "1 1 512 512"]) -> float:
        shaded = colours * stage.light(smile, displacement)
        difference = (shaded - smile.seen.colour).abs().mean(1, keepdim=True)
        return float((difference * weights).sum() / weights.sum())

    return SmileErrors(
        moving=error(albedo, moving),
        static=error(albedo, static),
        moving_on_photo=error(own_skin, moving),
        static_on_photo=error(own_skin, static),
        share=float(weights.sum() / skin.sum()),
    )


@dataclass(frozen=True)
class _Reconstructed:
    person: Person
    photo: Photo
    found: FoundFace
    parameters: Parameters
    shown: Shown


def _reconstructed(stage: Stage, method: Method, person: Person) -> _Reconstructed:
    found = person.found()
    if found is None:
        raise SystemExit(f"{person.file}: no face found")
    photo = person.photo()
    crop, parameters = method.encode(person.key, photo, found)
    return _Reconstructed(person, photo, found, parameters, stage.shown(photo, found, crop, parameters))


def _large(displacement: Float[Tensor, "1 1 size size"]) -> Float[Tensor, "1 1 512 512"]:
    return displacement if displacement.shape[-1] == MAP_SIZE else enlarged(displacement, MAP_SIZE)
