"""Weights of trained networks on disk: to begin with, and to be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from deca.io.files import whole_file
from deca.model.weights import check_tensors
from deca.training.checkpoints import CheckpointError
from deca.training.stage import TrainedNetworks


def load_weights(networks: TrainedNetworks, path: Path) -> None:
    """Let networks begin with the tensors of a file: all of them, or all of some of its three parts.

    CheckpointError for no such file; WeightsError where a part fits not exactly.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: no readable weights ({error}); name a .safetensors file") from None
    parts = {
        name for name, _ in networks.named_children() if any(key.startswith(f"{name}.") for key in found)
    }
    expected = {key: value for key, value in networks.state_dict().items() if key.partition(".")[0] in parts}
    check_tensors(
        str(path), found, expected or networks.state_dict(), "name weights of the same head and backbone"
    )
    networks.load_state_dict(found, strict=False)


def save_weights(networks: TrainedNetworks, average: Mapping[str, Tensor], path: Path) -> None:
    """Write all tensors of the networks, in place of some their `average`."""
    tensors = {
        name: average.get(name, value).detach().cpu().contiguous().clone()
        for name, value in networks.state_dict().items()
    }
    with whole_file(path) as temporary:
        save_file(tensors, temporary)
