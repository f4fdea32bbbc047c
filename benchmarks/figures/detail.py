"""Detail: predicted against true wrinkles, and what the detail codes of other photos and people change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float

from deca.fitting.relief_region import relief_region, texel_millimetres
from deca.head.albedo import AlbedoModel, resize_map
from deca.head.landmarks import HeadLandmarks
from deca.head.model import HeadModel
from deca.head.uv import UVLayout
from deca.parameters import Parameters
from deca.photo.crop import Crop
from deca.photo.faces import FoundFace
from deca.photo.sampling import Photo
from deca.render.camera import image_to_pixels, project
from deca.training.synthetic.wrinkles import WrinkleModel
from figures.methods import DetailMethod, Method, ReliefMethod
from figures.neutral import default_data
from figures.people import KEPT, code_version, face_of, find_face, found_again, kept_arrays, london
from figures.portraits import (
    DISPLACEMENT_SIZE,
    Sitter,
    picture_of,
    portrait,
    random_scene,
    texels_seen,
)
from figures.pose import turned
from figures.sitters import backdrop, framed, random_sitter, with_expression

PEOPLE = 30
# People of the training stream have smaller seeds.
_FIRST_SEED = 10_000_000
_LARGEST_YAW = 30.0
_NEARER = 1.5
_MOST_TRIES = 5
_ALBEDO_SIZE = 512
# Wrinkled is what lies so far from the surface around it, as a mean with this deviation; millimetres.
_WRINKLED, _SLOW = 0.1, 6.0
_FEWEST_TEXELS = 100
# People whose codes are tried on each photo.
_OTHERS = 10

Map = Float[np.ndarray, "256 256"]


@dataclass(frozen=True)
class Wrinkled:
    """A picture of a person whose wrinkles are known; `seen` are the face's texels that it shows.

    `parameters` are the true ones, but for the light; their camera is that of the whole picture.
    """

    key: str
    person: int
    photo: Photo
    found: FoundFace
    parameters: Parameters
    displacement: Map
    seen: Bool[np.ndarray, "256 256"]


@dataclass(frozen=True)
class Correlation:
    """How far predicted and true displacement go together over the wrinkled texels: as they are, and without
    their slow parts."""

    whole: float
    fine: float


def prepare() -> list[Wrinkled]:
    """Two pictures of each person, with different expressions, rendered where they are not kept."""
    renderer = _Renderer()
    return [renderer.picture(person, number) for person in range(PEOPLE) for number in range(2)]


def correlations(method: Method, pictures: Sequence[Wrinkled]) -> list[Correlation]:
    """The correlations of every picture that shows wrinkles."""
    return _correlations(pictures, [_predicted(method, picture) for picture in pictures])


def placed_correlations(method: DetailMethod, pictures: Sequence[Wrinkled]) -> list[Correlation]:
    """The same where the method is told the true head and pose: what its detail networks alone miss."""
    maps = []
    for picture in pictures:
        _, own = method.encode(picture.key, picture.photo, picture.found)
        true = picture.parameters.replace(lighting=own.lighting, albedo=own.albedo)
        whole = Crop(picture.photo.shape[0], np.eye(3))
        found = face_of(_true_points(picture))
        maps.append(method.displacement(method.with_detail(picture.photo, found, whole, true)))
    return _correlations(pictures, maps)


def _true_points(picture: Wrinkled) -> Float[np.ndarray, "468 3"]:
    """The 468 points of the true head in the picture, pixels."""
    head_model, landmarks = _head()
    points = project(landmarks.dense(head_model(picture.parameters)), picture.parameters.camera)[0]
    height, width = picture.photo.shape[:2]
    pixels = image_to_pixels(points[:, :2], height, width)
    return torch.nn.functional.pad(pixels, (0, 1)).double().numpy()


@cache
def _head() -> tuple[HeadModel, HeadLandmarks]:
    return HeadModel(default_data()), HeadLandmarks(default_data())


def _correlations(
    pictures: Sequence[Wrinkled], maps: Sequence[Float[torch.Tensor, "1 1 size size"]]
) -> list[Correlation]:
    rows = []
    for picture, predicted in zip(pictures, maps, strict=True):
        values = resize_map(predicted, DISPLACEMENT_SIZE)[0, 0].numpy()
        row = correlation(values, picture.displacement, picture.seen, _maps().texel)
        if row is not None:
            rows.append(row)
    return rows


def correlation(
    predicted: Map, true: Map, seen: Bool[np.ndarray, "256 256"], texel: float
) -> Correlation | None:
    """Of two maps in metres with texels so many millimetres long; None where hardly a wrinkle is seen."""
    fine = true - slow_part(true, texel)
    wrinkled = seen & (np.abs(fine) * 1000 > _WRINKLED)
    if wrinkled.sum() < _FEWEST_TEXELS:
        return None

    def together(a: Map, b: Map) -> float:
        x, y = a[wrinkled], b[wrinkled]
        return float(np.corrcoef(x, y)[0, 1]) if min(x.std(), y.std()) > 0 else 0.0

    return Correlation(together(predicted, true), together(predicted - slow_part(predicted, texel), fine))


def swaps(method: DetailMethod, pairs: Sequence[tuple[Parameters, Parameters]]) -> float:
    """How many times more another person's code changes the displacement than another photo's does.

    `pairs` are the parameters of two photos a person. The change is the mean absolute one over the face, for
    each photo under its own expression and jaw, with the code of the person's other photo or of photos of the
    people that come next.
    """
    region = _maps().region
    within, between = [], []
    for row, pair in enumerate(pairs):
        others = [pairs[(row + step) % len(pairs)] for step in range(1, min(_OTHERS, len(pairs) - 1) + 1)]
        for number, one in enumerate(pair):

            def decoded(code: Parameters, one: Parameters = one) -> np.ndarray:
                return method.displacement(one.replace(detail=code.detail))[0, 0].numpy()[region]

            own = decoded(one)
            within.append(np.abs(decoded(pair[1 - number]) - own).mean())
            between += [np.abs(decoded(other[number]) - own).mean() for other in others]
    return float(np.mean(between) / max(np.mean(within), 1e-12))


def synthetic_pairs(method: Method, pictures: Sequence[Wrinkled]) -> list[tuple[Parameters, Parameters]]:
    """The parameters of the two pictures of each synthetic person."""
    encoded = [method.encode(one.key, one.photo, one.found)[1] for one in pictures]
    return list(zip(encoded[::2], encoded[1::2], strict=True))


def london_pairs(method: Method) -> list[tuple[Parameters, Parameters]]:
    """The parameters of the neutral and the smiling photo of each held-back person of the London set."""
    pairs = []
    for neutral, smiling in zip(london("neutral"), london("smiling"), strict=True):
        photos = []
        for person in (neutral, smiling):
            found = person.found()
            assert found is not None, person.file
            photos.append(method.encode(person.key, person.photo(), found)[1])
        pairs.append((photos[0], photos[1]))
    return pairs


def slow_part(values: Map, texel: float) -> Map:
    """What a map is without its wrinkles: its mean over some millimetres."""
    return cv2.GaussianBlur(values, (0, 0), _SLOW / texel)


@dataclass(frozen=True)
class _Maps:
    """The default head's layout at the decoder's size, its region of relief and a texel's length,
    millimetres."""

    layout: UVLayout
    region: Bool[np.ndarray, "256 256"]
    texel: float


@cache
def _maps() -> _Maps:
    data = default_data()
    layout = UVLayout(data, DISPLACEMENT_SIZE)
    region = relief_region(data, layout).weights[0, 0].numpy() > 0.5
    positions = layout.to_uv(torch.from_numpy(data.template_vertices)[None])[0].numpy() * 1000
    return _Maps(layout, region, texel_millimetres(positions, region))


def _kept_folder() -> Path:
    """The pictures go with the code of the wrinkles, which are their truth."""
    files = (f"training/synthetic/{name}.py" for name in ("wrinkle*", "furrows", "face_chart"))
    return KEPT / f"detail-{code_version(*files)}"


def _predicted(method: Method, picture: Wrinkled) -> Float[torch.Tensor, "1 1 size size"]:
    if isinstance(method, DetailMethod):
        return method.displacement(method.encode(picture.key, picture.photo, picture.found)[1])
    if isinstance(method, ReliefMethod):
        return method.relief(picture.key, picture.photo, picture.found)
    return torch.zeros(1, 1, DISPLACEMENT_SIZE, DISPLACEMENT_SIZE)


class _Renderer:
    """Renders what is not kept; the head is made on first use."""

    @cached_property
    def sitter(self) -> Sitter:
        return Sitter(default_data())

    @cached_property
    def wrinkles(self) -> WrinkleModel:
        return WrinkleModel(default_data(), _maps().layout)

    @cached_property
    def albedo(self) -> tuple[UVLayout, AlbedoModel]:
        data = default_data()
        model = AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, _ALBEDO_SIZE)
        return UVLayout(data, _ALBEDO_SIZE), model

    def picture(self, person: int, number: int) -> Wrinkled:
        key = f"wrinkles_{person:03}_{number}"
        arrays = kept_arrays(_kept_folder() / f"{key}.npz", lambda: self._rendered(person, number))
        true = {part.name: torch.from_numpy(arrays[f"true_{part.name}"]) for part in fields(Parameters)}
        photo = picture_of(arrays["jpeg"])
        return Wrinkled(
            key=key,
            person=person,
            photo=photo,
            found=found_again(photo, arrays["points"]),
            parameters=Parameters(**true),
            displacement=arrays["displacement"],
            seen=arrays["seen"],
        )

    def _rendered(self, person: int, number: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng(_FIRST_SEED + person)
        sitter, (layout, model) = self.sitter, self.albedo
        subject = random_sitter(sitter, random, 1.0)
        coefficients = torch.from_numpy(random.standard_normal((1, len(model.basis)))).float()
        texture = layout.fill(model(coefficients)).clamp(0, 1)
        wrinkles = self.wrinkles.person(random)
        for attempt in range(_MOST_TRIES):
            random = np.random.default_rng([_FIRST_SEED + person, number, attempt])
            parameters = with_expression(sitter, subject, random)
            parameters = turned(parameters, random.uniform(-_LARGEST_YAW, _LARGEST_YAW), random)
            parameters = framed(sitter, parameters, random, _NEARER)
            displacement = self.wrinkles.displacement(wrinkles, parameters.expression, parameters.jaw)
            scene = random_scene(random, backdrop(random))
            taken = portrait(sitter, parameters, texture, scene, random, displacement)
            found = find_face(picture_of(taken.jpeg))
            if found is not None:
                true = {f"true_{part.name}": getattr(parameters, part.name) for part in fields(parameters)}
                return {
                    **{name: values.numpy() for name, values in true.items()},
                    "jpeg": taken.jpeg,
                    "points": found.landmarks.points,
                    "displacement": displacement[0, 0].numpy(),
                    "seen": texels_seen(sitter, parameters, _maps().layout) & _maps().region,
                }
        raise SystemExit(f"wrinkled person {person}: no face found in {_MOST_TRIES} tries")
