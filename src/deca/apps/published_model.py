"""DECA as published, opened from the files that the user has stored: head, networks, masks, templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deca.apps.network_reconstructor import NetworkReconstructor
from deca.apps.options import ModelOptions
from deca.apps.released_reconstructor import ReleasedReconstructor
from deca.conversion.asset import AssetError
from deca.conversion.flame_head import with_counts
from deca.head.albedo import AlbedoModel
from deca.head.data import HeadData, HeadError
from deca.head.released_detail import DETAIL_SIZE
from deca.head.texel_mesh import TexelTemplate, published_texel_template, texel_template
from deca.head.uv import UVLayout
from deca.io.asset_records import assets_folder, compiled_folder, heads_folder, read_record
from deca.io.assets import WEIGHTS, find_asset, load_asset
from deca.io.heads import find_head
from deca.io.inference import open_networks
from deca.model.networks import FaceNetworks, NetworkSizes, NetworksWithEulerJaw
from deca.model.released import ReleasedDecoder
from deca.parameters import Parameters

_HEAD, _ALBEDO = "flame", "albedo-bfm"
_TRAINED_ON = "2020"
_NEEDED = "generic_model.pkl of FLAME 2020, landmark_embedding.npy and head_template.obj"


def open_paper_model(options: ModelOptions) -> NetworkReconstructor:
    """The published networks, used as the paper describes; the head is the stored FLAME unless it is named.

    AssetError where a file is not stored, HeadError where head and networks do not fit, WeightsError where
    the networks' tensors are not what they should be.
    """
    networks = open_published_networks(options)
    return NetworkReconstructor(published_head(options.head, networks.sizes), networks, options.texture_size)


def open_released_model(options: ModelOptions) -> ReleasedReconstructor:
    """The published networks, used as the released code uses them; raises as `open_paper_model` does."""
    networks = open_published_networks(options)
    data = published_head(options.head, networks.sizes)
    decoder = ReleasedDecoder(
        data,
        _released_albedo(data),
        _detail_map("uv-face-eye-mask", "mask"),
        _detail_map("fixed-displacement", "displacement"),
    )
    return ReleasedReconstructor(data, networks, decoder, _texel_template(decoder.layout))


def open_published_networks(options: ModelOptions) -> FaceNetworks:
    """The stored networks; those whose jaw is given as Euler angles have it turned to axis-angle."""
    record = find_asset(WEIGHTS)

    def tensors() -> Mapping[str, Tensor]:
        return {name: torch.from_numpy(array) for name, array in load_asset(WEIGHTS).items()}

    threads = torch.get_num_threads()
    networks = open_networks(tensors, record.sha256, compiled_folder(), threads, options.precision)
    networks = _OneAtATime(networks)
    return NetworksWithEulerJaw(networks) if options.jaw == "euler" else networks


def published_head(name: str | Path | None, sizes: NetworkSizes) -> HeadData:
    """The head that networks drive, with the components that they estimate.

    Of FLAME they drive the first 100 shape and 50 expression components, and the Basel albedo; where that
    is not stored, the mean albedo stands for it. Any other head must have the networks' own counts.
    """
    record = read_record(heads_folder(), _HEAD)
    if name is None and record is None:
        raise AssetError(f"--model deca needs the head {_HEAD}: add {_NEEDED} with `deca assets add`")
    data = find_head(_HEAD if name is None else name)
    if not data.name.startswith(_HEAD):
        _check_counts(data, sizes)
        return data
    if data.version.isdecimal() and data.version != _TRAINED_ON:
        raise HeadError(
            f"head {data.name}: FLAME {data.version}, but the networks drive FLAME {_TRAINED_ON}, whose "
            f"components mean other shapes; add {_NEEDED} with `deca assets add`"
        )
    data = with_counts(data, sizes.shape, sizes.expression)
    if read_record(assets_folder(), _ALBEDO) is None:
        data = replace(data, albedo_basis=np.zeros((sizes.albedo, 1, 1, 3), np.float32))
    return data


class _OneAtATime:
    """Networks that several threads may call: compiled ones answer one call at a time."""

    def __init__(self, networks: FaceNetworks) -> None:
        self._networks = networks
        self._lock = Lock()

    @property
    def sizes(self) -> NetworkSizes:
        return self._networks.sizes

    def encode(self, image: Float[Tensor, "batch 3 224 224"]) -> Parameters:
        with self._lock:
            return self._networks.encode(image)

    def displacement(self, parameters: Parameters) -> Float[Tensor, "batch 1 256 256"]:
        with self._lock:
            return self._networks.displacement(parameters)


def _check_counts(data: HeadData, sizes: NetworkSizes) -> None:
    counts = {
        "shape": (len(data.shape_basis), sizes.shape),
        "expression": (len(data.expression_basis), sizes.expression),
        "albedo": (len(data.albedo_basis), sizes.albedo),
    }
    for what, (found, expected) in counts.items():
        if found != expected:
            raise HeadError(
                f"head {data.name}: {found} {what} components, but the networks estimate {expected}; they "
                "drive FLAME: leave --head out"
            )


def _released_albedo(data: HeadData) -> AlbedoModel:
    """Every second texel of the stored albedo; the head's own where none is stored."""
    if read_record(assets_folder(), _ALBEDO) is None:
        return AlbedoModel.averaged(data.albedo_mean, data.albedo_basis, DETAIL_SIZE)
    arrays = load_asset(_ALBEDO)
    return AlbedoModel.released(arrays["mean"], arrays["basis"], DETAIL_SIZE)


def _detail_map(kind: str, array: str) -> np.ndarray:
    values = load_asset(kind)[array]
    if values.shape != (DETAIL_SIZE, DETAIL_SIZE):
        raise AssetError(
            f"{kind}: {values.shape[0]} x {values.shape[1]} texels, the released code's has {DETAIL_SIZE} x "
            f"{DETAIL_SIZE}; add the published file with `deca assets add`"
        )
    return values


def _texel_template(layout: UVLayout) -> TexelTemplate:
    """The stored template of the dense mesh, or the same made again from the UV layout."""
    if read_record(assets_folder(), "dense-template") is None:
        return texel_template(layout)
    return published_texel_template(load_asset("dense-template"))
