"""Feature maps that ID-MRF compares: of VGG-19 where the user has its weights, else of a network of ours."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deca.conversion.asset import AssetError
from deca.io.assets import load_asset
from deca.io.published_files import read_published
from deca.model.weights import check_tensors

PAPER_LAYERS = ("conv3_2", "conv4_2")
RELEASED_LAYERS = ("conv3_1", "conv4_1")
"""What the released code takes, although it calls them relu3_2 and relu4_2."""
LAYER_WEIGHTS = (1.0, 2.0)
"""How much `deca.training.mrf.mrf_loss` lets the two layers count (DECA, section 4.2)."""

_VGG19 = "vgg19"
# Channels and number of convolutions of each block (Simonyan and Zisserman 2015, table 1, column E).
_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class VGG19Features(nn.Module):
    """VGG-19 (Simonyan and Zisserman 2015) as far as the last of `layers`, whose maps after ReLU it gives.

    Layers are called as in that paper, such as conv3_2; tensors bear torchvision's names. Frozen.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: Sequence[str] = PAPER_LAYERS) -> None:
        super().__init__()
        places = _layer_places()
        if unknown := [layer for layer in layers if layer not in places]:
            raise ValueError(f"VGG-19 has no layer {unknown[0]!r}; take from {', '.join(places)}")
        self._taken = [places[layer] for layer in layers]
        modules = _vgg19_modules()[: max(self._taken) + 1]
        self.features = nn.Sequential(*modules)
        for name, values in (("mean", _MEAN), ("deviation", _DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The layers' maps of images of RGB in [0, 1]."""
        x = (image - self.mean) / self.deviation
        found = {}
        for place, module in enumerate(self.features):
            x = module(x)
            if place in self._taken:
                found[place] = x
        return [found[place] for place in self._taken]

    def train(self, mode: bool = True) -> VGG19Features:
        """Always in evaluation mode: what it judges by does not change."""
        return super().train(False)


class NetworkFeatures(nn.Module):
    """The maps of some parts of any network, such as the trained encoder's backbone, brought above zero.

    `layers` are names of its submodules, `image_size` the size that it expects images in. The network is
    copied and frozen, so that training the original does not move what it is judged by.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str], image_size: int) -> None:
        super().__init__()
        known = dict(network.named_modules())
        if unknown := [layer for layer in layers if layer not in known]:
            names = ", ".join(name for name, _ in network.named_children())
            raise ValueError(
                f"{type(network).__name__} has no part {unknown[0]!r}; take from {names}, or parts of these"
            )
        self._layers = tuple(layers)
        self._image_size = image_size
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The layers' maps, after ReLU, of images of RGB in [0, 1]."""
        found: dict[str, Tensor] = {}

        def keep(layer: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
            found[layer] = output.relu()

        parts = dict(self.network.named_modules())
        hooks = [parts[layer].register_forward_hook(partial(keep, layer)) for layer in self._layers]
        size = [self._image_size, self._image_size]
        if list(image.shape[2:]) != size:
            image = nn.functional.interpolate(
                image, size, mode="bilinear", align_corners=False, antialias=True
            )
        try:
            self.network(image)
        finally:
            for hook in hooks:
                hook.remove()
        return [found[layer] for layer in self._layers]

    def train(self, mode: bool = True) -> NetworkFeatures:
        """Always in evaluation mode: what it judges by does not change."""
        return super().train(False)


def read_vgg19(path: str | Path | None = None, layers: Sequence[str] = PAPER_LAYERS) -> VGG19Features:
    """VGG-19 with the user's weights: of a file such as torchvision's vgg19.pth, else of the asset `vgg19`.

    Nothing in a file is run. AssetError where there is none or it is another file; WeightsError where a layer
    is missing.
    """
    if path is None:
        return vgg19_features(load_asset(_VGG19), layers)
    asset = read_published(path)
    if asset.kind != _VGG19:
        raise AssetError(f"{path}: {asset.kind}, not VGG-19; name torchvision's vgg19.pth")
    return vgg19_features(asset.arrays, layers)


def vgg19_features(arrays: Mapping[str, np.ndarray], layers: Sequence[str] = PAPER_LAYERS) -> VGG19Features:
    """VGG-19 with these weights under torchvision's names; deeper layers and the classifier are left out.

    WeightsError where a tensor that is needed is missing, of another shape or type, or not finite.
    """
    features = VGG19Features(layers)
    expected = features.state_dict()
    tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in expected if name in arrays}
    check_tensors("VGG-19", tensors, expected, "take torchvision's vgg19.pth")
    features.load_state_dict(tensors)
    return features


def _vgg19_modules() -> list[nn.Module]:
    modules: list[nn.Module] = []
    channels = 3
    for out, convolutions in _BLOCKS:
        for _ in range(convolutions):
            # Nothing in place: the map before it may have been asked for.
            modules += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        modules.append(nn.MaxPool2d(2))
    return modules


def _layer_places() -> dict[str, int]:
    """Where each convolution's ReLU stands among the modules."""
    places, place = {}, 0
    for block, (_, convolutions) in enumerate(_BLOCKS, 1):
        for convolution in range(1, convolutions + 1):
            places[f"conv{block}_{convolution}"] = place + 1
            place += 2
        place += 1
    return places
