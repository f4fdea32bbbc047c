"""People who can be moved: of a reconstruction, or of its folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from deca.animation.person import Person
from deca.animation.wrinkles import DecodeDetail, explaining_code
from deca.apps.errors import UsageError
from deca.apps.options import ModelOptions
from deca.apps.reconstruction import Reconstruction
from deca.conversion.asset import AssetError
from deca.head.data import HeadData, HeadError
from deca.io.assets import WEIGHTS, find_asset
from deca.io.default_networks import default_networks
from deca.io.heads import default_head, find_head
from deca.io.maps import MapError, read_displacement, read_map
from deca.io.parameter_files import ParameterFileError, read_head_name, read_parameters
from deca.model.deca import Deca
from deca.parameters import Parameters


def person_of(result: Reconstruction) -> Person:
    """The person of a reconstruction."""
    return _person(result.deca, result.parameters, result.displacement, result.texture)


def read_person(folder: str | Path) -> Person:
    """The person in the folder of a reconstructed face, whichever head it was made with.

    UsageError, which names the file, where something in the folder is missing or not what it should be.
    """
    folder = Path(folder)
    try:
        deca = _deca(read_head_name(folder / "parameters.json"))
        record = read_parameters(folder / "parameters.json", deca.data)
        displacement = torch.from_numpy(read_displacement(folder / "displacement.png"))[None, None]
        texture = read_map(folder / "texture.png")
    except (FileNotFoundError, ParameterFileError, MapError, HeadError) as error:
        raise UsageError(f"{error}; name the folder of a face that `deca reconstruct` made") from None
    size = deca.layout.size
    if displacement.shape != (1, 1, size, size):
        raise UsageError(
            f"{folder / 'displacement.png'}: {displacement.shape[3]} x {displacement.shape[2]} texels, "
            f"expected {size} x {size}; reconstruct the photo again"
        )
    return _person(deca, record.parameters, displacement, texture)


@cache
def _deca(head: str) -> Deca:
    default = default_head()
    return Deca(default if head == default.name else find_head(head))


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
    # Imported when needed: with a code and another head, DECA's networks made it.
    from deca.apps.published_model import open_published_networks

    try:
        find_asset(WEIGHTS)
    except AssetError:
        return None
    networks = open_published_networks(ModelOptions(model="deca"))
    sizes = networks.sizes
    if (sizes.detail, sizes.expression) != (parameters.detail.shape[1], parameters.expression.shape[1]):
        return None
    return networks.displacement
