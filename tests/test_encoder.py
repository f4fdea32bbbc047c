from __future__ import annotations

import torch
from torch import nn

from deca.model.encoder import Encoder
from deca.model.resnet import FEATURES, ResNet50


def parameter_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_an_encoder_is_two_linear_layers_with_a_relu_between_after_its_backbone():
    torch.manual_seed(0)
    encoder = Encoder(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 3, 5)
    image = torch.rand(2, 3, 8, 8)
    tensors = {name: value.detach().double().numpy() for name, value in encoder.state_dict().items()}
    hidden = image.double().numpy().mean((2, 3)) @ tensors["hidden.weight"].T + tensors["hidden.bias"]
    expected = hidden.clip(0) @ tensors["outputs.weight"].T + tensors["outputs.bias"]
    torch.testing.assert_close(encoder(image).double(), torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_the_encoders_have_as_many_parameters_as_the_published_ones():
    with torch.device("meta"):
        assert parameter_count(Encoder(ResNet50(), FEATURES, 236)) == 25_848_108
        assert parameter_count(Encoder(ResNet50(), FEATURES, 128)) == 25_737_408


def test_the_stride_stands_in_the_three_by_three_convolution():
    with torch.device("meta"):
        backbone = ResNet50()
    for stage in (backbone.layer2, backbone.layer3, backbone.layer4):
        assert (stage[0].conv1.stride, stage[0].conv2.stride, stage[0].conv3.stride) == (
            (1, 1),
            (2, 2),
            (1, 1),
        )


def test_images_of_a_batch_do_not_change_one_another():
    torch.manual_seed(0)
    backbone = ResNet50().eval()
    image = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(backbone(image)[1:], backbone(image[1:]), atol=1e-5, rtol=1e-5)
