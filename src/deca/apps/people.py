"""People who can be moved: of a reconstruction, or of its folder."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from deca.animation.motion import Motion
from deca.animation.person import Person
from deca.animation.wrinkles import DecodeDetail, explaining_code
from deca.apps.errors import UsageError
from deca.apps.options import ModelChoice, ModelOptions
from deca.apps.published_model import open_published_networks, published_head
from deca.apps.reconstruct import NoFaceError, open_reconstructor, reconstruct_photo
from deca.apps.reconstruction import Reconstruction
from deca.conversion.asset import AssetError
from deca.head.data import HeadData, HeadError
from deca.io.assets import WEIGHTS, find_asset
from deca.io.default_networks import default_networks
from deca.io.gltf import at_rest, write_glb
from deca.io.heads import default_head, find_head
from deca.io.images import PhotoError
from deca.io.maps import MapError, encode_normals, read_displacement, read_map
from deca.io.parameter_files import FaceRecord, ParameterFileError, read_head_name, read_parameters
from deca.model.deca import Deca
from deca.model.networks import NetworkSizes
from deca.model.weights import WeightsError
from deca.parameters import Parameters

_REMEDY = "name the folder of a face that `deca reconstruct` made"


def open_person(source: Path, options: ModelOptions) -> tuple[Person, ModelOptions]:
    """The person of a photo, its largest face, or of the folder of a reconstructed face; and with which
    options others are reconstructed on the same head.

    UsageError, which names what is wrong, where there is none.
    """
    if not source.is_dir():
        return person_of(reconstruct_one(source, options)), options
    if options != ModelOptions(texture_size=options.texture_size):
        raise UsageError(f"{source} is reconstructed already; options of the model are for photos")
    person = read_person(source)
    name = person.deca.data.name
    if name == default_head().name:
        return person, options
    model: ModelChoice = "deca" if person.parameters.detail.shape[1] else "fit"
    return person, replace(options, head=name, model=model)


def reconstruct_one(photo: Path, options: ModelOptions) -> Reconstruction:
    """The largest face of a photo; UsageError where it cannot be had."""
    try:
        return reconstruct_photo(open_reconstructor(options), photo, "largest")[0]
    except (FileNotFoundError, PhotoError, NoFaceError, HeadError, AssetError, WeightsError) as error:
        raise UsageError(str(error)) from None


def person_of(result: Reconstruction) -> Person:
    """The person of a reconstruction."""
    return _person(result.deca, result.parameters, result.displacement, result.texture)


def read_person(folder: str | Path) -> Person:
    """The person in the folder of a reconstructed face, whichever head it was made with.

    UsageError, which names the file, where something in the folder is missing or not what it should be.
    """
    folder = Path(folder)
    try:
        deca, record = _record(folder / "parameters.json")
        displacement = torch.from_numpy(read_displacement(folder / "displacement.png"))[None, None]
        texture = read_map(folder / "texture.png")
    except (FileNotFoundError, MapError) as error:
        raise UsageError(f"{error}; {_REMEDY}") from None
    size = deca.layout.size
    if displacement.shape != (1, 1, size, size):
        raise UsageError(
            f"{folder / 'displacement.png'}: {displacement.shape[3]} x {displacement.shape[2]} texels, "
            f"expected {size} x {size}; reconstruct the photo again"
        )
    return _person(deca, record.parameters, displacement, texture)


def read_face(path: Path, data: HeadData) -> Parameters:
    """The parameters in a reconstructed folder or parameters.json, a batch of one, for the head `data`.

    UsageError, which names what is wrong, where there are none, or those of another head.
    """
    try:
        return read_parameters(path / "parameters.json" if path.is_dir() else path, data).parameters
    except (FileNotFoundError, ParameterFileError) as error:
        raise UsageError(f"{error}; {_REMEDY}") from None


@torch.no_grad()
def write_animated_glb(path: str | Path, person: Person, motion: Motion) -> None:
    """Write a person at rest with the motion as an animation."""
    deca = person.deca
    rest = at_rest(person.parameters)
    vertices = deca.head_model(rest).vertices
    surface = deca.detail_model.surface(vertices, person.wrinkles.under(rest))
    normal_map = encode_normals(surface.tangent_normals()[0].numpy())
    write_glb(path, deca.head_model, rest, person.texture, normal_map, motion)


def _record(path: Path) -> tuple[Deca, FaceRecord]:
    """The record of a face, and the head that it was made with."""
    try:
        name, shape, expression = read_head_name(path)
        deca = _deca(name, shape, expression)
        return deca, read_parameters(path, deca.data)
    except (FileNotFoundError, ParameterFileError, HeadError) as error:
        raise UsageError(f"{error}; {_REMEDY}") from None


@cache
def _deca(head: str, shape: int, expression: int) -> Deca:
    """A head by name, with as many components as a face of it has."""
    data = default_head()
    if head != data.name:
        data = find_head(head)
        if (len(data.shape_basis), len(data.expression_basis)) != (shape, expression):
            data = published_head(None, NetworkSizes(shape=shape, expression=expression))
    return Deca(data)


def _person(
    deca: Deca, parameters: Parameters, displacement: Float[Tensor, "1 1 size size"], texture
) -> Person:
    """With the detail decoder that drives the head, if there is one."""
    if parameters.detail.shape[1] == 0 and has_default_networks(deca.data):
        with torch.no_grad():
            decoder = default_networks().detail_decoder
            parameters = parameters.replace(detail=explaining_code(displacement, parameters, decoder))
    return Person(deca, parameters, displacement, texture, _decoder(deca.data, parameters))


def has_default_networks(data: HeadData) -> bool:
    """Whether the shipped detail decoder drives this head."""
    return data.name == default_head().name


def _decoder(data: HeadData, parameters: Parameters) -> DecodeDetail | None:
    if has_default_networks(data):
        return default_networks().displacement
    if parameters.detail.shape[1] == 0:
        return None
    # With a code and another head, DECA's networks made it.
    try:
        find_asset(WEIGHTS)
    except AssetError:
        return None
    networks = open_published_networks(ModelOptions(model="deca"))
    sizes = networks.sizes
    if (sizes.detail, sizes.expression) != (parameters.detail.shape[1], parameters.expression.shape[1]):
        return None
    return networks.displacement
