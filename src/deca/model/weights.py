"""Weights fit their networks exactly or not at all: none missing, surplus, of another shape or not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from deca.model.networks import DecaNetworks, NetworkSizes

_NAMED = 3


class WeightsError(ValueError):
    """Tensors do not fit the networks; the message names them, says what was found, and the remedy."""


def build_networks(state: Mapping[str, Tensor], sizes: NetworkSizes | None = None) -> DecaNetworks:
    """Networks in evaluation mode that use the tensors of `state`, under our names, without copying them.

    WeightsError where a tensor is missing, surplus, of another shape or type, or not finite.
    """
    sizes = sizes or NetworkSizes()
    check_tensors("the weights", state, expected_tensors(sizes), "add deca_model.tar again")
    # Nothing is drawn at random only to be overwritten: that would take longer than loading.
    with torch.device("meta"):
        networks = DecaNetworks(sizes)
    networks.load_state_dict(dict(state), assign=True)
    return networks.eval()


@cache
def expected_tensors(sizes: NetworkSizes) -> Mapping[str, Tensor]:
    """Every tensor of networks of these sizes by its name: shape and type, no content."""
    with torch.device("meta"):
        return DecaNetworks(sizes).state_dict()


def check_tensors(
    what: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], remedy: str
) -> None:
    """WeightsError unless `tensors` are exactly the `expected` ones in name, shape and type, and finite."""
    for problem, names in (
        ("lacks", (name for name in expected if name not in tensors)),
        ("has, beyond its own,", (name for name in tensors if name not in expected)),
        ("has what does not fit:", (_difference(name, tensors[name], expected[name]) for name in expected)),
        ("is not finite in", (name for name in expected if not _finite(tensors[name]))),
    ):
        if found := [name for name in names if name]:
            raise WeightsError(f"{what} {problem} {_listed(found)}; {remedy}")


def _difference(name: str, found: Tensor, expected: Tensor) -> str:
    if found.shape != expected.shape:
        return f"{name}: shape {tuple(found.shape)}, not {tuple(expected.shape)}"
    if found.dtype != expected.dtype:
        return f"{name}: {_type(found)}, not {_type(expected)}"
    return ""


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _finite(tensor: Tensor) -> bool:
    # A sum is finite only where every number is, and takes a third of the time; it may overflow, though.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more tensors" if more > 0 else "")
