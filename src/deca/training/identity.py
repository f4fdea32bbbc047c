"""The identity loss: whether a face-recognition network takes the rendering for the person in the photo.

No such network ships with this system: the user's own judges, and without one the loss is off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate

from deca.conversion.asset import AssetError
from deca.io.asset_records import assets_folder, read_record
from deca.io.assets import load_asset
from deca.io.published_files import read_published
from deca.io.trainable_onnx import OnnxModule, read_onnx_module
from deca.model.resnet import Bottleneck, ResNet50
from deca.model.weights import check_tensors

RECOGNITION = "face-recognition"
"""The asset of VGGFace2's ResNet-50."""

_SIZE = 224
# The rows and columns of a crop that the network sees, enlarged.
_SEEN = slice(10, 214)
# Blue, green and red of VGGFace2's mean photo, of 255.
_MEAN_BGR = (91.4953, 103.8827, 131.0912)
# Where an aligned picture of 112 pixels a side has the middles of the eyes (the viewer's left one first), the
# tip of the nose and the corners of the mouth (Deng et al. 2019, ArcFace); pixel centres at integers.
_ALIGNED = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_ALIGNED_SIZE = 112
_FIRST = 8  # operators among which a network that takes its mean off itself does so
# What a saved network may lack, and may have beyond what is needed.
_COUNTER, _CLASSIFIER = "num_batches_tracked", "fc."


def identity_loss(
    features: Float[Tensor, "face feature"], target: Float[Tensor, "face feature"]
) -> Float[Tensor, " face"]:
    """1 - cosine(f(I), f(I_r)), 0 to 2 (DECA, section 4.1); `features` of the renderings, `target` of the
    photos."""
    return 1 - torch.cosine_similarity(features, target)


def vggface2_input(image: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face 3 224 224"]:
    """What VGGFace2's network was trained on: blue, green, red of 255 less their mean; the crop's rim is cut
    off."""
    if image.shape[2:] != (_SIZE, _SIZE):
        image = interpolate(image, [_SIZE, _SIZE], mode="bilinear", align_corners=False, antialias=True)
    centred = 255 * image.flip(1) - image.new_tensor(_MEAN_BGR)[:, None, None]
    seen = centred[..., _SEEN, _SEEN]
    return interpolate(seen, [_SIZE, _SIZE], mode="bilinear", align_corners=False)


def released_vggface2_input(image: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face 3 224 224"]:
    """As `vggface2_input`, doubled, less one, as if it were colours of [0, 1]: by mistake."""
    return 2 * vggface2_input(image) - 1


class VGGFace2(nn.Module):
    """VGGFace2's ResNet-50 (Cao et al. 2018) as converted from Caffe, to 2,048 features; frozen.

    Against `ResNet50`, the stride stands in a block's first convolution, and the first pooling has no border
    and counts what is left over. `prepare` makes the network's input of crops.
    """

    def __init__(self, prepare: Callable[[Tensor], Tensor] = vggface2_input) -> None:
        super().__init__()
        self._prepare = prepare
        self.network = ResNet50()
        self.network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        for block in self.network.modules():
            if isinstance(block, Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
        self.eval().requires_grad_(False)

    def forward(
        self, image: Float[Tensor, "face 3 height width"], landmarks: Float[Tensor, "face 68 2"]
    ) -> Float[Tensor, "face 2048"]:
        """Features of crops; the landmarks are not needed, the crop is cut by them."""
        return self.network(self._prepare(image))

    def train(self, mode: bool = True) -> VGGFace2:
        """Always in evaluation mode: what it judges by does not change."""
        return super().train(False)


class AlignedRecognition(nn.Module):
    """An ArcFace-like network: aligned pictures of 112 x 112 to features; frozen.

    The picture is turned and scaled so that eyes, nose and mouth lie where such networks were trained to have
    them. RGB, of which (x - 127.5) / 127.5 is taken of 255, unless the network begins by doing so itself.
    """

    def __init__(self, network: OnnxModule) -> None:
        super().__init__()
        self.network = network
        self._centres_itself = {"Sub", "Mul"} <= set(network.operators[:_FIRST])

    def forward(
        self, image: Float[Tensor, "face 3 height width"], landmarks: Float[Tensor, "face 68 2"]
    ) -> Float[Tensor, "face feature"]:
        """Features of crops, aligned by their landmarks."""
        picture = 255 * aligned(image, landmarks)
        return self.network(picture if self._centres_itself else picture / 127.5 - 1)


FaceRecognition = VGGFace2 | AlignedRecognition


def aligned(
    image: Float[Tensor, "face 3 height width"], landmarks: Float[Tensor, "face 68 2"]
) -> Float[Tensor, "face 3 112 112"]:
    """Crops turned and scaled by the similarity that best brings eyes, nose and mouth to where ArcFace has
    them; zero outside the crop."""
    points = torch.stack(
        [
            landmarks[:, 36:42].mean(1),
            landmarks[:, 42:48].mean(1),
            landmarks[:, 30],
            landmarks[:, 48],
            landmarks[:, 54],
        ],
        1,
    )
    template = (landmarks.new_tensor(_ALIGNED) + 0.5) / _ALIGNED_SIZE * 2 - 1
    theta = _similarity(template, points.detach()).to(image.dtype)
    grid = affine_grid(theta, [len(image), 3, _ALIGNED_SIZE, _ALIGNED_SIZE], align_corners=False)
    return grid_sample(image, grid, padding_mode="zeros", align_corners=False)


def find_recognition(path: str | Path | None = None, released: bool = False) -> FaceRecognition | None:
    """The user's network: of an ONNX file, of VGGFace2's resnet50_ft_weight.pkl, else of the asset
    `face-recognition`; None where no path is given and no such asset is stored, which the caller says aloud.

    It is called with crops, RGB in [0, 1], and their 68 landmarks in the image frame. `released` gives
    VGGFace2's network what the released code does. Of other files only ONNX can be read: TorchScript and
    whole pickled modules hold programs. AssetError, with the remedy, for a file of another kind; WeightsError
    where a tensor is missing.
    """
    prepare = released_vggface2_input if released else vggface2_input
    if path is None:
        stored = read_record(assets_folder(), RECOGNITION) is not None
        return vggface2(load_asset(RECOGNITION), prepare) if stored else None
    if Path(path).suffix.lower() == ".onnx":
        network = read_onnx_module(path)
        if network.input_shape[2:] not in ((_ALIGNED_SIZE, _ALIGNED_SIZE), (None, None)):
            raise AssetError(
                f"{path}: takes pictures of {network.input_shape[2:]}; aligned ones have 112 x 112 pixels"
            )
        return AlignedRecognition(network)
    asset = read_published(path)
    if asset.kind != RECOGNITION:
        raise AssetError(f"{path}: {asset.kind}; name VGGFace2's resnet50_ft_weight.pkl, or an ONNX file")
    return vggface2(asset.arrays, prepare)


def vggface2(
    arrays: Mapping[str, np.ndarray], prepare: Callable[[Tensor], Tensor] = vggface2_input
) -> VGGFace2:
    """VGGFace2's network with these weights; its classifier is left out.

    WeightsError where a tensor is missing, surplus, of another shape or type, or not finite.
    """
    # Nothing is drawn at random only to be overwritten: that would take longer than loading.
    with torch.device("meta"):
        recognition = VGGFace2(prepare)
    state = recognition.network.state_dict()
    expected = {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTER)}
    tensors = {
        name: torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if not name.endswith(_COUNTER) and not name.startswith(_CLASSIFIER)
    }
    check_tensors("the recognition network", tensors, expected, "take VGGFace2's resnet50_ft_weight.pkl")
    counters = {name: torch.zeros((), dtype=torch.int64) for name in state if name.endswith(_COUNTER)}
    recognition.network.load_state_dict(tensors | counters, assign=True)
    return recognition.requires_grad_(False)


def _similarity(
    source: Float[Tensor, "point 2"], target: Float[Tensor, "face point 2"]
) -> Float[Tensor, "face 2 3"]:
    """The similarities that bring `source` nearest to each face's points, by least squares."""
    centre, target_centre = source.mean(0), target.mean(1, keepdim=True)
    x, y = (source - centre).unbind(-1)
    u, v = (target - target_centre).unbind(-1)
    size = (x * x + y * y).sum()
    cosine, sine = (x * u + y * v).sum(1) / size, (x * v - y * u).sum(1) / size
    turn = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], 1)
    shift = target_centre[:, 0] - turn @ centre
    return torch.cat([turn, shift[..., None]], -1)
