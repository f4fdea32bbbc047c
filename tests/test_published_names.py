from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity_files import PARITY
from torch import Tensor

from deca.model.networks import DecaNetworks, NetworkSizes
from deca.model.published_names import NETWORKS, own_state_dict, published_state_dict
from deca.model.weights import WeightsError, build_networks, expected_tensors

# One zero seen from everywhere: whole networks in no memory.
OWN = {
    name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
    for name, tensor in expected_tensors(NetworkSizes()).items()
}
PUBLISHED = published_state_dict(OWN)
PLACES = [(network, name) for network in NETWORKS for name in PUBLISHED[network]]


def published() -> dict[str, dict[str, Tensor]]:
    """A copy whose entries a test may exchange."""
    return {network: dict(tensors) for network, tensors in PUBLISHED.items()}


def refusal(networks: dict[str, dict[str, Tensor]]) -> str:
    with pytest.raises(WeightsError) as caught:
        own_state_dict(networks)
    message = str(caught.value)
    assert "\n" not in message
    assert "deca_model.tar" in message, "the remedy"
    return message


def test_the_published_names_and_shapes_are_those_of_the_parity_set():
    path = PARITY / "state_dict_shapes.json"
    if not path.is_file():
        pytest.skip("the parity set is not there")
    shapes = json.loads(path.read_text())
    for network in NETWORKS:
        ours = {name: list(tensor.shape) for name, tensor in PUBLISHED[network].items()}
        assert ours == shapes[network]


def test_the_networks_have_as_many_tensors_as_published():
    assert [len(PUBLISHED[network]) for network in NETWORKS] == [322, 322, 44]


def test_names_go_there_and_back():
    assert set(own_state_dict(PUBLISHED)) == set(OWN)
    assert set(OWN) == set(DecaNetworks().state_dict())


def test_tensors_keep_their_content():
    marked = torch.rand(1024)
    networks = published()
    networks["E_detail"]["layers.0.bias"] = marked
    assert own_state_dict(networks)["detail_encoder.hidden.bias"] is marked


def test_networks_that_trained_in_parallel_are_accepted():
    networks = published()
    networks["E_flame"] = {f"module.{name}": tensor for name, tensor in networks["E_flame"].items()}
    assert set(own_state_dict(networks)) == set(OWN)


@given(st.sampled_from(PLACES))
def test_a_missing_tensor_is_named(place):
    network, name = place
    networks = published()
    del networks[network][name]
    assert f"{network} lacks {name};" in refusal(networks)


@given(st.sampled_from(PLACES))
def test_a_tensor_of_another_shape_is_named_with_both_shapes(place):
    network, name = place
    networks = published()
    networks[network][name] = torch.zeros(7, 5, dtype=networks[network][name].dtype)
    assert f"{name}: shape (7, 5), not {tuple(PUBLISHED[network][name].shape)}" in refusal(networks)


@given(st.sampled_from(PLACES), st.sampled_from([float("nan"), float("inf"), -float("inf")]))
def test_a_number_that_is_not_finite_is_named(place, value):
    network, name = place
    networks = published()
    tensor = networks[network][name]
    if not tensor.is_floating_point():
        return
    spoilt = tensor.clone()
    spoilt.view(-1)[-1] = value
    networks[network][name] = spoilt
    assert f"{network} is not finite in {name};" in refusal(networks)


def test_large_numbers_are_finite_also_where_their_sum_is_not():
    networks = published()
    networks["E_flame"]["layers.0.bias"] = torch.full((1024,), 3e38)
    own_state_dict(networks)


def test_a_surplus_tensor_is_named():
    networks = published()
    networks["D_detail"]["conv_blocks.22.weight"] = torch.zeros(1)
    assert "D_detail has, beyond its own, conv_blocks.22.weight;" in refusal(networks)


def test_a_tensor_of_another_type_is_named():
    networks = published()
    networks["E_flame"]["layers.2.bias"] = torch.zeros(236, dtype=torch.float16)
    assert "layers.2.bias: float16, not float32" in refusal(networks)


def test_of_many_the_first_are_named_and_the_rest_counted():
    networks = published()
    networks["E_flame"] = {"encoder.conv1.weight": networks["E_flame"]["encoder.conv1.weight"]}
    assert "encoder.bn1.weight, encoder.bn1.bias, encoder.bn1.running_mean and 318 more" in refusal(networks)


def test_a_missing_network_is_named():
    networks = published()
    del networks["E_detail"]
    assert "E_detail" in refusal(networks)


def test_own_weights_are_refused_alike():
    with pytest.raises(WeightsError, match=r"lacks coarse_encoder\.outputs\.bias;"):
        build_networks(
            {name: tensor for name, tensor in OWN.items() if name != "coarse_encoder.outputs.bias"}
        )


def test_weights_of_other_sizes_are_refused():
    with pytest.raises(WeightsError, match=r"shape \(236, 1024\), not \(186, 1024\)"):
        build_networks(OWN, NetworkSizes(shape=50))


def test_a_foreign_name_has_no_published_one():
    with pytest.raises(WeightsError, match=r"texture_encoder\.weight"):
        published_state_dict({"texture_encoder.weight": torch.zeros(1)})
