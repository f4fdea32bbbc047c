"""The one table between the names of the published DECA weights and ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from deca.model.networks import NetworkSizes
from deca.model.weights import WeightsError, check_tensors, expected_tensors

NETWORKS = ("E_flame", "E_detail", "D_detail")
# Published network, published beginning of a tensor's name, ours (which begins with the network's).
_TABLE = (
    ("E_flame", "encoder.", "coarse_encoder.backbone."),
    ("E_flame", "layers.0.", "coarse_encoder.hidden."),
    ("E_flame", "layers.2.", "coarse_encoder.outputs."),
    ("E_detail", "encoder.", "detail_encoder.backbone."),
    ("E_detail", "layers.0.", "detail_encoder.hidden."),
    ("E_detail", "layers.2.", "detail_encoder.outputs."),
    ("D_detail", "l1.0.", "detail_decoder.first."),
    ("D_detail", "conv_blocks.0.", "detail_decoder.first_norm."),
    ("D_detail", "conv_blocks.2.", "detail_decoder.blocks.0.convolution."),
    ("D_detail", "conv_blocks.3.", "detail_decoder.blocks.0.norm."),
    ("D_detail", "conv_blocks.6.", "detail_decoder.blocks.1.convolution."),
    ("D_detail", "conv_blocks.7.", "detail_decoder.blocks.1.norm."),
    ("D_detail", "conv_blocks.10.", "detail_decoder.blocks.2.convolution."),
    ("D_detail", "conv_blocks.11.", "detail_decoder.blocks.2.norm."),
    ("D_detail", "conv_blocks.14.", "detail_decoder.blocks.3.convolution."),
    ("D_detail", "conv_blocks.15.", "detail_decoder.blocks.3.norm."),
    ("D_detail", "conv_blocks.18.", "detail_decoder.blocks.4.convolution."),
    ("D_detail", "conv_blocks.19.", "detail_decoder.blocks.4.norm."),
    ("D_detail", "conv_blocks.21.", "detail_decoder.last."),
)
# What PyTorch's DataParallel writes before every name of a network that it trained.
_PARALLEL = "module."
_REMEDY = "get DECA's deca_model.tar again"


def own_state_dict(networks: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The published networks' tensors, by network and published name, as one mapping under our names.

    WeightsError, in published names, where a network or tensor is missing or surplus, a tensor has another
    shape or type, or a number is not finite.
    """
    if missing := [network for network in NETWORKS if network not in networks]:
        raise WeightsError(f"the network {', '.join(missing)} is missing; {_REMEDY}")
    own: dict[str, Tensor] = {}
    for network, expected in published_state_dict(expected_tensors(NetworkSizes())).items():
        tensors = {name.removeprefix(_PARALLEL): tensor for name, tensor in networks[network].items()}
        check_tensors(network, tensors, expected, _REMEDY)
        own |= {_own_name(network, name): tensor for name, tensor in tensors.items()}
    return own


def published_state_dict(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors under our names as the published networks have them: by network, then by published name."""
    networks: dict[str, dict[str, Tensor]] = {network: {} for network in NETWORKS}
    for own, tensor in state.items():
        network, published = _published_name(own)
        networks[network][published] = tensor
    return networks


def _own_name(network: str, published: str) -> str:
    for of, theirs, ours in _TABLE:
        if of == network and published.startswith(theirs):
            return ours + published.removeprefix(theirs)
    raise WeightsError(f"{network} has the unknown {published}; {_REMEDY}")


def _published_name(own: str) -> tuple[str, str]:
    for network, theirs, ours in _TABLE:
        if own.startswith(ours):
            return network, theirs + own.removeprefix(ours)
    raise WeightsError(f"{own} belongs to none of DECA's networks; name it as DecaNetworks does")
