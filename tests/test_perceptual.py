"""The features that ID-MRF compares: VGG-19's layers, the user's file, and parts of any network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deca.conversion.asset import Asset, AssetError
from deca.io.assets import Source, add_asset
from deca.model.weights import WeightsError
from deca.training.mrf import mrf_loss
from deca.training.perceptual import (
    LAYER_WEIGHTS,
    PAPER_LAYERS,
    RELEASED_LAYERS,
    NetworkFeatures,
    VGG19Features,
    read_vgg19,
    vgg19_features,
)

# torchvision's vgg19: where the convolutions stand among its features.
CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
CHANNELS = (64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)


def _arrays(last: int = 34) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays, before = {}, 3
    for place, channels in zip(CONVOLUTIONS, CHANNELS, strict=True):
        if place <= last:
            size = (channels, before, 3, 3)
            arrays[f"features.{place}.weight"] = random.standard_normal(size, np.float32) / 20
            arrays[f"features.{place}.bias"] = np.zeros(channels, np.float32)
        before = channels
    return arrays


def test_layers_are_those_of_the_paper_s_table() -> None:
    every = [
        f"conv{block}_{n}" for block, count in enumerate((2, 2, 4, 4, 4), 1) for n in range(1, count + 1)
    ]
    features = VGG19Features(every)
    names = [name for name in features.state_dict() if name.endswith("weight")]
    assert names == [f"features.{place}.weight" for place in CONVOLUTIONS]
    maps = features(torch.rand(1, 3, 32, 32))
    assert [found.shape[1] for found in maps] == list(CHANNELS)
    assert [found.shape[2] for found in maps] == [32] * 2 + [16] * 2 + [8] * 4 + [4] * 4 + [2] * 4
    # After ReLU.
    assert all((found >= 0).all() for found in maps)


def test_only_what_is_needed_is_made() -> None:
    assert list(VGG19Features(RELEASED_LAYERS).state_dict())[-1] == "features.19.bias"
    assert list(VGG19Features(PAPER_LAYERS).state_dict())[-1] == "features.21.bias"
    with pytest.raises(ValueError, match="no layer 'conv3_9'"):
        VGG19Features(["conv3_9"])


def test_the_user_s_file_and_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECA_HOME", str(tmp_path / "home"))
    with pytest.raises(AssetError, match=r"no vgg19: add vgg19\.pth"):
        read_vgg19()
    arrays = _arrays(21) | {"classifier.6.bias": np.zeros(1000, np.float32)}
    file = tmp_path / "vgg19.pth"
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, file)
    image = torch.rand(1, 3, 16, 16)
    expected = vgg19_features(arrays)(image)
    for actual, found in zip(read_vgg19(file)(image), expected, strict=True):
        assert torch.equal(actual, found)
    add_asset(Asset("vgg19", "vgg19", arrays), Source(file.name, "0" * 64))
    for actual, found in zip(read_vgg19()(image), expected, strict=True):
        assert torch.equal(actual, found)


def test_weights_that_do_not_fit_are_named() -> None:
    # As far as the released layers, not as far as the paper's.
    assert len(vgg19_features(_arrays(19), RELEASED_LAYERS)(torch.rand(1, 3, 16, 16))) == 2
    with pytest.raises(WeightsError, match=r"lacks features\.21\.weight"):
        vgg19_features(_arrays(19))


def test_pictures_are_centred_as_torchvision_does() -> None:
    features = VGG19Features(["conv1_1"])
    first = features.features[0]
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    torch.testing.assert_close(
        features(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 8, 8))[0],
        nn.functional.relu(first.bias).view(1, -1, 1, 1).expand(1, 64, 8, 8),
        atol=1e-6,
        rtol=0,
    )


class _Backbone(nn.Module):
    """Two layers whose maps take either sign, and more that makes no map."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 4)
        self.blocks = nn.Sequential(nn.PReLU(), nn.Conv2d(8, 16, 3, 2))
        self.last = nn.Linear(16, 4)

    def forward(self, image: Tensor) -> Tensor:
        return self.last(self.blocks(self.first(image)).mean((2, 3)))


def test_parts_of_our_own_network() -> None:
    backbone = _Backbone()
    features = NetworkFeatures(backbone, ["first", "blocks.1"], 64)
    image = torch.rand(2, 3, 96, 96, requires_grad=True)
    maps = features(image)
    # The picture is brought to the size that the network expects.
    assert [tuple(found.shape) for found in maps] == [(2, 8, 16, 16), (2, 16, 7, 7)]
    assert all((found >= 0).all() for found in maps)
    value = mrf_loss(maps, [found.roll(1, 3) for found in maps], LAYER_WEIGHTS)
    (gradient,) = torch.autograd.grad(value.sum(), image)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    with pytest.raises(ValueError, match="no part 'layer9'; take from first, blocks, last, or parts"):
        NetworkFeatures(backbone, ["layer9"], 64)


def test_what_judges_does_not_learn_with_the_encoder() -> None:
    backbone = _Backbone()
    features = NetworkFeatures(backbone, ["blocks.1"], 64)
    image = torch.rand(1, 3, 64, 64)
    before = features(image)[0]
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
    features.train()
    assert torch.equal(features(image)[0], before)
    assert not any(parameter.requires_grad for parameter in features.parameters())
    # The original keeps learning, and no hook is left behind.
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module._forward_hooks for module in features.modules())
