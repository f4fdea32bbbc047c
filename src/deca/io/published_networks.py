"""Published network weights that torch.save wrote: DECA's three networks, VGG-19's features, and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from deca.conversion.asset import Asset, AssetError
from deca.io.damage import RefusedError, unknown_file
from deca.io.pickle_arrays import Allowance
from deca.io.pickles import named_arrays
from deca.io.published_arrays import array_asset
from deca.io.torch_files import open_torch
from deca.model.published_names import NETWORKS, own_state_dict
from deca.model.weights import WeightsError

_VGG19_FIRST = "features.0.weight"


def read_published_networks(path: Path) -> Asset:
    """The asset in a file by torch.save; what else is in it, such as an optimiser's state, is not read.

    AssetError where it is unknown, cut short, or its tensors are not those of the published networks.
    """
    with open_torch(path) as content:
        if not isinstance(content, Mapping):
            raise unknown_file(path)
        allowance = Allowance(path.stat().st_size)
        if found := [name for name in NETWORKS if name in content]:
            return _deca_asset({name: named_arrays(content[name], allowance) for name in found}, path)
        if _VGG19_FIRST in content:
            features = {name: value for name, value in content.items() if str(name).startswith("features.")}
            return _vgg19_asset(named_arrays(features, allowance), path)
        return array_asset(named_arrays(content, allowance), path)


def _deca_asset(networks: Mapping[str, Mapping[str, np.ndarray]], path: Path) -> Asset:
    tensors = {
        name: {key: torch.from_numpy(array) for key, array in arrays.items()}
        for name, arrays in networks.items()
    }
    try:
        converted = own_state_dict(tensors)
    except WeightsError as error:
        raise AssetError(f"{path}: {error}") from None
    arrays = {name: tensor.numpy() for name, tensor in converted.items()}
    return Asset("deca-weights", "deca-weights", arrays, {"tensors": str(len(arrays))})


def _vgg19_asset(arrays: Mapping[str, np.ndarray], path: Path) -> Asset:
    if broken := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise RefusedError(f"{broken[0]} holds a number that is not finite; get the file again")
    return Asset("vgg19", "vgg19", arrays, {"tensors": str(len(arrays))})
