"""Who sits for portraits: held-back people's textures, random expressions, places in the picture,
backdrops."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from rich.progress import track
from torch import Tensor

from deca.apps.reconstruct import Reconstructor
from deca.fitting.eyes import fit_eyes
from deca.fitting.observation import vertices_in_photo
from deca.parameters import Parameters
from figures.people import KEPT, Person, held_back_photos, kept_arrays, london
from figures.portraits import SIZE, Sitter

TEXTURE_SIZE = 1024
TEXTURES = 100
# Parts of expressions that go together: how strong at most, and how often.
_PARTS = (
    (0.45, {"mouthSmile": 0.9, "cheekSquint": 0.6, "mouthDimple": 0.3}),
    (0.25, {"browInnerUp": 0.7, "browOuterUp": 0.7}),
    (0.2, {"browDown": 0.7, "eyeSquint": 0.4}),
    (0.15, {"mouthFrown": 0.6, "mouthPress": 0.4}),
    (0.15, {"mouthPucker": 0.6, "mouthFunnel": 0.3}),
    (0.15, {"noseSneer": 0.5, "mouthUpperUp": 0.5}),
    (0.3, {"eyeBlink": 0.35}),
    (0.2, {"mouthStretch": 0.4, "mouthLowerDown": 0.5}),
)
_OPEN_JAW = (0.3, 0.25)
_LIST = KEPT / "textures.npz"
_UNEVEN = 0.1


def textured_people() -> list[Person]:
    """The 100 people whose textures are worn; SystemExit where `prepare_textures` has not chosen them yet."""
    if not _LIST.is_file():
        raise SystemExit(f"{_LIST}: not there; make it with `python benchmarks/quality.py --prepare`")
    files = kept_arrays(_LIST, dict)["files"].tolist()
    people = {person.file: person for person in _candidates()}
    return [people[file] for file in files]


def prepare_textures() -> None:
    """Fit people until 100 textures are even, and keep these: harsh light from a side stays in a texture."""
    if _LIST.is_file():
        return
    reconstructor = None
    chosen: list[str] = []
    for person in track(_candidates(), "textures"):
        path = _texture_path(person)
        if not path.is_file():
            reconstructor = reconstructor or Reconstructor(texture_size=TEXTURE_SIZE)
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), _fitted_texture(reconstructor, person)[..., ::-1])
        if unevenness(texture_of(person)) < _UNEVEN:
            chosen.append(person.file)
        if len(chosen) == TEXTURES:
            break
    kept_arrays(_LIST, lambda: {"files": np.array(chosen)})


def unevenness(texture: Float[Tensor, "1 3 size size"]) -> float:
    """Mean difference of the slow tone of the face's two sides, in natural logarithms of sRGB."""
    small = cv2.resize(texture[0].permute(1, 2, 0).numpy(), (160, 160), interpolation=cv2.INTER_AREA)
    face = np.log(cv2.GaussianBlur(small, (0, 0), 6) + 0.05)[30:110, 40:120]
    return float(np.abs(face - face[:, ::-1]).mean())


def _candidates() -> list[Person]:
    """London's neutral photos and canada's, then those of congress, the largest first."""
    congress = [person for person in held_back_photos("congress") if person.note != "grey"]
    congress.sort(key=lambda person: (-person.width, person.file))
    return [*london("neutral"), *held_back_photos("canada"), *congress]


@torch.no_grad()
def _fitted_texture(reconstructor: Reconstructor, person: Person) -> UInt8[np.ndarray, "size size 3"]:
    """As `Reconstructor.face`, without relief, which takes longest and is not worn."""
    found, photo = person.found(), person.photo()
    if found is None:
        raise SystemExit(f"{person.file}: no face found; textures need one")
    head_model = reconstructor.deca.head_model
    landmarks_photo = torch.from_numpy(found.dense468[:, :2])
    crop, fit = reconstructor.geometry(found)
    head = head_model(fit.parameters)
    eyes = fit_eyes(photo, landmarks_photo, head, fit.parameters, head_model, crop)
    vertices = head_model(eyes.parameters).vertices
    vertices_photo = reconstructor.registration(
        vertices_in_photo(vertices, eyes.parameters.camera, crop), landmarks_photo
    )
    photo_texture = reconstructor.photo_texture
    appearance = photo_texture.appearance(photo, vertices, vertices_photo, eyes.parameters)
    return photo_texture.texture(photo, vertices, vertices_photo, appearance, eyes.iris_colour())


def texture_of(person: Person) -> Float[Tensor, "1 3 size size"]:
    """A kept texture on the default head, sRGB in [0, 1]."""
    picture = cv2.imread(str(_texture_path(person)))
    if picture is None:
        raise SystemExit(
            f"no texture of {person.key}; make them with `python benchmarks/quality.py --prepare`"
        )
    return torch.from_numpy(picture[..., ::-1].astype(np.float32) / 255).permute(2, 0, 1)[None]


def _texture_path(person: Person) -> Path:
    return KEPT / "textures" / f"{person.key}.png"


def random_sitter(sitter: Sitter, random: np.random.Generator, shape_deviation: float) -> Parameters:
    """A random person at rest, looking about a little; pose and place are still to be given."""
    parameters = sitter.head_model.neutral()
    shape = shape_deviation * random.standard_normal(parameters.shape.shape[1]).clip(-3, 3)
    gaze = random.normal(0, [0.06, 0.12]).clip(-0.25, 0.25)
    return parameters.replace(
        shape=torch.from_numpy(shape).float()[None],
        eyes=torch.tensor([[*gaze, 0.0]]).float().expand(2, 3)[None].clone(),
    )


def with_expression(sitter: Sitter, parameters: Parameters, random: np.random.Generator) -> Parameters:
    """With an expression of a few parts that go together, and now and then an open jaw."""
    names = sitter.data.expression_names
    expression = torch.zeros_like(parameters.expression)
    for chance, part in _PARTS:
        strength = random.uniform(0.2, 1.0) * (random.random() < chance)
        for action, most in part.items():
            for name in (action, f"{action}Left", f"{action}Right"):
                if name in names:
                    uneven = random.uniform(0.8, 1.2)
                    expression[0, names.index(name)] += strength * most * uneven
    jaw = torch.zeros(1, 3)
    jaw[0, 0] = _OPEN_JAW[1] * random.uniform() * (random.random() < _OPEN_JAW[0])
    return parameters.replace(expression=expression.clamp(0, 1), jaw=jaw)


def framed(
    sitter: Sitter, parameters: Parameters, random: np.random.Generator, nearer: float = 1.0
) -> Parameters:
    """With a camera that shows the face at a third to a half of the picture's side, about its middle, or
    nearer."""
    points = sitter.landmarks(sitter.head_model(parameters))[0, :, :2]
    low, high = points.amin(0), points.amax(0)
    scale = 2 * nearer * random.uniform(0.32, 0.46) / float((high - low).mean())
    shift = -(low + high) / 2 + torch.tensor(random.uniform(-0.08, 0.08, 2)).float() / scale
    return parameters.replace(camera=torch.tensor([[scale, *shift.tolist()]]))


def backdrop(random: np.random.Generator) -> Float[np.ndarray, "size size 3"]:
    """What is behind a face: a corner of a held-back photo or soft colours; below, cloth."""
    picture = _photo_corner(random) if random.random() < 0.6 else _soft_colours(random)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    # Shoulders: two slopes down from the middle.
    shoulder = 0.88 + 0.9 * (np.abs(columns - 0.5) - 0.1).clip(0) ** 1.5 + 0.02 * random.normal()
    cloth = (1 / (1 + np.exp((shoulder - rows) * 120)))[..., None]
    colour = random.uniform(0.05, 0.8) * np.exp(random.normal(0, 0.2, 3))
    folds = cv2.GaussianBlur(random.standard_normal((SIZE, SIZE)), (0, 0), 12)
    shaded = colour * (1 + 1.5 * folds[..., None])
    return ((1 - cloth) * picture + cloth * shaded).clip(0, 1).astype(np.float32)


def _photo_corner(random: np.random.Generator) -> Float[np.ndarray, "size size 3"]:
    """The upper left or right corner of a portrait, where no face is, out of focus."""
    photos = _congress_photos()
    photo = photos[random.integers(len(photos))]
    photo = photo[:, ::-1] if random.random() < 0.5 else photo
    height, width = photo.shape[:2]
    corner = np.ascontiguousarray(photo[: int(0.25 * height), : int(0.25 * width)])
    if random.random() < 0.5:
        corner = corner[:, ::-1]
    picture = cv2.resize(corner, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    return cv2.GaussianBlur(picture, (0, 0), random.uniform(2, 8))


def _soft_colours(random: np.random.Generator) -> Float[np.ndarray, "size size 3"]:
    cells = int(random.integers(2, 9))
    grid = (
        random.uniform(0.1, 0.9)
        + random.normal(0, 0.1, (cells, cells, 1))
        + random.normal(0, 0.05, (cells, cells, 3))
    )
    return cv2.resize(grid.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 1)


@cache
def _congress_photos() -> tuple[UInt8[np.ndarray, "height width 3"], ...]:
    people = [person for person in held_back_photos("congress") if person.note != "grey"]
    return tuple(person.photo() for person in people[:40])
