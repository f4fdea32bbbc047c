"""The networks and rotations against the reference's figures (../shared/parity/dev)."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from parity_head import stage
from parity_weights import published_weights
from torch import Tensor

from deca.geometry import axis_angle_to_matrix, euler_to_axis_angle, matrix_to_axis_angle
from deca.model.networks import DecaNetworks, with_jaw_from_euler
from deca.model.published_names import own_state_dict
from deca.model.weights import build_networks
from deca.parameters import Parameters

# Features and parameters as the set suggests; a turned jaw and a map in metres are held to float32 itself.
NETWORK = 2e-5
ROTATION = 2e-6
MAP = 2e-7


@cache
def networks() -> DecaNetworks:
    return build_networks(own_state_dict(published_weights())).requires_grad_(False)


@cache
def crops() -> Tensor:
    figures = stage("01_crop")
    return torch.stack([figures[f"crop{index}"] for index in range(3)])


@cache
def estimates() -> Parameters:
    return networks().encode(crops())


def agree(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("network", ["flame", "detail"])
def test_features_are_those_of_the_reference(network):
    encoder = networks().coarse_encoder if network == "flame" else networks().detail_encoder
    agree(encoder.backbone(crops()), stage("02_encode")[f"features_E_{network}"], NETWORK)


def test_the_mean_of_every_channel_of_every_stage_is_that_of_the_reference():
    backbone = networks().coarse_encoder.backbone
    means: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(
            lambda _module, _input, output, name=name: means.update({name: output.mean((2, 3))})
        )
        for name, module in backbone.named_children()
        if name.startswith("layer")
    ]
    backbone(crops())
    for hook in hooks:
        hook.remove()
    for name, mean in means.items():
        agree(mean, stage("02_encode")[f"E_flame_{name}_channel_mean"], NETWORK)
    assert len(means) == 4


def test_outputs_are_those_of_the_reference():
    agree(networks().coarse_encoder(crops()), stage("02_encode")["parameters"], NETWORK)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("shape", "shape"),
        ("albedo", "tex"),
        ("expression", "exp"),
        ("camera", "cam"),
        ("lighting", "light"),
        ("detail", "detail"),
    ],
)
def test_parameters_are_those_of_the_reference(ours, theirs):
    agree(getattr(estimates(), ours), stage("02_encode")[theirs], NETWORK)


def test_pose_and_jaw_are_those_of_the_reference():
    agree(torch.cat([estimates().pose, estimates().jaw], 1), stage("02_encode")["pose"], NETWORK)


def test_a_jaw_in_euler_angles_is_that_of_the_reference():
    turned = with_jaw_from_euler(estimates())
    expected = stage("02_encode")["pose_when_jaw_is_euler"]
    agree(torch.cat([turned.pose, turned.jaw], 1), expected, NETWORK)
    assert (expected - stage("02_encode")["pose"]).abs().max() > 10 * NETWORK, "the angles make a difference"


def test_one_photo_gives_what_it_gives_in_a_batch():
    for index in range(3):
        alone = networks().encode(crops()[index : index + 1])
        agree(alone.shape, stage("02_encode")["shape"][index : index + 1], NETWORK)
        agree(alone.detail, stage("02_encode")["detail"][index : index + 1], NETWORK)


def test_displacement_is_that_of_the_reference():
    figures = stage("10_detail")
    agree(networks().detail_decoder(figures["latent"])[:2], figures["uv_z"], MAP)
    agree(networks().detail_decoder(figures["latent"][1:2]), figures["uv_z"][1:2], MAP)


def test_displacement_from_the_photo_on_is_that_of_the_reference():
    agree(networks().displacement(estimates())[:2], stage("10_detail")["uv_z"], MAP)


def test_rotations_are_those_of_the_reference():
    figures = stage("04_rotation_transform")
    for name in ("rodrigues", "axis_to_matrix"):
        agree(axis_angle_to_matrix(figures["axis_angle"]), figures[name], ROTATION)
    agree(matrix_to_axis_angle(figures["rodrigues"]), figures["matrix_to_axis"], ROTATION)


def test_euler_angles_are_those_of_the_reference():
    figures = stage("04_rotation_transform")
    turned = euler_to_axis_angle(figures["euler"])
    agree(turned, figures["euler_to_axis"], ROTATION)
    agree(axis_angle_to_matrix(turned), figures["euler_to_matrix"], ROTATION)
