"""The weights that ship, and weights like them: SmallNetworks in one safetensors file, in half precision."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from deca.head.data import HeadData
from deca.io.files import data_file, whole_file
from deca.model.networks import NetworkSizes
from deca.model.small_networks import SmallNetworks
from deca.model.weights import WeightsError, check_tensors

DEFAULT_NETWORKS = "default_networks.safetensors"
_FORMAT = "deca small networks 1"
_REMEDY = "take a file that `deca train` or the package wrote"


@cache
def default_networks() -> SmallNetworks:
    """The networks that ship, for the default head, ready to be used."""
    return read_small_networks(data_file(DEFAULT_NETWORKS))[0]


def read_small_networks(path: str | Path) -> tuple[SmallNetworks, str]:
    """Networks in evaluation mode, in single precision, and the name of the head that they drive.

    WeightsError where the file is not such a file or its tensors do not fit; FileNotFoundError where it is
    missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of weights")
    try:
        with safetensors.safe_open(path, "pt") as archive:
            metadata = archive.metadata() or {}
            tensors: dict[str, Tensor] = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
        if metadata.get("format") != _FORMAT:
            raise WeightsError(f"{path}: not small networks of deca; {_REMEDY}")
        sizes = NetworkSizes(**json.loads(metadata["sizes"]))
        head = metadata["head"]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: damaged ({error}); {_REMEDY}") from None
    state = {
        name: values.float() if values.is_floating_point() else values for name, values in tensors.items()
    }
    with torch.device("meta"):
        networks = SmallNetworks(sizes)
    check_tensors(str(path), state, networks.state_dict(), _REMEDY)
    networks.load_state_dict(state, assign=True)
    networks = networks.requires_grad_(False).eval()
    return networks.to(memory_format=torch.channels_last), head  # pyright: ignore[reportCallIssue]


def write_small_networks(path: str | Path, networks: SmallNetworks, head: HeadData) -> None:
    """Write networks that drive `head`, in half precision."""
    state = {
        name: (values.half() if values.is_floating_point() else values).contiguous()
        for name, values in networks.state_dict().items()
    }
    metadata = {"format": _FORMAT, "sizes": json.dumps(asdict(networks.sizes)), "head": head.name}
    with whole_file(path) as temporary:
        save_file(state, temporary, metadata)
