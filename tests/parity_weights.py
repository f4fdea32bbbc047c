"""Network weights made by the rule in ../shared/parity/dev/README.md, under their published names."""

from __future__ import annotations

import json
import zlib
from functools import cache

import numpy as np
import pytest
import torch
from parity_files import PARITY
from torch import Tensor

SEED = 101
NETWORKS = ("E_flame", "E_detail", "D_detail")
GAINS = {"vgg19": 1.7}
GAIN = 1.5
# Of the layer that sees the picture.
IMAGE_GAINS = {"vggface2": 0.03, "vgg19": 1.7}
IMAGE_GAIN = 8.0
# The coarse encoder's outputs: how many, how large, and around what.
COARSE_SCALES = (
    (100, 0.8, (0.0,)),
    (50, 0.8, (0.0,)),
    (50, 0.5, (0.0,)),
    (3, 0.15, (0.0,)),
    (1, 0.05, (0.1,)),
    (2, 0.01, (0.0,)),
    (1, 0.4, (9.0,)),
    (2, 0.004, (0.0,)),
    (27, 0.12, tuple(np.repeat((2.7, 0.05, 0.15, 0.35, 0.03, -0.02, 0.04, 0.02, -0.03), 3))),
)


@cache
def published_weights() -> dict[str, dict[str, Tensor]]:
    """Every tensor of DECA's three networks; do not change them in place."""
    return {network: network_weights(network) for network in NETWORKS}


def network_weights(network: str) -> dict[str, Tensor]:
    """Every tensor of one network: DECA's three, vggface2 and vgg19."""
    path = PARITY / "state_dict_shapes.json"
    if not path.is_file():
        pytest.skip("the parity set is not there")
    shapes = json.loads(path.read_text())[network]
    return {name: _tensor(network, name, shape) for name, shape in shapes.items()}


def _tensor(network: str, name: str, shape: list[int]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    random = np.random.default_rng([SEED, zlib.crc32(f"{network}/{name}".encode())])
    values = _last_layer(network, name, _values(network, random, name, tuple(shape)))
    return torch.from_numpy(values.astype(np.float32))


def _values(network: str, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("running_var"):
        return random.uniform(0.8, 1.25, shape)
    if name.endswith(("running_mean", "bias")):
        return 0.05 * random.standard_normal(shape)
    if len(shape) == 1:
        return random.uniform(0.8, 1.2, shape) - (0.6 if "bn3" in name else 0.0)
    others = tuple(range(1, len(shape)))
    values = random.standard_normal(shape)
    values -= values.mean(others, keepdims=True)
    gains, usual = (IMAGE_GAINS, IMAGE_GAIN) if shape[1] == 3 else (GAINS, GAIN)
    return values * gains.get(network, usual) / np.sqrt(np.prod(shape[1:]))


def _last_layer(network: str, name: str, values: np.ndarray) -> np.ndarray:
    layer, _, what = name.rpartition(".")
    if (network, layer) == ("D_detail", "conv_blocks.21"):
        return 2 * values
    if (network, layer) == ("E_detail", "layers.2"):
        return 1.89 * values
    if (network, layer) == ("E_flame", "layers.2"):
        scales = np.concatenate([np.full(count, 2.7 * scale) for count, scale, _ in COARSE_SCALES])
        means = np.concatenate([np.broadcast_to(mean, count) for count, _, mean in COARSE_SCALES])
        return values * scales + means if what == "bias" else values * scales[:, None]
    return values
