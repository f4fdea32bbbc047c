from __future__ import annotations

import torch
from scipy.spatial.transform import Rotation

from deca.model.networks import DecaNetworks, NetworkSizes, decoder_input, read_outputs, with_jaw_from_euler
from deca.model.weights import build_networks
from deca.parameters import Parameters

SIZES = NetworkSizes(shape=4, albedo=3, expression=2, detail=5)


def numbered() -> Parameters:
    """Parameters whose every estimated number is its place among the outputs."""
    coarse = torch.arange(float(sum(SIZES.coarse)))[None]
    return read_outputs(coarse, torch.arange(100.0, 105.0)[None], SIZES)


def test_the_published_outputs_are_236_and_128_and_the_decoder_reads_181():
    assert sum(NetworkSizes().coarse) == 236
    assert NetworkSizes().decoder == 181


def test_outputs_are_read_in_the_published_order():
    parameters = numbered()
    assert parameters.shape.tolist() == [[0, 1, 2, 3]]
    assert parameters.albedo.tolist() == [[4, 5, 6]]
    assert parameters.expression.tolist() == [[7, 8]]
    assert parameters.pose.tolist() == [[9, 10, 11]]
    assert parameters.jaw.tolist() == [[12, 13, 14]]
    assert parameters.camera.tolist() == [[15, 16, 17]]
    # Nine bands, and three colours in each.
    assert parameters.lighting[0, :2].tolist() == [[18, 19, 20], [21, 22, 23]]
    assert parameters.lighting.shape == (1, 9, 3)
    assert parameters.detail.tolist() == [[100, 101, 102, 103, 104]]


def test_what_is_not_estimated_is_at_rest():
    parameters = numbered()
    assert not parameters.neck.any()
    assert not parameters.eyes.any()
    assert parameters.eyes.shape == (1, 2, 3)


def test_the_decoder_reads_jaw_then_expression_then_detail():
    assert decoder_input(numbered()).tolist() == [[12, 13, 14, 7, 8, 100, 101, 102, 103, 104]]


def test_only_the_jaw_changes_when_it_was_estimated_as_euler_angles():
    angles = torch.tensor([[0.3, -0.2, 0.1]])
    before = numbered().replace(jaw=angles)
    after = with_jaw_from_euler(before)
    expected = Rotation.from_euler("XYZ", angles.numpy()).as_rotvec()
    torch.testing.assert_close(after.jaw, torch.from_numpy(expected).float())
    assert after.replace(jaw=angles).pose.equal(before.pose)


def test_networks_of_other_sizes_go_from_image_to_displacement_and_learn():
    torch.manual_seed(0)
    networks = DecaNetworks(SIZES).train()
    parameters = networks.encode(torch.rand(2, 3, 224, 224))
    assert parameters.batch == 2
    assert parameters.shape.shape == (2, 4)
    displacement = networks.displacement(parameters)
    (displacement.square().sum() + parameters.lighting.sum()).backward()
    for name, parameter in networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_networks_are_built_around_the_tensors_they_are_given():
    torch.manual_seed(0)
    state = DecaNetworks(SIZES).state_dict()
    networks = build_networks(state, SIZES)
    assert not networks.training
    assert networks.sizes == SIZES
    for name, tensor in networks.state_dict().items():
        assert tensor.data_ptr() == state[name].data_ptr(), name
